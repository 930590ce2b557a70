"""What stands in an outbox, for people and for `spanledger doctor`.

Each process writes `status.json` into its box by renaming: a reader sees a whole one or the one before. What
the sending runs into (an error, the fall back to memory, a loss) is told within seconds, all else within
twenty: to write a file takes as much as many calls. What it tells of a process that is gone is how things
stood when it went; the segments themselves tell what waits.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spanledger.delivery.outbox import box as boxes
from spanledger.delivery.outbox import folder
from spanledger.delivery.outbox.record import Damage, scan
from spanledger.delivery.outbox.segment import DamagedHeaderError, UnknownVersionError, open_segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATUS: Final = "status.json"
TOLD_EVERY_S: Final = 10.0


@dataclass(slots=True)
class BoxStatus:
    """One process' box."""

    name: str
    held: bool
    """By a living process, which sends what is in it."""
    endpoint: str | None = None
    sender: str | None = None
    """Fingerprint of endpoint, token and headers."""
    spans: int = 0
    """That wait."""
    bytes: int = 0
    oldest_seconds: float | None = None
    damaged: int = 0
    """Places that are no span."""
    left_alone: list[str] = field(default_factory=list)
    """Files that another version of spanledger wrote."""
    process: dict[str, Any] | None = None
    """What the process last said of itself."""


@dataclass(slots=True)
class OutboxStatus:
    """The whole directory."""

    directory: str
    exists: bool
    limit_bytes: int
    bytes: int
    spans: int
    not_held: int
    """Spans that no living process holds."""
    aside_files: int
    aside_bytes: int
    survives_restart: bool
    """False in the machine's temporary folder."""
    boxes: list[BoxStatus]


class StatusFile:
    """A process' own status."""

    def __init__(self) -> None:
        self.news = False
        """Whether something is to be told at once. Anybody sets it."""
        self.behind = False
        """Whether anything at all may have changed since it was written."""
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to write it again."""
        return self.news or (self.behind and time.monotonic() >= self._next)

    def write(self, box: Path, report: Callable[[], dict[str, Any]]) -> None:
        """Replace it. Raises OSError."""
        self.news = self.behind = False  # before the report: what comes after it is told the next time
        self._next = time.monotonic() + TOLD_EVERY_S
        unfinished = box / f".{STATUS}"
        unfinished.write_text(json.dumps({"written_at": time.time(), **report()}))
        unfinished.chmod(0o600)
        unfinished.replace(box / STATUS)


def read(outbox: Path, limit_bytes: int) -> OutboxStatus:
    """Everything in an outbox. Changes nothing."""
    now = time.time()  # one for all: else what is older could be told as younger
    found = [each for path in folder.boxes(outbox) if (each := _read_box(path, now)) is not None]
    aside = _sizes(outbox / folder.ASIDE)
    return OutboxStatus(
        directory=str(outbox),
        exists=outbox.is_dir(),
        limit_bytes=limit_bytes,
        bytes=folder.used_bytes(outbox),
        spans=sum(each.spans for each in found),
        not_held=sum(each.spans for each in found if not each.held),
        aside_files=len(aside),
        aside_bytes=sum(aside),
        survives_restart=outbox != folder.in_temporary_folder(),
        boxes=found,
    )


def _read_box(path: Path, now: float) -> BoxStatus | None:
    """None where it is gone meanwhile."""
    found = BoxStatus(path.name, boxes.is_held(path))
    for segment in folder.segments(path):
        with suppress(OSError):
            _add(segment, found, now)
    with suppress(OSError, ValueError):
        found.process = json.loads((path / STATUS).read_text())
    return found if path.exists() else None


def as_json(status: OutboxStatus) -> str:
    """For programs."""
    return json.dumps(asdict(status), indent=2)


def _add(segment: Path, to: BoxStatus, now: float) -> None:
    try:
        reader = open_segment(segment, read_only=True)
    except UnknownVersionError:
        to.left_alone.append(segment.name)
        return
    except DamagedHeaderError:
        to.damaged += 1
        return
    to.endpoint, to.sender = reader.destination.url, reader.destination.sender
    for found in scan(reader.rest(), final=not to.held):
        if isinstance(found, Damage):
            to.damaged += 1
            continue
        if to.oldest_seconds is None:
            to.oldest_seconds = max(0.0, now - found.written_ns / 1e9)
        to.spans += 1
        to.bytes += found.end - found.start


def _sizes(path: Path) -> list[int]:
    try:
        return [each.stat().st_size for each in path.iterdir()]
    except OSError:
        return []
