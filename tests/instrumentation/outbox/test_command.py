"""`python -m spanledger outbox`: what waits is told, and sent, on the app's machine without the app."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from spanledger.delivery import Delivery, DeliverySettings
from spanledger.delivery.outbox import segment
from spanledger.delivery.outbox.command import main
from spanledger.delivery.outbox.folder import boxes
from support.fake_collector import ACCEPT, Answer, FakeCollector
from support.finished_spans import submit
from support.left_spans import holding, leave
from support.waiting import LONGEST_WAIT_S, wait_for

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str) -> tuple[int, str]:
    code = main(["outbox", *arguments])
    return code, capsys.readouterr().out


def told(capsys: Capture, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = run(capsys, *arguments, "--json")
    return code, json.loads(out)


@pytest.fixture(autouse=True)
def _endpoint(collector: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_ENDPOINT", collector.url)


def test_it_runs_with_the_base_install_alone(collector: FakeCollector, outbox: Path):
    leave(collector.url, "left")
    script = """
import sys
for absent in ("typer", "rich", "click", "httpx", "httpx2", "clickhouse_connect", "spanledger_billing"):
    sys.modules[absent] = None
import runpy
sys.argv = ["spanledger", "outbox", "flush"]
runpy.run_module("spanledger", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"sent 1 spans to {collector.url}/v1/traces\n")
    assert collector.accepted == ["left"]
    assert list(boxes(outbox)) == []


def test_an_outbox_that_nothing_has_written_to_is_told_as_that(capsys: Capture, outbox: Path):
    assert run(capsys, "status") == (0, f"{outbox}: not there; no process has written to it yet\n")
    code, found = told(capsys, "flush")
    assert (code, found["exists"], found["flush"]["sent"]) == (0, False, 0)
    assert not outbox.exists()


def test_status_tells_what_waits_for_whom_since_when_and_what_can_be_lost(
    collector: FakeCollector, capsys: Capture, outbox: Path
):
    leave(collector.url, "one", "two", token="another")
    with holding(collector.url, "three"):
        code, found = told(capsys, "status")
        text = run(capsys, "status")[1]
    assert code == 0
    assert (found["spans"], found["not_held"], found["limit_bytes"]) == (3, 2, 512 * 1024 * 1024)
    gone, alive = found["boxes"]
    assert (gone["held"], gone["spans"], gone["endpoint"]) == (False, 2, f"{collector.url}/v1/traces")
    assert (alive["held"], alive["spans"]) == (True, 1)
    assert gone["oldest_seconds"] >= alive["oldest_seconds"] >= 0
    assert 0 < alive["bytes"] < gone["bytes"] < found["bytes"]
    for line in (
        f"outbox      {outbox}",
        "power loss  can take what was written in the last 1 s",
        "  2 spans, the oldest ",
        "recorded for another endpoint or token than this environment names",
        "next: start the app, or run `python -m spanledger outbox flush` with its variables",
    ):
        assert line in text
    assert "another" not in text.replace("another endpoint", "")


def test_looking_changes_nothing(collector: FakeCollector, capsys: Capture, outbox: Path):
    leave(collector.url, "one")
    before = {path: path.read_bytes() for path in outbox.rglob("*") if path.is_file()}
    run(capsys, "status")
    assert {path: path.read_bytes() for path in outbox.rglob("*") if path.is_file()} == before


def test_flush_sends_what_nobody_holds_and_leaves_the_living_theirs(
    collector: FakeCollector, capsys: Capture, outbox: Path
):
    leave(collector.url, "one", "two")
    leave(collector.url, "three")
    with holding(collector.url, "held"):
        code, found = told(capsys, "flush")
    assert (code, found["flush"]["sent"], found["spans"], found["not_held"]) == (0, 3, 1, 0)
    assert collector.accepted == ["one", "two", "three"]


def test_flush_goes_on_until_the_collector_takes_them(collector: FakeCollector, capsys: Capture):
    leave(collector.url, "one")
    collector.answer_with(Answer(503), Answer(drop=True))
    code, found = told(capsys, "flush")
    assert (code, found["flush"]["sent"], found["flush"]["last_error"]) == (0, 1, None)


def test_a_flush_that_cannot_deliver_says_why_keeps_everything_and_fails(
    collector: FakeCollector, capsys: Capture
):
    leave(collector.url, "one")
    collector.behave(lambda _: Answer(401))
    for seconds in ("0.05", "1", "20"):  # a busy machine may not even hear the answer in so short a time
        code, text = run(capsys, "flush", "--timeout", seconds)
        if "HTTP 401" in text:
            break
    assert code == 1
    assert "sent 0 spans" in text
    assert "last error: HTTP 401; check SPANLEDGER_TOKEN" in text
    collector.behave(lambda _: ACCEPT)
    assert told(capsys, "flush")[1]["flush"]["sent"] == 1


