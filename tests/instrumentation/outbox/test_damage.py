"""What is damaged is kept aside with an alarm; everything around it is sent."""

from pathlib import Path
from typing import Any

import pytest

from spanledger.delivery.outbox import aside
from spanledger.delivery.outbox.folder import boxes
from spanledger.delivery.outbox.record import MAGIC, Record, scan
from spanledger.delivery.outbox.segment import FIRST_RECORD, open_segment
from support.counting import Counting
from support.fake_collector import ACCEPT, Answer, FakeCollector
from support.finished_spans import submit
from support.left_spans import leave, opened, put
from support.waiting import wait_for

Deliver = Any
NAMES = ["first", "second", "third"]


def left_segment(collector: FakeCollector, outbox: Path) -> tuple[Path, bytearray, list[int]]:
    """A segment that was left, what is in it, and where its records begin."""
    leave(collector.url, *NAMES)
    (path,) = outbox.glob("*/*.spans")
    content = bytearray(path.read_bytes())
    starts = [FIRST_RECORD + found.start for found in scan(bytes(content[FIRST_RECORD:]), final=True)]
    return path, content, starts


def sent_after(content: bytes, path: Path, collector: FakeCollector, deliver_to: Deliver) -> dict[str, int]:
    """What is counted when the segment is sent with this content."""
    path.write_bytes(content)
    with Counting() as counted:
        delivery = deliver_to(collector.url)
        wait_for(lambda: not path.exists(), "the segment to be done with")
        assert delivery.shutdown(60)
    return counted.kinds


def test_a_record_damaged_in_the_middle_is_kept_aside_and_the_others_are_sent(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    path, content, starts = left_segment(collector, outbox)
    content[starts[1] + 40] ^= 0xFF
    assert sent_after(content, path, collector, deliver_to) == {"outbox_corrupt": 1}
    assert collector.accepted == ["first", "third"]
    (kept,) = (outbox / "aside").iterdir()
    assert kept.name.endswith(".corrupt")
    assert kept.read_bytes() == content[starts[1] : starts[2]]
    assert list(boxes(outbox)) == []


@pytest.mark.parametrize("left_of_the_last", [1, 4, 30, 100])
def test_a_last_record_that_was_not_written_whole_is_counted_and_the_others_are_sent(
    left_of_the_last: int, collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    path, content, starts = left_segment(collector, outbox)
    torn = content[: starts[2] + left_of_the_last]
    assert sent_after(torn, path, collector, deliver_to) == {"outbox_torn": 1}
    assert collector.accepted == ["first", "second"]
    assert list(boxes(outbox)) == []


@pytest.mark.parametrize("filler", [bytes(8192), b"\xff" * 100, MAGIC * 50])
def test_an_end_without_records_as_power_loss_leaves_it_costs_none_of_those_before(
    filler: bytes, collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    path, content, _ = left_segment(collector, outbox)
    assert sent_after(content + filler, path, collector, deliver_to) == {"outbox_torn": 1}
    assert collector.accepted == NAMES


def test_a_segment_that_does_not_say_for_whom_it_is_is_kept_aside_whole(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    path, content, _ = left_segment(collector, outbox)
    content[:FIRST_RECORD] = bytes(FIRST_RECORD)
    assert sent_after(content, path, collector, deliver_to) == {"outbox_corrupt": 1}
    (kept,) = (outbox / "aside").iterdir()
    assert kept.read_bytes() == content
    assert collector.accepted == []


def test_a_segment_that_was_not_even_begun_is_deleted(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    path, content, _ = left_segment(collector, outbox)
    assert sent_after(content[:100], path, collector, deliver_to) == {}
    assert list(outbox.glob("aside/*")) == []
    assert list(boxes(outbox)) == []


def test_a_span_that_the_collector_refuses_is_kept_on_disk_whole(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    collector.behave(lambda received: Answer(400) if "poison" in received.names else ACCEPT)
    delivery = deliver_to(collector.url)
    with Counting() as counted:
        submit(delivery, "one", "poison", "two")
        assert delivery.shutdown(60)
    assert [name for name in collector.accepted if name] == ["one", "two"]
    assert counted.kinds == {"spans_refused": 1}
    (kept,) = (outbox / "aside").iterdir()
    (found,) = scan(open_segment(kept).rest(), final=True)
    assert isinstance(found, Record)
    assert b"poison" in found.span.field
    assert delivery.status()["aside"] == 1


def test_a_refused_span_that_another_process_left_is_kept_too_and_the_others_are_sent(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    collector.behave(lambda received: Answer(400) if "poison" in received.names else ACCEPT)
    leave(collector.url, "one", "poison", "two")
    deliver_to(collector.url)
    wait_for(lambda: list(boxes(outbox)) == [], "the box to be done with")
    assert [name for name in collector.accepted if name] == ["one", "two"]
    (kept,) = (outbox / "aside").iterdir()
    assert kept.name.endswith(".refused")


def test_what_is_kept_aside_is_bounded_and_counted_beyond(outbox: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aside, "LIMIT_BYTES", 2500)
    full = opened("http://127.0.0.1:9")
    put(full, *map(str, range(20)))
    for _ in range(20):
        full.set_aside(full.take(1, 1)[0])
    counts = full.counts()
    assert counts.refused == 20
    assert 0 < counts.aside < 20
    assert sum(path.stat().st_size for path in (outbox / "aside").iterdir()) <= 2500
    full.abandon()


def test_spans_that_vanish_from_a_living_process_files_are_counted_as_lost_and_hold_nothing_up(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    delivery = deliver_to(collector.url, linger=3600)
    submit(delivery, "one", "two")
    (path,) = outbox.glob("*/*.spans")
    with path.open("r+b") as file:
        file.truncate(FIRST_RECORD)
    delivery.flush(0.1)
    wait_for(lambda: delivery.status()["lost"] == 2, "the loss to be counted")
    submit(delivery, "three")
    assert delivery.flush(60)
    assert collector.accepted == ["three"]
