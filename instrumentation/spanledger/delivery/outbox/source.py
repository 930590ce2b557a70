"""The spans of one box, oldest first, as its one sender takes them."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.outbox.aside import Aside
    from spanledger.delivery.outbox.record import Record
    from spanledger.delivery.outbox.segment import Reader


class Source:
    """What is taken stays on disk until it is acknowledged."""

    def __init__(self, readers: list[Reader]) -> None:
        self.readers = readers
        """Any thread appends to it; the sender removes."""
        self._batch: deque[Record] = deque()
        self._reader: Reader | None = None

    def take(self, spans: int, size: int, aside: Aside) -> list[EncodedSpan]:
        """As `Queue.take`. What is not acknowledged comes again."""
        if not self._batch:
            self._read(spans, size, aside)
        return [record.span for record in islice(self._batch, spans)]

    def acknowledge(self, batch: Sequence[EncodedSpan]) -> tuple[int, int]:
        """These are delivered, as the oldest of what was taken: how many spans and bytes that were."""
        count = size = 0
        last = None
        for span in batch:
            if not self._batch or self._batch[0].span is not span:
                break
            last = self._batch.popleft()
            count += 1
            size += last.end - last.start
        if last is not None and self._reader is not None:
            self._reader.mark(last.end)
        return count, size

    def reader_of(self, span: EncodedSpan) -> Reader | None:
        """The segment of the oldest span taken, if that is it."""
        return self._reader if self._batch and self._batch[0].span is span else None

    def unread(self) -> bool:
        """Whether any bytes wait, whole records or not."""
        return bool(self._batch) or any(reader.position < reader.size for reader in list(self.readers))

    def sweep(self) -> None:
        """Delete the segments that are done with."""
        for reader in list(self.readers):
            self._delete_finished(reader)

    def _delete_finished(self, reader: Reader) -> None:
        if reader.finished():
            reader.remove()
            self.readers.remove(reader)

    def _read(self, spans: int, size: int, aside: Aside) -> None:
        # In a copy: a segment may be opened meanwhile. An older one can be empty while a newer is not.
        for reader in list(self.readers):
            try:
                self._batch.extend(reader.read(spans, size, aside))
                if self._batch:
                    self._reader = reader
                    return
                self._delete_finished(reader)
            except OSError as error:
                health.count(
                    "outbox_unreadable",
                    log=f"a segment of the outbox cannot be read now ({error.strerror}); it stays",
                )
