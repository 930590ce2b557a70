"""Sending what a process left that is gone.

One box at a time, so that the living share the work. Whose spans were meant for another collector, or were
to be sent with another token, is left to those: the token says who the sender is, and with it whom its spans
may bill. `status` names what nobody sends.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from spanledger.delivery.outbox import box as boxes
from spanledger.delivery.outbox.folder import boxes as boxes_in
from spanledger.delivery.outbox.segment import (
    FIRST_RECORD,
    DamagedHeaderError,
    Reader,
    UnknownVersionError,
    open_segment,
)
from spanledger.delivery.outbox.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from spanledger.delivery.outbox.aside import Aside
    from spanledger.delivery.outbox.folder import Folder
    from spanledger.delivery.outbox.segment import Destination

EVERY_S: Final = 10.0
_jitter: Final = random.SystemRandom()


class Adoption:
    """Finds boxes that nobody holds, and holds one."""

    def __init__(self, folder: Folder, destination: Destination | None, aside: Aside) -> None:
        self._folder = folder
        self._aside = aside
        self._destination = destination
        """None: any."""
        self._box: boxes.Box | None = None
        self._next_look = 0.0
        self._foreign: set[str] = set()
        """Names of boxes that are not for us: they need not be opened every time."""
        self.source: Source | None = None
        self.others = False
        """Whether there were boxes of living processes at the last look."""

    def look(self) -> float:
        """Adopt a box if it is time to look for one. Seconds until it is time again."""
        left = self._next_look - time.monotonic()
        if self.source is not None or left > 0:
            return max(left, 0.0) if self.source is None else EVERY_S
        self._next_look = time.monotonic() + _jitter.uniform(EVERY_S / 2, EVERY_S)
        self.find()
        return max(0.0, self._next_look - time.monotonic())

    def find(self) -> bool:
        """Adopt the first box there is to be had; whether there was one."""
        outbox = self._folder.existing()
        if outbox is None:
            return False
        boxes.remove_stillborn(outbox)
        seen = set()
        self.others = False
        for path in boxes_in(outbox):
            seen.add(path.name)
            if path.name in self._foreign:
                continue
            box = boxes.hold(path)
            if box is None:
                self.others = True
            elif self._adopt(box):
                return True
        self._foreign &= seen
        return False

    def finish(self) -> None:
        """Everything in the box is done with, or cannot be read now."""
        box, source, self._box, self.source = self._box, self.source, None, None
        if box is None or source is None:
            return
        if source.readers:
            self._foreign.add(box.path.name)
        else:
            _remove(box)
            self._next_look = 0.0

    def let_go(self) -> None:
        """Leave the box to others, or delete it where all of it is done with."""
        if self.source is not None:
            self.source.sweep()
            if not self.source.readers:
                self.finish()
        self._box = self.source = None
        self._next_look = 0.0

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        if self._box is not None:
            self._box.close_lock()
        if self.source is not None:
            for reader in self.source.readers:
                reader.forget()

    def _adopt(self, box: boxes.Box) -> bool:
        readers: list[Reader] = []
        left_alone = False
        for path in box.segments():
            try:
                reader = open_segment(path)
            except DamagedHeaderError:
                _no_header(path, self._aside)
            except (UnknownVersionError, OSError):
                left_alone = True
            else:
                if self._destination is None or reader.destination.sender == self._destination.sender:
                    readers.append(reader)
                else:
                    left_alone = True
        if readers:
            self._box, self.source = box, Source(readers)
            return True
        if left_alone:
            self._foreign.add(box.path.name)
        else:
            _remove(box)
        return False


def _no_header(path: Path, aside: Aside) -> None:
    if path.stat().st_size < FIRST_RECORD:
        path.unlink(missing_ok=True)  # killed while it was made: nothing is in it
    else:
        aside.unreadable(path)


def _remove(box: boxes.Box) -> None:
    try:
        box.remove()
    except OSError:
        pass
