"""What waits for the collector: oldest first, until it is acknowledged.

`Queue` is what delivery needs of the place where spans wait: a disk (`outbox`), or memory, which is here.
Memory is bounded by bytes: when it is full the newest span is refused, not the oldest dropped. What was taken
is then kept for good, nothing that a request in flight carries is thrown away under it, and what is missing
is one stretch of time with a beginning and an end, which the operator can name, rather than a hole that
moves.

`put` may be called by a finaliser, which may interrupt any code of its thread, this module's included. It
therefore waits for no lock: it puts to a `SimpleQueue`, whose `put` is re-entrant, and whoever gets the
lock at once moves what arrived into place and does the sums. Where nobody gets it, its holder or the next
one does, at the latest the sender.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger.delivery.otlp import EncodedSpan

ASIDE_LIMIT_BYTES: Final = 1024 * 1024


class Sendable(Protocol):
    """Encoded spans, as one sender at a time takes them."""

    def take(self, spans: int, size: int) -> list[EncodedSpan]:
        """The oldest spans, up to a number and a sum of bytes, at least one if any waits. They stay."""

    def acknowledge(self, batch: Sequence[EncodedSpan]) -> None:
        """The collector has these, which are the oldest: forget them."""

    def set_aside(self, span: EncodedSpan) -> None:
        """The collector refuses this one, which is the oldest, for what it is: let the others pass."""


class Queue(Sendable, Protocol):
    """Where they wait. Anybody puts."""

    def put(self, span: EncodedSpan) -> None:
        """Take a span over. Waits for nothing and never raises; re-entrant."""

    def fills(self, spans: int, size: int) -> bool:
        """Whether that much waits, as far as is known without waiting for a lock."""

    def waits(self) -> bool:
        """Whether there is something to take, of this process or of one that is gone."""

    def has_company(self) -> bool:
        """Whether there are other processes, whose spans may have to be sent once they are gone."""

    def tend(self) -> float | None:
        """By the sender, from time to time: see to what others left. Seconds until the next time, if any."""

    def failed(self) -> None:
        """By the sender: its last attempt failed, and why is in the report, to be shown anew."""

    def let_go(self) -> None:
        """By the sender, which is about to end: leave to others what others left."""

    def close(self) -> None:
        """The sending ends for now: give back what is not needed. A later put begins anew."""

    def abandon(self) -> int:
        """Give up what waits; how many spans are lost by it."""

    def forget(self) -> None:
        """In a forked child, which has no other thread: what is in here is the parent's."""

    def counts(self) -> Counts:
        """Where the spans of this process are."""

    def describe(self) -> dict[str, Any] | None:
        """For `status`, where it keeps spans on disk."""

    def tell(self, report: dict[str, Any]) -> None:
        """Leave this for `doctor` at once, where there is a place for it. Waits for no lock."""


@dataclass(slots=True)
class Counts:
    """Spans of this process, by what became of them: put = waiting + sent + refused."""

    put: int = 0
    waiting: int = 0
    bytes: int = 0
    """What the waiting ones take."""
    sent: int = 0
    refused: int = 0
    aside: int = 0
    """How many of the refused are still held."""
    lost: int = 0
    """The queue was full, or they were given up at the end."""
    left: int = 0
    """On disk for another process, when this one ended."""
    adopted: int = 0
    """Sent for a process that is gone."""


class MemoryQueue:
    """A `Queue` in memory. What waits is lost with the process."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._arrivals: queue.SimpleQueue[EncodedSpan] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: deque[EncodedSpan] = deque()
        self._aside: list[EncodedSpan] = []
        self._aside_bytes = 0
        self._counts = Counts()

    def put(self, span: EncodedSpan) -> None:
        self._arrivals.put(span)
        self._settle(wait=False)

    def take(self, spans: int, size: int) -> list[EncodedSpan]:
        self._settle(wait=True)
        batch: list[EncodedSpan] = []
        with self._lock:
            for span in islice(self._waiting, spans):
                size -= span.size
                if batch and size < 0:
                    break
                batch.append(span)
        return batch

    def acknowledge(self, batch: Sequence[EncodedSpan]) -> None:
        with self._lock:
            self._counts.sent += sum(self._remove(span) for span in batch)

    def set_aside(self, span: EncodedSpan) -> None:
        with self._lock:
            if not self._remove(span):
                return
            self._counts.refused += 1
            if self._aside_bytes + span.size <= ASIDE_LIMIT_BYTES:
                self._aside.append(span)
                self._aside_bytes += span.size
                self._counts.aside += 1

    def fills(self, spans: int, size: int) -> bool:
        return self._counts.waiting >= spans or self._counts.bytes >= size

    def steal(self) -> EncodedSpan | None:
        """The newest, for another place to wait in; it counts as never put."""
        self._settle(wait=True)
        with self._lock:
            if not self._waiting:
                return None
            span = self._waiting.pop()
            self._counts.put -= 1
            self._counts.waiting -= 1
            self._counts.bytes -= span.size
            return span

    def waits(self) -> bool:
        return self.counts().waiting > 0

    def has_company(self) -> bool:
        return False

    def tend(self) -> float | None:
        return None

    def failed(self) -> None:
        pass

    def let_go(self) -> None:
        pass

    def close(self) -> None:
        pass

    def forget(self) -> None:
        pass

    def describe(self) -> dict[str, Any] | None:
        return None

    def tell(self, report: dict[str, Any]) -> None:
        pass

    def abandon(self) -> int:
        self._settle(wait=True)
        with self._lock:
            given_up = len(self._waiting)
            self._waiting.clear()
            self._counts.lost += given_up
            self._counts.put -= given_up
            self._counts.waiting = self._counts.bytes = 0
        return given_up

    def counts(self) -> Counts:
        self._settle(wait=True)
        with self._lock:
            return replace(self._counts)

    def _remove(self, span: EncodedSpan) -> bool:
        """False where it was given up while it was on its way."""
        if not self._waiting or self._waiting[0] is not span:
            return False
        self._waiting.popleft()
        self._counts.waiting -= 1
        self._counts.bytes -= span.size
        return True

    def _settle(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        refused = 0
        try:
            while True:
                span = self._arrivals.get_nowait()
                if self._counts.bytes + span.size > self._limit:
                    self._counts.lost += 1
                    refused += 1
                else:
                    self._waiting.append(span)
                    self._counts.put += 1
                    self._counts.waiting += 1
                    self._counts.bytes += span.size
        except queue.Empty:
            pass
        finally:
            self._lock.release()
        if refused:  # said without the lock: an app's log handler may do anything
            health.count(
                "spans_lost",
                times=refused,
                log=f"billing spans are lost: {self._limit / 1024 / 1024:g} MiB of them wait for the"
                " collector already. Bring it back, or raise SPANLEDGER_MEMORY_LIMIT_MB",
            )
