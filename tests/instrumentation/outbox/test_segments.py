"""Segments are small, deleted when they are done with, and synced within the interval."""

import gc
import os
import stat
import threading
from pathlib import Path

import pytest

from spanledger.delivery.outbox import box as box_module
from spanledger.delivery.outbox import segment, writing
from spanledger.delivery.outbox.box import is_held
from spanledger.delivery.outbox.folder import boxes
from spanledger.delivery.outbox.segment import Destination
from support.counting import Counting
from support.finished_spans import encoded
from support.left_spans import opened, put
from support.waiting import wait_for

NOWHERE = "http://127.0.0.1:9"


def taken(outbox, spans: int = 512) -> int:
    batch = outbox.take(spans, 10**7)
    outbox.acknowledge(batch)
    return len(batch)


def sizes(outbox: Path) -> list[int]:
    return sorted(path.stat().st_size for path in outbox.glob("*/*.spans"))


def test_a_segment_is_followed_by_another_when_it_is_large_and_deleted_when_it_is_sent(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 10_000)
    box = opened(NOWHERE)
    put(box, *map(str, range(100)))
    before = sizes(outbox)
    assert len(before) > 2
    assert max(before) < 12_000
    assert sum(iter(lambda: taken(box), 0)) == 100
    assert len(sizes(outbox)) == 1
    assert box.counts().sent == 100
    box.close()
    assert list(boxes(outbox)) == []


def test_a_segment_that_was_in_use_for_long_is_deleted_when_it_is_sent(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "SEGMENT_SECONDS", 0)
    box = opened(NOWHERE)
    put(box, "one")
    assert taken(box) == 1
    box.tend()
    assert sizes(outbox) == []
    put(box, "two")
    assert taken(box) == 1
    assert box.counts().lost == 0
    box.abandon()


def test_a_segment_that_a_thread_is_about_to_write_to_is_not_deleted(outbox: Path):
    box = opened(NOWHERE)
    put(box, "one")
    about_to_write = box._writing._active
    assert taken(box) == 1
    box.close()
    assert len(sizes(outbox)) == 1
    (held,) = boxes(outbox)
    assert is_held(held)
    about_to_write.append(b"what came late")
    del about_to_write
    box.close()
    assert list(boxes(outbox)) == []


