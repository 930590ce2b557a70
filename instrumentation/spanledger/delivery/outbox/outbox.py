"""A `Queue` on disk, with memory to fall back to. The order of things is told in this package's docstring."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from spanledger import health
from spanledger.delivery.outbox.adoption import Adoption
from spanledger.delivery.outbox.aside import Aside
from spanledger.delivery.outbox.folder import Folder
from spanledger.delivery.outbox.keeper import Keeper
from spanledger.delivery.outbox.segment import Destination
from spanledger.delivery.outbox.source import Source
from spanledger.delivery.outbox.writing import Writing
from spanledger.delivery.queue import Counts, MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.settings import DeliverySettings

SETTLED_AT_ONCE: Final = 32
"""Spans that are added to the sums together; whoever reads these adds the rest."""
OTHERS_TURN: Final = 4
"""Every fourth batch is of what others left, if there is any, however busy this process is."""


class Outbox:
    """The spans of this process, and of one at a time that is gone."""

    def __init__(self, settings: DeliverySettings, report: Callable[[], dict[str, Any]]) -> None:
        self._report = report
        self._memory = MemoryQueue(settings.memory_limit_bytes)
        self._folder = Folder(settings.outbox, settings.outbox_limit_bytes)
        destination = Destination(settings.url, settings.fingerprint())
        self._aside = Aside(self._folder)
        self._own = Source([])
        self._adoption = Adoption(self._folder, destination, self._aside)
        self._writing = Writing(self._folder, destination, self._own.readers)
        self._keeper = Keeper(self._keep, settings.sync_interval)
        self._sync_interval = settings.sync_interval
        self._arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._counts = Counts()
        """Of what was written to disk; memory has its own."""
        self._taken_from: Source | MemoryQueue = self._memory
        self._turn = 0
        self._failing = False
        self._given_up = False

    # The app's threads.

    def put(self, span: EncodedSpan) -> None:
        if not self._write(span):
            self._memory.put(span)
        self._keeper.wake()

    def fills(self, spans: int, size: int) -> bool:
        counts = self._counts
        waiting = counts.put - counts.sent - counts.refused + self._arrivals.qsize()
        full = waiting >= spans or counts.bytes >= size
        return full or self._adoption.source is not None or self._memory.fills(spans, size)

    def _write(self, span: EncodedSpan) -> bool:
        size = self._writing.write(span) if self._writing.direct else 0
        if not size:
            return False
        self._arrivals.put(size)
        if self._arrivals.qsize() >= SETTLED_AT_ONCE:
            self._settle(wait=False)
        return True

    def _settle(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        try:
            for _ in range(self._arrivals.qsize()):  # nobody else takes any meanwhile
                size = self._arrivals.get_nowait()
                self._counts.put += 1
                self._counts.bytes += size
        finally:
            self._lock.release()

    # The sender.

    def take(self, spans: int, size: int) -> list[EncodedSpan]:
        if self._given_up:
            return []
        self._turn += 1
        if self._turn % OTHERS_TURN == 0 and (batch := self._take_of_others(spans, size)):
            return batch
        written = self._on_disk()
        batch = self._memory.take(spans, size)
        self._taken_from = self._memory
        if not batch:
            batch = self._own.take(spans, size, self._aside)
            self._taken_from = self._own
        if not batch:
            self._miss(written)
            batch = self._take_of_others(spans, size)
        return batch

    def _take_of_others(self, spans: int, size: int) -> list[EncodedSpan]:
        others = self._adoption.source
        if others is None:
            return []
        batch = others.take(spans, size, self._aside)
        self._taken_from = others
        if not batch:
            self._adoption.finish()
        return batch

    def _on_disk(self) -> int:
        self._settle(wait=True)
        with self._lock:
            return self._counts.put - self._counts.sent - self._counts.refused

    def _clear_up(self) -> None:
        """Where nothing waits and nothing can come: pass by what is torn, and delete what is done with."""
        retired = any(reader.writer is None for reader in list(self._own.readers))
        if retired and self._on_disk() <= 0:
            self._own.take(1, 1, self._aside)  # looks at every segment; what is found all the same stays

    def _miss(self, written: int) -> None:
        """Nothing could be taken where so many spans were written before."""
        if written <= 0:
            return
        if self._own.unread():
            time.sleep(0.01)  # it cannot be read just now
            return
        with self._lock:
            self._counts.put -= written
            self._counts.lost += written
            self._counts.bytes = 0
        self._writing.status.news = True
        health.count(
            "spans_lost", times=written, log=f"{written} billing spans are gone from the outbox's files"
        )

    def acknowledge(self, batch: Sequence[EncodedSpan]) -> None:
        source = self._taken_from
        if isinstance(source, MemoryQueue):
            source.acknowledge(batch)
            return
        count, size = source.acknowledge(batch)
        with self._lock:
            if source is self._own:
                self._counts.sent += count
                self._counts.bytes -= size
            else:
                self._counts.adopted += count
        if self._failing:
            self._failing = False
            self._writing.status.news = True
        self._keeper.wake()

    def set_aside(self, span: EncodedSpan) -> None:
        source = self._taken_from
        if isinstance(source, MemoryQueue):
            source.set_aside(span)
            return
        reader = source.reader_of(span)
        if reader is None:
            return
        # Kept before it is passed by: a kill between the two has it refused again.
        kept = self._aside.refused(reader.path.parent.name, reader.destination, span)
        _, size = source.acknowledge((span,))
        with self._lock:
            self._counts.aside += kept
            if source is self._own:
                self._counts.refused += 1
                self._counts.bytes -= size
        self._tell_of_failure()

    def _tell_of_failure(self) -> None:
        self._failing = self._writing.status.news = True
        self._keeper.wake()

    def waits(self) -> bool:
        if self._given_up:
            return False
        return self._on_disk() > 0 or self._adoption.source is not None or self._memory.waits()

    def has_company(self) -> bool:
        return self._adoption.others

    def tend(self) -> float | None:
        self._writing.retire_old()
        self._clear_up()
        if self._given_up:
            return None
        if self._writing.status.due():
            self._keeper.wake()
        return self._adoption.look()

    def failed(self) -> None:
        # Not in `tend`: that comes before the attempt, and again only after the pause that follows it.
        if not self._given_up:
            self._tell_of_failure()

    def let_go(self) -> None:
        self._adoption.let_go()

    def close(self) -> None:
        self._writing.close()
        self._clear_up()
        if self._writing.close():
            self._keeper.stop()
            if self._own.readers:
                self._keeper.wake()  # for a span that came in between

    def abandon(self) -> int:
        self._writing.try_again(at_once=True)
        self._spill()
        lost = self._memory.abandon()
        left = self._on_disk()
        with self._lock:
            self._counts.put -= left
            self._counts.left += left
            self._counts.bytes = 0
        self._given_up = True
        self._writing.tell(self._report)
        self._own, self._taken_from = Source([]), self._memory
        self._writing.let_go(self._own.readers)
        self._keeper.stop()
        if left > 0:
            health.count(
                "spans_left_in_outbox",
                times=left,
                log=f"{left} billing spans are not delivered yet and stay in {self._folder.existing()}: the"
                " next start sends them, another process of this app, or `python -m spanledger outbox flush`",
            )
        return lost

    def forget(self) -> None:
        self._writing.forget()
        self._adoption.forget()

    def counts(self) -> Counts:
        self._settle(wait=True)
        memory = self._memory.counts()
        with self._lock:
            disk = replace(self._counts)
        return Counts(
            put=disk.put + memory.put,
            waiting=max(0, disk.put - disk.sent - disk.refused) + memory.waiting,
            bytes=max(0, disk.bytes) + memory.bytes,
            sent=disk.sent + memory.sent,
            refused=disk.refused + memory.refused,
            aside=disk.aside + memory.aside,
            lost=disk.lost + memory.lost,
            left=disk.left,
            adopted=disk.adopted,
        )

    def describe(self) -> dict[str, Any] | None:
        readers = list(self._own.readers)
        where = self._folder.existing()
        return {
            "directory": None if where is None else str(where),
            "state": "disk" if self._writing.direct else "memory",
            "reason": self._writing.why_not,
            "limit_bytes": self._folder.limit_bytes,
            "sync_interval_seconds": self._sync_interval,
            "unsynced_bytes": sum(max(0, reader.size - reader.synced) for reader in readers),
            "sends_for_others": self._adoption.source is not None,
        }

    def tell(self, report: dict[str, Any]) -> None:
        self._writing.tell(lambda: report)

    # The keeper.

    def _keep(self) -> bool:
        for reader in list(self._own.readers):
            reader.sync()
        self._writing.try_again()
        self._spill()
        status = self._writing.status
        status.behind = True
        if status.due() or not self._writing.direct:
            self._writing.tell(self._report)
        return not self._writing.direct

    def _spill(self) -> None:
        """Bring to disk what waits in memory, the newest first: the oldest may be on their way."""
        while self._writing.direct:
            span = self._memory.steal()
            if span is None:
                self._writing.proved()
                return
            if not self._write(span):
                self._memory.put(span)