def test_what_was_recorded_for_another_sender_is_sent_only_when_all_is_asked_for(
    collector: FakeCollector, capsys: Capture
):
    leave("http://127.0.0.1:9", "of a former endpoint")
    leave(collector.url, "of a former token", token="former")
    code, found = told(capsys, "flush")
    assert (code, found["flush"]["sent"], found["not_held"]) == (1, 0, 2)
    code, found = told(capsys, "flush", "--all")
    assert (code, found["flush"]["sent"], found["not_held"]) == (0, 2, 0)
    assert sorted(collector.accepted) == ["of a former endpoint", "of a former token"]


def test_directory_and_endpoint_can_be_named(
    collector: FakeCollector, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave(collector.url, "elsewhere", outbox=str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SPANLEDGER_ENDPOINT", "http://127.0.0.1:9")
    arguments = ("--dir", str(tmp_path / "elsewhere"), "--endpoint", collector.url)
    code, found = told(capsys, "flush", *arguments)
    assert (code, found["flush"]["sent"]) == (0, 1)
    assert found["directory"] == str(tmp_path / "elsewhere")


def test_what_the_collector_refuses_is_told(collector: FakeCollector, capsys: Capture, outbox: Path):
    collector.behave(lambda received: Answer(400) if "poison" in received.names else ACCEPT)
    leave(collector.url, "one", "poison")
    code, text = run(capsys, "flush")
    assert code == 0
    assert "the collector refused 1 for what they are; they are in aside/" in text
    assert "aside       1 files" in text


def test_a_segment_of_another_version_is_named_and_left_alone(
    collector: FakeCollector, capsys: Capture, outbox: Path
):
    leave(collector.url, "one")
    (path,) = outbox.glob("*/*.spans")
    content = bytearray(path.read_bytes())
    content[8] = segment.VERSION + 1
    path.write_bytes(content)
    text = run(capsys, "flush")[1]
    assert f"written by another version, left alone: {path.name}" in text
    assert path.read_bytes() == content


def test_a_process_that_had_to_use_memory_says_so(
    collector: FakeCollector, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    delivery = Delivery(
        DeliverySettings("http://127.0.0.1:9", linger=3600, sync_interval=0.01, outbox_limit_bytes=65536)
    )
    monkeypatch.setattr("spanledger.delivery.outbox.folder.used_bytes", lambda _: 65536)
    submit(delivery, "one", "two")
    expected = "memory only, which a kill loses: its limit of 0.0625 MiB is reached"
    wait_for(lambda: expected in run(capsys, "status")[1], "a status that says so")
    text = run(capsys, "status")[1]
    assert f"process {os.getpid()}, alive" in text
    delivery.abandon()


def test_the_status_of_a_process_holds_what_doctor_needs_and_no_secret(
    collector: FakeCollector, outbox: Path
):
    answering = threading.Event()

    def late(_: object) -> Answer:
        answering.wait(LONGEST_WAIT_S)
        return Answer(401, body=b"secret", content_type="text/plain")

    def status() -> dict[str, Any]:
        found = list(outbox.glob("*/status.json"))
        return json.loads(found[0].read_text()) if found else {}

    collector.behave(late)
    delivery = Delivery(
        DeliverySettings(
            collector.url,
            token="secret",
            headers={"x-key": "secret"},
            linger=0,
            sync_interval=0.01,
            first_retry=3600,
            longest_retry=3600,
            answer_timeout=LONGEST_WAIT_S,
        )
    )
    submit(delivery, "one")
    wait_for(status, "a status")
    assert status()["last_error"] is None
    answering.set()  # nothing but this attempt happens from now on
    wait_for(lambda: status()["last_error"], "a status with the error")
    found = status()
    assert found["last_error"] == "HTTP 401; check SPANLEDGER_TOKEN"
    assert (found["pid"], found["queued"], found["lost"]) == (os.getpid(), 1, 0)
    assert found["outbox"]["state"] == "disk"
    assert found["counts"]["delivery_retried"] >= 1
    assert "secret" not in json.dumps(found)
    delivery.abandon()
    delivery.shutdown(LONGEST_WAIT_S)


def test_where_there_is_no_outbox_the_command_says_what_to_name(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPANLEDGER_OUTBOX", "off")
    assert main(["outbox", "status"]) == 2
    assert "Name a directory with --dir" in capsys.readouterr().err


def test_an_endpoint_that_cannot_be_used_is_refused_without_being_shown(capsys: Capture):
    assert main(["outbox", "flush", "--endpoint", "http://user:secret@collector"]) == 2
    shown = capsys.readouterr().err
    assert "must look like http://127.0.0.1:4318" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    "arguments", [[], ["outbox"], ["outbox", "burn"], ["outbox", "flush", "--timeout", "x"]]
)
def test_anything_else_is_refused_with_what_is_allowed(arguments: list[str], capsys: Capture):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert "usage: python -m spanledger" in capsys.readouterr().err