def test_threads_that_put_at_once_while_segments_change_lose_nothing(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 2_000)
    box = opened(NOWHERE)
    spans = [encoded(str(number)) for number in range(4)]

    def work(number: int) -> None:
        for _ in range(300):
            box.put(spans[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    found = 0
    while any(thread.is_alive() for thread in threads):
        found += taken(box)
        box.tend()
    found += sum(iter(lambda: taken(box), 0))
    assert found == 1200
    counts = box.counts()
    assert (counts.put, counts.sent, counts.waiting, counts.lost, counts.bytes) == (1200, 1200, 0, 0, 0)
    box.close()
    assert list(boxes(outbox)) == []


def test_threads_that_put_a_process_first_spans_at_once_share_one_box(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    box = opened(NOWHERE)
    both = threading.Barrier(2)
    create = box_module.create
    made: list[Path] = []

    def at_once(where: Path) -> box_module.Box:
        made.append(where)
        both.wait(60)  # neither goes on before the other has found no box as well
        return create(where)

    monkeypatch.setattr(box_module, "create", at_once)
    threads = [threading.Thread(target=put, args=(box, name)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    (kept,) = boxes(outbox)
    assert is_held(kept)
    assert taken(box) + taken(box) == 2
    box.close()
    assert list(boxes(outbox)) == []


def test_a_box_that_turns_out_to_be_in_use_when_it_is_deleted_is_deleted_later(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    box = opened(NOWHERE)
    put(box, "one")
    assert taken(box) == 1
    remove = box_module.Box.remove

    def meanwhile(self: box_module.Box) -> bool:
        monkeypatch.undo()
        segment.create(self.path / "late.spans", Destination("", ""), 0.0)
        put(box, "two")  # in another box: nobody may open in this one now
        return remove(self)

    monkeypatch.setattr(box_module.Box, "remove", meanwhile)
    box.close()
    # Found by what is in it: of two that were made within a millisecond either is listed first.
    (late,) = outbox.glob("*/late.spans")
    (second,) = set(boxes(outbox)) - {late.parent}
    late.unlink()
    assert taken(box) == 1
    box.close()
    assert list(boxes(outbox)) == []
    assert not second.exists()


def test_a_finaliser_may_put_while_its_thread_is_in_the_middle_of_the_outbox(outbox: Path):
    box = opened(NOWHERE)
    span = encoded("call")

    class Dropped:
        def __del__(self) -> None:
            box.put(span)

    thresholds = gc.get_threshold()
    gc.set_threshold(1)  # the collector runs at nearly every allocation
    try:
        for _ in range(500):
            knot = Dropped()
            knot.itself = knot
            box.put(span)
            taken(box, 1)
    finally:
        gc.set_threshold(*thresholds)
    del knot
    gc.collect()
    while taken(box):
        pass
    assert box.counts().sent == 1000
    box.close()
    assert list(boxes(outbox)) == []


def test_what_is_written_is_synced_within_the_interval_and_nothing_is_synced_twice(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: list[int] = []
    folders: list[int] = []
    fsync = os.fsync

    def counted(number: int) -> None:
        status = os.fstat(number)
        # The keeper of a test before may still be at work.
        if any(os.path.samestat(path.stat(), status) for path in (outbox, *outbox.rglob("*"))):
            (folders if stat.S_ISDIR(status.st_mode) else synced).append(status.st_size)
        fsync(number)

    monkeypatch.setattr("os.fsync", counted)
    box = opened(NOWHERE, sync_interval=0.01)
    put(box, "one")
    wait_for(lambda: box.describe()["unsynced_bytes"] == 0, "a sync")
    put(box, "two")
    wait_for(lambda: box.describe()["unsynced_bytes"] == 0, "another sync")
    taken(box)
    box.abandon()
    assert synced == sorted(set(synced))
    assert len(folders) == 2  # the box and the outbox, once


def test_what_is_delivered_needs_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    writer, reader = segment.create(tmp_path / f"1{segment.SUFFIX}", Destination("", ""), 0.0)
    writer.append(b"first")
    reader.mark(reader.size)
    reader.sync()
    assert (reader.unsynced, synced) == (0, [])
    writer.append(b"second")
    assert reader.unsynced == len(b"second")
    reader.sync()
    assert reader.unsynced == 0
    assert reader.descriptor.number in synced


def test_what_is_sent_and_deleted_while_it_is_synced_disturbs_nothing(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    fsync = os.fsync
    deleted: list[int] = []

    def sent_meanwhile(number: int) -> None:
        fsync(number)
        if not deleted and not stat.S_ISDIR(os.fstat(number).st_mode):
            deleted.append(taken(box))
            box.close()

    monkeypatch.setattr("os.fsync", sent_meanwhile)
    with Counting() as counted:
        box = opened(NOWHERE, sync_interval=0.01)
        put(box, "one")
        wait_for(lambda: deleted and list(boxes(outbox)) == [], "the box to go")
        wait_for(lambda: not box._keeper._running, "the keeper's end")
    assert deleted == [1]
    assert counted.kinds == {}


def test_no_sync_stands_between_a_call_and_its_app(monkeypatch: pytest.MonkeyPatch):
    threads: list[int] = []
    monkeypatch.setattr("os.fsync", lambda _: threads.append(threading.get_ident()))
    box = opened(NOWHERE, sync_interval=0.001)
    put(box, *map(str, range(50)))
    wait_for(lambda: threads, "a sync")
    box.abandon()
    assert threading.get_ident() not in threads


def test_one_write_a_span_is_all_that_the_app_waits_for(monkeypatch: pytest.MonkeyPatch):
    box = opened(NOWHERE, sync_interval=3600)
    put(box, "the first one opens the segment")
    calls: list[str] = []
    for name in ("write", "open", "fsync", "pwrite", "pread", "fstat"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _n=name, _r=real, **k: (calls.append(_n), _r(*a, **k))[1])
    put(box, *map(str, range(20)))
    monkeypatch.undo()
    assert calls == ["write"] * 20
    box.abandon()
