"""What `doctor` says of the apps, by the status files in their outbox."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from spanledger.delivery.outbox import folder
from spanledger_billing.doctor import apps
from spanledger_billing.doctor.report import Check, State
from support.left_spans import holding, leave
from support.waiting import wait_for

NOWHERE = "http://127.0.0.1:9"


def found() -> dict[str, Check]:
    return {check.subject: check for check in apps.check()}


def tell(outbox: Path, **report: Any) -> None:
    """As the process that holds the one box would of itself."""
    (box,) = folder.boxes(outbox)
    (box / "status.json").write_text(json.dumps(report))


def make_older(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr("spanledger.delivery.outbox.status.time.time", lambda: now)


def test_no_outbox_yet_and_none_wanted_are_both_well(monkeypatch: pytest.MonkeyPatch):
    assert [check.state for check in apps.check()] == [State.OK]
    monkeypatch.setenv("SPANLEDGER_OUTBOX", "off")
    (check,) = apps.check()
    assert (check.state, check.found) == (State.OK, "off: spans wait in memory, and a kill loses them")


def test_spans_that_a_living_app_is_about_to_send_are_well(outbox: Path):
    with holding(NOWHERE, "one", "two", sync_interval=3600):
        checks = found()
    assert {check.state for check in checks.values()} == {State.OK}
    assert checks["outbox"].found == f"2 spans wait in {outbox}"


def test_spans_left_by_a_process_that_is_gone_name_the_command_that_sends_them(
    monkeypatch: pytest.MonkeyPatch,
):
    leave(NOWHERE, "one", "two")
    assert found()["outbox"].state is State.OK
    make_older(monkeypatch, 2 * apps.LEFT_SECONDS)
    check = found()["outbox"]
    assert check.state is State.PROBLEM
    assert "2 of them left by processes that are gone, the oldest 120 s old" in check.found
    assert "python -m spanledger outbox flush" in check.next_step


def test_old_spans_of_a_living_app_are_told_with_what_it_says_of_the_collector(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    with holding(NOWHERE, "one", sync_interval=3600):
        tell(outbox, last_error="HTTP 401; check SPANLEDGER_TOKEN")
        make_older(monkeypatch, 2 * apps.HELD_SECONDS)
        check = found()["outbox"]
    assert check.state is State.PROBLEM
    assert check.next_step == "apps say: HTTP 401; check SPANLEDGER_TOKEN"


def test_an_outbox_in_the_temporary_folder_is_named_since_a_restart_may_empty_it(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    leave(NOWHERE, "one")
    monkeypatch.setattr(folder, "in_temporary_folder", lambda: outbox)
    assert "a restart of the machine keeps" in found()["outbox"].next_step


def test_what_was_put_aside_is_a_problem(outbox: Path):
    with holding(NOWHERE, "one") as app:
        app.set_aside(app.take(1, 1)[0])
    check = found()["aside"]
    assert check.state is State.PROBLEM
    assert check.found.startswith("1 files of refused or damaged spans")
    assert str(outbox / "aside") in check.next_step


def test_an_app_that_had_to_fall_back_to_memory_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    """By the status file that the app itself writes."""
    from spanledger.delivery import Delivery, DeliverySettings
    from support.finished_spans import submit

    delivery = Delivery(DeliverySettings(NOWHERE, linger=3600, sync_interval=0.01, outbox_limit_bytes=65536))
    monkeypatch.setattr("spanledger.delivery.outbox.folder.used_bytes", lambda _: 65536)
    submit(delivery, "one")
    wait_for(lambda: "fallback" in found(), "a status that says so")
    check = found()["fallback"]
    assert check.state is State.PROBLEM
    assert "which a kill loses: its limit of 0.0625 MiB is reached" in check.found
    delivery.abandon()


def test_uwsgi_without_threads_is_named_with_the_option_that_it_lacks(outbox: Path):
    with holding(NOWHERE, "one", sync_interval=3600):
        tell(outbox, threads_stand_still=True)
        check = found()["threads"]
    assert (check.state, check.next_step) == (State.PROBLEM, "give uWSGI the option enable-threads")


@pytest.mark.parametrize(
    "kind", ["event_too_long", "batch_items_dropped", "client_id_refused", "spans_lost", "new"]
)
def test_what_apps_count_is_told_and_added_up_over_them(kind: str, outbox: Path):
    with holding(NOWHERE, "one", sync_interval=3600):
        tell(outbox, counts={kind: 2, "delivery_retried": 9})
        (living,) = folder.boxes(outbox)
        leave(NOWHERE, "left", sync_interval=3600)
        (other,) = (box for box in folder.boxes(outbox) if box != living)
        (other / "status.json").write_text(json.dumps({"counts": {kind: 3}}))
        checks = found()
    assert checks[kind].state is State.PROBLEM
    assert checks[kind].found == "5 times, by what apps say"
    assert checks[kind].next_step
    assert "delivery_retried" not in checks
