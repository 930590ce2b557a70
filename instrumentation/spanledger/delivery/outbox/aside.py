"""What needs a person: spans that the collector refuses for what they are, and damaged bytes.

    <outbox>/aside/<box>.refused             a segment of refused spans
    <outbox>/aside/<box>-<segment>-<at>.corrupt   bytes between two records

Both are missing from the ledger, which is why each raises a count and a line in the log. Nothing deletes
them but a person; beyond `LIMIT_BYTES` more of them are counted and not kept.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from spanledger import health
from spanledger.delivery.outbox.folder import ASIDE
from spanledger.delivery.outbox.record import framed
from spanledger.delivery.outbox.segment import create

if TYPE_CHECKING:
    from pathlib import Path

    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.outbox.folder import Folder
    from spanledger.delivery.outbox.segment import Destination, Writer

LIMIT_BYTES: Final = 16 * 1024 * 1024
REFUSED: Final = ".refused"
CORRUPT: Final = ".corrupt"


class Aside:
    """Keeps them. Used by one sender at a time."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._writers: dict[str, Writer] = {}

    def refused(self, box: str, destination: Destination, span: EncodedSpan) -> bool:
        """Keep a refused span; whether there was room."""
        try:
            record = framed(span, time.time_ns())
            if not self._has_room(len(record)):
                return False
            writer = self._writers.get(box)
            if writer is None:
                name = f"{box}-{time.time_ns():020d}{REFUSED}"
                writer, _ = create(self._path / name, destination, time.monotonic())
                self._writers[box] = writer
            writer.append(record)
        except OSError:
            return False
        return True

    def damaged(self, segment: Path, at: int, data: bytes, *, torn: bool) -> None:
        """Bytes of a segment that are no record."""
        if torn:
            health.count(
                "outbox_torn",
                log="a segment of the outbox ends in the middle of a billing span: its process was killed"
                " while it wrote, or power failed. All before is sent",
            )
            return
        kept = False
        try:
            if self._has_room(len(data)):
                name = f"{segment.parent.name}-{segment.stem}-{at:08d}{CORRUPT}"
                (self._path / name).write_bytes(data)
                (self._path / name).chmod(0o600)
                kept = True
        except OSError:
            pass
        health.count(
            "outbox_corrupt",
            log=f"{len(data)} bytes in the outbox are no billing span any more; calls may be missing from the"
            f" ledger. They are {f'kept in {self._path}' if kept else 'not kept'}, the rest is sent",
        )

    def unreadable(self, segment: Path) -> None:
        """A segment without a header: whose spans they are is not known."""
        try:
            self._path.mkdir(mode=0o700, exist_ok=True)
            segment.rename(self._path / f"{segment.parent.name}-{segment.stem}{CORRUPT}")
        except OSError:
            return
        health.count(
            "outbox_corrupt",
            log="a file of the outbox does not say for whom its billing spans are; it is kept in"
            f" {self._path}",
        )

    @property
    def _path(self) -> Path:
        return self._folder.path() / ASIDE

    def _has_room(self, size: int) -> bool:
        self._path.mkdir(mode=0o700, exist_ok=True)
        return size + sum(path.stat().st_size for path in self._path.iterdir()) <= LIMIT_BYTES
