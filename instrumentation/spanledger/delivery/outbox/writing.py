"""From a span to its record on disk, and what is done where that fails or takes too long.

Called by the app's threads and by finalisers: takes no lock and raises nothing.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any, Final

from spanledger import health
from spanledger.delivery.outbox import box as boxes
from spanledger.delivery.outbox import segment
from spanledger.delivery.outbox.folder import OutboxFullError
from spanledger.delivery.outbox.record import framed
from spanledger.delivery.outbox.status import StatusFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.outbox.folder import Folder
    from spanledger.delivery.outbox.segment import Destination, Reader, Writer

SEGMENT_BYTES: Final = 4 * 1024 * 1024
SEGMENT_SECONDS: Final = 60.0
"""What is delivered is deleted by segments: the bounds of one are those of what lies about."""
SLOW_WRITE_S: Final = 0.020
STALLED_S: Final = 0.500
"""Writes take microseconds. Once they have taken so much more than `SLOW_WRITE_S` each in sum (one that
hangs, or a row of slow ones), the app is not made to wait again."""
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0


class Writing:
    """The box of this process, and the segment that its spans go to."""

    def __init__(self, folder: Folder, destination: Destination, readers: list[Reader]) -> None:
        self._folder = folder
        self._destination = destination
        self._readers = readers
        """Of each segment that is opened here; the sender removes them."""
        self._segment_bytes = min(SEGMENT_BYTES, folder.limit_bytes // 8)
        self._boxes: list[boxes.Box] = []
        """Spans go to the first. More than one only where one was made while another was, or was deleted."""
        self._active: Writer | None = None
        self.status = StatusFile()
        self.direct = True
        """Whether spans are written at once; memory takes them where not."""
        self.why_not: str | None = None
        self._debt = 0.0
        self._stalled = False
        self._retry_after = FIRST_RETRY_S
        self._retry_at = 0.0

    def write(self, span: EncodedSpan) -> int:
        """Bytes that it takes; 0 where it could not be written."""
        began = time.monotonic()
        try:
            record = framed(span, time.time_ns())
            writer = self._active or self._open(began)
            writer.append(record)
        except Exception as error:
            self._fall_back(error)
            return 0
        if writer.written >= self._segment_bytes:
            self._retire(writer)
        self._debt = max(0.0, self._debt + time.monotonic() - began - SLOW_WRITE_S)
        if self._debt > STALLED_S:
            self._fall_back(_too_slow())
        return len(record)

    def retire_old(self) -> None:
        """Let the next span go to a new segment where this one has been in use for long."""
        writer = self._active
        if writer is not None and writer.written and time.monotonic() - writer.opened_at > SEGMENT_SECONDS:
            self._retire(writer)

    def try_again(self, *, at_once: bool = False) -> None:
        """Use the disk again if it can be: once it is time to try, or `at_once` where it does not hang."""
        if self.direct or (time.monotonic() < self._retry_at and (self._stalled or not at_once)):
            return
        began = time.monotonic()
        try:
            writer = self._open(began)
        except Exception as error:
            self._fall_back(error)
            return
        if time.monotonic() - began > STALLED_S:
            self._retire(writer)
            self._fall_back(_too_slow())
            return
        self.why_not, self.direct = None, True
        self.status.news = True

    def proved(self) -> None:
        """The disk took what waited in memory: the next failure is a first one again."""
        self._retry_after = FIRST_RETRY_S

    def tell(self, report: Callable[[], dict[str, Any]]) -> None:
        """Write the process' status, which a process that uses memory has to give all the more."""
        try:
            if not self._boxes and not self.direct:
                self._new_box()
            for box in self._boxes[:1]:
                self.status.write(box.path, report)
        except OSError:
            pass

    def close(self) -> bool:
        """Delete the box if nothing is in it; whether it is gone."""
        self._active = None
        if self._readers:
            return False
        for box in list(self._boxes):
            self._delete(box)
        return not self._boxes

    def let_go(self, readers: list[Reader]) -> None:
        """Leave the box, with all that is in it, to whoever finds it; `readers` is where others go."""
        self._active, self._boxes, self._readers = None, [], readers

    def forget(self) -> None:
        """In a forked child: close what is the parent's."""
        for box in self._boxes:
            box.close_lock()
        for reader in self._readers:
            reader.forget()

    def _open(self, now: float) -> Writer:
        """A new segment. Two threads at once open two, neither waits for the other; both are sent."""
        self._folder.make_room(self._segment_bytes)
        box = next(iter(self._boxes), None) or self._new_box()
        try:
            return self._open_in(box, now)
        except FileNotFoundError:
            # Deleted meanwhile: by `close`, or by a hand.
            self._drop(box)
            return self._open_in(self._new_box(), now)

    def _open_in(self, box: boxes.Box, now: float) -> Writer:
        name = f"{time.time_ns():020d}-{os.urandom(2).hex()}{segment.SUFFIX}"
        writer, reader = segment.create(box.path / name, self._destination, now, box.lock)
        self._readers.append(reader)
        self._active = writer
        return writer

    def _new_box(self) -> boxes.Box:
        """A box. Two threads at once make two, neither waits; both use the first, the other is deleted."""
        made = boxes.create(self._folder.path())
        self._boxes.append(made)
        self.status.news = True
        first = next(iter(self._boxes), made)
        if first is not made:
            self._delete(made)
        return first

    def _delete(self, box: boxes.Box) -> None:
        if not self._drop(box):
            return  # another thread is deleting it
        try:
            if not box.remove():
                self._boxes.append(box)
        except OSError:
            pass  # whoever finds it unlocked deletes it

    def _drop(self, box: boxes.Box) -> bool:
        try:
            self._boxes.remove(box)
        except ValueError:
            return False
        return True

    def _retire(self, writer: Writer) -> None:
        if self._active is writer:
            self._active = None

    def _fall_back(self, error: Exception) -> None:
        self.direct, self._active, self._debt = False, None, 0.0
        self.status.news = True
        what = error.strerror if isinstance(error, OSError) else str(error)
        self.why_not = what or type(error).__name__
        self._retry_at = time.monotonic() + self._retry_after
        self._retry_after = min(2 * self._retry_after, LONGEST_RETRY_S)
        full = isinstance(error, OutboxFullError)
        self._stalled = isinstance(error, TimeoutError)
        health.count(
            "outbox_full" if full else "outbox_unusable",
            log=f"the outbox cannot be used ({self.why_not}): billing spans wait in memory, and a kill of the"
            " process loses those, until it can. "
            + (
                "Bring the collector back, or raise SPANLEDGER_OUTBOX_LIMIT_MB"
                if full
                else "SPANLEDGER_OUTBOX names its directory"
            ),
        )


def _too_slow() -> OSError:
    return OSError(errno.ETIMEDOUT, "writing to it takes too long")
