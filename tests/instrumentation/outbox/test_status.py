"""When a process writes its status: news at once, how far the sending is now and then."""

import json
from pathlib import Path

import pytest

from spanledger.delivery import DeliverySettings
from spanledger.delivery.outbox import Outbox, status
from spanledger.delivery.outbox.status import STATUS, TOLD_EVERY_S, StatusFile
from support.left_spans import put
from support.waiting import wait_for


def test_progress_is_told_now_and_then_and_news_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = 1000.0
    monkeypatch.setattr("spanledger.delivery.outbox.status.time.monotonic", lambda: now)
    file = StatusFile()
    assert not file.due()
    file.news = True
    assert file.due()
    file.write(tmp_path, lambda: {"sent": 0})
    assert not file.due()
    file.behind = True
    now += TOLD_EVERY_S - 1
    assert not file.due()
    now += 1
    assert file.due()
    file.write(tmp_path, lambda: {"sent": 7})
    assert json.loads((tmp_path / STATUS).read_text())["sent"] == 7
    now += 10 * TOLD_EVERY_S  # nothing has happened: nothing is to be told
    assert not file.due()


def test_what_came_while_the_report_was_made_is_told_the_next_time(tmp_path: Path):
    file = StatusFile()
    file.news = True

    def report() -> dict[str, object]:
        file.news = True
        return {}

    file.write(tmp_path, report)
    assert file.due()


def test_the_last_progress_is_told_although_nothing_follows_it(outbox: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(status, "TOLD_EVERY_S", 0.3)

    def sent() -> int:
        return sum(json.loads(path.read_text())["sent"] for path in outbox.glob(f"*/{STATUS}"))

    settings = DeliverySettings("http://127.0.0.1:9", sync_interval=0.01)
    box = Outbox(settings, lambda: {"sent": box.counts().sent})
    put(box, "one")
    wait_for(lambda: list(outbox.glob(f"*/{STATUS}")), "the first status")
    put(box, "two")
    box.acknowledge(box.take(512, 10**7))
    wait_for(lambda: box.tend() is not None and sent() == 2, "a status that tells of the progress")
    box.abandon()
