"""Where the disk cannot be used spans wait in memory, which is said once, and the disk is used again."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanledger import health
from spanledger.delivery.outbox import writing
from spanledger.delivery.outbox.folder import boxes, used_bytes
from support.counting import Counting
from support.fake_collector import FakeCollector
from support.finished_spans import submit
from support.left_spans import opened, put
from support.waiting import wait_for

Deliver = Any
TESTS = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"


def failing(number: int) -> Callable[..., int]:
    def fail(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def state(delivery: Any) -> tuple[str, str | None]:
    told = delivery.status()["outbox"]
    return told["state"], told["reason"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_write_that_fails_puts_the_span_into_memory_and_it_is_delivered(
    number: int, collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    delivery = deliver_to(collector.url, linger=3600)
    submit(delivery, "on disk")
    with Counting() as counted:
        monkeypatch.setattr("os.write", failing(number))
        submit(delivery, "in memory", "in memory too")
        assert state(delivery) == ("memory", os.strerror(number))
        assert delivery.flush(60)
    assert sorted(collector.accepted) == ["in memory", "in memory too", "on disk"]
    assert delivery.status()["lost"] == 0
    assert counted.kinds == {"outbox_unusable": 1}


def test_a_write_that_is_cut_short_loses_nothing(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    delivery = deliver_to(collector.url, linger=3600)
    submit(delivery, "before")
    write = os.write
    monkeypatch.setattr("os.write", lambda number, data: write(number, data[:50]))
    submit(delivery, "cut short")
    monkeypatch.setattr("os.write", write)
    with Counting() as counted:
        assert delivery.flush(60)
        assert delivery.shutdown(60)
    assert sorted(collector.accepted) == ["before", "cut short"]
    assert counted.kinds == {"outbox_torn": 1}


def test_the_warning_comes_once_and_names_reason_and_next_step(
    deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(health, "_counts", health._Counts())  # as in a new process
    delivery = deliver_to(NOWHERE, outbox="/dev/null/outbox", linger=3600)
    submit(delivery, *map(str, range(20)))
    (message,) = (text for text in caplog.messages if "outbox" in text)
    assert message.startswith(
        "the outbox cannot be used (Not a directory): billing spans wait in memory, and a kill of the process"
        " loses those, until it can. SPANLEDGER_OUTBOX names its directory"
    )


def test_where_no_directory_can_be_made_spans_are_delivered_from_memory(
    collector: FakeCollector, deliver_to: Deliver
):
    delivery = deliver_to(collector.url, outbox="/proc/outbox")
    submit(delivery, "one", "two")
    assert delivery.flush(60)
    assert collector.accepted == ["one", "two"]
    assert state(delivery)[0] == "memory"


def test_where_files_cannot_be_locked_memory_is_used(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fcntl.flock", failing(errno.ENOLCK))
    delivery = deliver_to(collector.url)
    submit(delivery, "one")
    assert delivery.flush(60)
    assert state(delivery) == ("memory", "No locks available")


def test_after_one_stall_the_app_writes_no_more_and_what_was_written_counts(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    delivery = deliver_to(collector.url, linger=3600, sync_interval=3600)
    submit(delivery, "quick")
    now = time.monotonic()
    writes: list[int] = []
    write = os.write

    def slow(number: int, data: bytes) -> int:
        nonlocal now
        now += 2 * writing.STALLED_S
        writes.append(len(data))
        return write(number, data)

    with Counting() as counted, monkeypatch.context() as patched:
        patched.setattr("os.write", slow)
        patched.setattr("spanledger.delivery.outbox.writing.time.monotonic", lambda: now)
        submit(delivery, "slow", "after the stall")
    assert len(writes) == 1
    assert state(delivery) == ("memory", "writing to it takes too long")
    assert counted.kinds == {"outbox_unusable": 1}
    assert delivery.status()["queued"] == 3
    assert delivery.flush(60)
    assert sorted(collector.accepted) == ["after the stall", "quick", "slow"]


def test_many_writes_that_are_each_a_bit_slow_are_a_stall_too_and_a_few_are_not(
    deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    delivery = deliver_to(NOWHERE, linger=3600, sync_interval=3600)
    submit(delivery, "quick")
    now = time.monotonic()
    write = os.write
    written = 0

    def slow(number: int, data: bytes) -> int:
        nonlocal now, written
        now += 3 * writing.SLOW_WRITE_S
        written += 1
        return write(number, data)

    monkeypatch.setattr("os.write", slow)
    monkeypatch.setattr("spanledger.delivery.outbox.writing.time.monotonic", lambda: now)
    enough = int(writing.STALLED_S / (2 * writing.SLOW_WRITE_S)) + 1
    submit(delivery, *map(str, range(enough + 10)))
    assert written == enough
    assert state(delivery)[0] == "memory"


def test_once_the_disk_can_be_used_again_what_waits_in_memory_goes_there(
    deliver_to: Deliver, outbox: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "FIRST_RETRY_S", 0.01)
    delivery = deliver_to(NOWHERE, linger=3600)
    with monkeypatch.context() as patched:
        patched.setattr("os.write", failing(errno.ENOSPC))
        submit(delivery, "one", "two", "three")
        assert state(delivery)[0] == "memory"
    wait_for(lambda: state(delivery) == ("disk", None), "the disk to be used again")
    wait_for(lambda: delivery._queue._memory.counts().waiting == 0, "memory to be empty")
    assert delivery.status()["queued"] == 3
    assert used_bytes(outbox) > 3 * 100


def test_at_the_exit_what_waits_in_memory_goes_to_the_disk_if_that_can_take_it(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    left = opened(collector.url, sync_interval=3600)
    with monkeypatch.context() as patched:
        patched.setattr("os.write", failing(errno.ENOSPC))
        put(left, "one", "two")
    assert left.abandon() == 0
    deliver_to(collector.url)
    collector.wait_until(lambda: sorted(collector.accepted) == ["one", "two"])


def test_a_disk_that_is_full_for_true_loses_nothing_while_the_process_lives(collector: FakeCollector):
    script = """
