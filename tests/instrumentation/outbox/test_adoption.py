"""What a process leaves is sent by exactly one other of the same destination; nobody else's is touched."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from spanledger.delivery.outbox import adoption, segment
from spanledger.delivery.outbox.folder import boxes
from support.counting import Counting
from support.fake_collector import Answer, FakeCollector
from support.finished_spans import submit
from support.left_spans import holding, leave
from support.waiting import wait_for

Deliver = Any
TESTS = Path(__file__).parents[2]


def test_a_new_start_sends_what_was_left_without_a_call_of_its_own(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    leave(collector.url, "one", "two")
    leave(collector.url, "three")
    deliver_to(collector.url)
    collector.wait_until(lambda: sorted(collector.accepted) == ["one", "three", "two"])
    wait_for(lambda: list(boxes(outbox)) == [], "an empty outbox")


def test_a_living_process_sends_what_is_left_meanwhile(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adoption, "EVERY_S", 0.05)
    delivery = deliver_to(collector.url)
    submit(delivery, "own")
    assert delivery.flush(60)
    leave(collector.url, "left")
    collector.wait_until(lambda: collector.accepted == ["own", "left"])
    wait_for(lambda: delivery.status()["sent_for_others"] == 1, "the count")
    assert delivery.status()["sent"] == 1


def test_a_process_without_calls_of_its_own_sends_what_another_leaves_that_was_alive_when_it_began(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adoption, "EVERY_S", 0.05)
    with holding(collector.url, "left by the former one"):
        deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["left by the former one"])


def test_a_process_that_is_always_busy_sends_what_others_left_all_the_same(
    collector: FakeCollector, deliver_to: Deliver
):
    with holding(collector.url, *[f"own {i}" for i in range(3000)]) as busy:
        leave(collector.url, "left")
        busy.tend()
        taken = []
        for _ in range(adoption_turn := 4):
            batch = busy.take(10, 10**6)
            taken.append(len(batch))
            busy.acknowledge(batch)
        assert taken == [10] * (adoption_turn - 1) + [1]


def test_what_a_living_process_holds_is_left_to_it(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    with holding(collector.url, "held"):
        leave(collector.url, "left")
        delivery = deliver_to(collector.url)
        collector.wait_until(lambda: collector.accepted == ["left"])
        assert delivery.shutdown(60)
        (box,) = boxes(outbox)
        assert len(list(box.glob("*.spans"))) == 1
    deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["left", "held"])


@pytest.mark.parametrize(
    "of_another",
    [
        {"token": "another"},
        {"headers": {"x-tenant": "another"}},
        {"endpoint": "http://127.0.0.1:9"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_spans_for_another_collector_or_sender_are_left_to_those(
    of_another: dict[str, Any], collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    settings = dict(of_another)
    leave(settings.pop("endpoint", collector.url), "not ours", **settings)
    delivery = deliver_to(collector.url)
    submit(delivery, "ours")
    assert delivery.shutdown(60)
    assert collector.accepted == ["ours"]
    (box,) = boxes(outbox)
    assert len(list(box.glob("*.spans"))) == 1


def test_the_same_sender_is_known_again_and_its_token_is_not_told(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    leave(collector.url, "left", token="a-secret", headers={"X-Tenant": "a"})
    assert not any(b"a-secret" in path.read_bytes() for path in outbox.rglob("*") if path.is_file())
    deliver_to(collector.url, token="a-secret", headers={"x-tenant": "a"})
    collector.wait_until(lambda: collector.accepted == ["left"])


def test_what_the_collector_has_acknowledged_before_the_end_is_not_sent_again(
    collector: FakeCollector, deliver_to: Deliver
):
    with holding(collector.url, "one", "two", "three") as ended:
        ended.acknowledge(ended.take(2, 10**6))
    deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["three"])


def test_a_position_that_was_not_written_whole_has_everything_sent_again(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    with holding(collector.url, "one", "two") as ended:
        ended.acknowledge(ended.take(1, 10**6))
    (path,) = outbox.glob("*/*.spans")
    content = bytearray(path.read_bytes())
    content[12] ^= 0xFF
    path.write_bytes(content)
    deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["one", "two"])


def test_many_processes_that_start_at_once_send_each_span_once(collector: FakeCollector, outbox: Path):
    names = [f"{box}.{number}" for box in range(12) for number in range(20)]
    for box in range(12):
        leave(collector.url, *[f"{box}.{number}" for number in range(20)])
    script = """
import sys, time
from pathlib import Path
from spanledger.delivery import Delivery, DeliverySettings
from spanledger.delivery.outbox import status
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
delivery = Delivery(DeliverySettings(sys.argv[1]))
while status.read(Path(sys.argv[2]), 1).spans:
    time.sleep(0.01)
assert delivery.shutdown(60)
"""
    starters = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, collector.url, str(outbox)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        starter.communicate("go\n", timeout=120)
        assert starter.returncode == 0
    assert sorted(collector.accepted) == sorted(names)
    assert list(boxes(outbox)) == []


def test_a_segment_of_another_version_is_left_alone_and_the_others_are_sent(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    leave(collector.url, "of another version")
    (path,) = outbox.glob("*/*.spans")
    content = bytearray(path.read_bytes())
    content[8] = segment.VERSION + 1
    path.write_bytes(content)
    leave(collector.url, "left")
    with Counting() as counted:
        delivery = deliver_to(collector.url)
        collector.wait_until(lambda: collector.accepted == ["left"])
        assert delivery.shutdown(60)
    assert path.read_bytes() == content
    assert counted.kinds == {}


def test_a_box_left_half_made_or_half_deleted_is_cleared_away(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    (outbox / "empty").mkdir(parents=True)
    (outbox / "locked once").mkdir()
    (outbox / "locked once" / "lock").touch()
    (outbox / "locked once" / "status.json").write_text("{}")
    (outbox / ".leaving-1").mkdir()
    (outbox / ".leaving-1" / "lock").touch()
    unborn = outbox / ".new-1"
    unborn.mkdir()
    (unborn / "lock").touch()
    being_made = outbox / ".new-2"
    being_made.mkdir()
    hours_ago = time.time() - 7200
    os.utime(unborn, (hours_ago, hours_ago))
    leave(collector.url, "left")
    deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["left"])
    wait_for(lambda: [path.name for path in outbox.iterdir()] == [being_made.name], "a tidy outbox")


def test_the_box_of_another_user_is_not_looked_at(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    leave(collector.url, "of another user")
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    delivery = deliver_to(collector.url, outbox=str(outbox))
    assert delivery.status()["sent_for_others"] == 0
    assert list(boxes(outbox)) == []


def test_a_box_that_is_a_link_is_not_followed(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path, tmp_path: Path
):
    leave(collector.url, "elsewhere")
    (box,) = boxes(outbox)
    box.rename(tmp_path / "elsewhere")
    (outbox / "link").symlink_to(tmp_path / "elsewhere")
    deliver_to(collector.url)
    assert list(boxes(outbox)) == []
    assert (outbox / "link").is_symlink()


def test_a_shutdown_leaves_to_others_what_others_left(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    collector.answer_with(Answer(503, {"retry-after": "3600"}))
    leave(collector.url, "left")
    delivery = deliver_to(collector.url)
    wait_for(lambda: delivery.status()["last_error"], "a failed attempt")
    assert delivery.shutdown(60)
    deliver_to(collector.url)
    collector.wait_until(lambda: collector.accepted == ["left"])