import resource, signal, sys
from support.finished_spans import submit
from spanledger.delivery import Delivery, DeliverySettings

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
delivery = Delivery(DeliverySettings(sys.argv[1], linger=3600))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
submit(delivery, *[f"call {i}" for i in range(200)])
told = delivery.status()
assert told["queued"] == 200, told
assert told["outbox"]["state"] == "memory", told
assert told["outbox"]["reason"] in ("File too large", "No space left on device"), told
assert delivery.flush(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, collector.url], cwd=TESTS, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert sorted(collector.accepted) == sorted(f"call {i}" for i in range(200))


def test_beyond_the_limit_of_all_processes_the_newest_wait_in_memory_then_are_refused(
    collector: FakeCollector, outbox: Path
):
    limit = 256 * 1024
    first = opened(collector.url, outbox_limit_bytes=limit, memory_limit_bytes=10_000, sync_interval=3600)
    second = opened(collector.url, outbox_limit_bytes=limit, memory_limit_bytes=10_000, sync_interval=3600)
    with Counting() as counted:
        for number in range(1500):
            put(first if number % 2 else second, f"call {number}")
    # Each process may go beyond the limit by the segment it has begun.
    assert limit / 2 < used_bytes(outbox) < limit + 2 * limit // 8
    assert counted.kinds["outbox_full"] == 2
    assert counted.kinds["spans_lost"] == first.counts().lost + second.counts().lost > 0
    assert [each.describe()["state"] for each in (first, second)] == ["memory", "memory"]
    kept = []
    for each in (first, second):
        while batch := each.take(512, 10**7):
            kept += batch
            each.acknowledge(batch)
        each.close()
    assert len(kept) == 1500 - counted.kinds["spans_lost"]
    assert list(boxes(outbox)) == []


def test_spans_that_are_delivered_make_room_for_others(outbox: Path):
    limit = 64 * 1024
    busy = opened(NOWHERE, outbox_limit_bytes=limit, sync_interval=3600)
    for number in range(1000):
        put(busy, f"call {number}")
        busy.acknowledge(busy.take(10, 10**6))
    assert busy.describe()["state"] == "disk"
    assert used_bytes(outbox) < limit / 4
    busy.abandon()


def test_files_are_for_their_owner_alone(outbox: Path, monkeypatch: pytest.MonkeyPatch):
    before = os.umask(0)
    try:
        left = opened(NOWHERE)
        put(left, "one")
        left.set_aside(left.take(1, 1)[0])
        left.abandon()
    finally:
        os.umask(before)
    modes = {str(path.relative_to(outbox.parent)): path.stat().st_mode & 0o777 for path in outbox.rglob("*")}
    assert outbox.stat().st_mode & 0o777 == 0o700
    assert {mode for name, mode in modes.items() if Path(outbox.parent, name).is_dir()} == {0o700}
    assert {mode for name, mode in modes.items() if Path(outbox.parent, name).is_file()} == {0o600}


def test_a_memory_of_off_touches_no_disk(collector: FakeCollector, deliver_to: Deliver, outbox: Path):
    delivery = deliver_to(collector.url, outbox="off")
    submit(delivery, "one")
    assert delivery.flush(60)
    assert delivery.status()["outbox"] is None
    assert not outbox.exists()


def test_an_outbox_deleted_under_a_living_process_costs_no_span(
    collector: FakeCollector, deliver_to: Deliver, outbox: Path
):
    delivery = deliver_to(collector.url, linger=3600)
    submit(delivery, "before")
    shutil.rmtree(outbox)
    delivery._queue._writing._active = None  # as when its segment is full
    submit(delivery, "after")
    assert delivery.flush(60)
    assert collector.accepted == ["before", "after"]
    assert state(delivery)[0] == "disk"
