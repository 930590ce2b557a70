"""A box: the folder of one process in the outbox.

    lock          locked (`flock`) by the process whose box it is, as long as it lives, or by who adopted it
    *.spans       segments
    status.json   where this process' spans are, see `status`

The kernel gives the lock back when its holder dies, however that happens, and whoever gets it then owns the
box: two processes cannot. The lock must not outlive its holder in a forked child, which therefore closes it.

A box is made under another name and renamed once it is locked, so that nobody finds one of a living process
unlocked. It is renamed before it is deleted, so that a thread which opens a segment in it meanwhile fails,
and opens it in a new one.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

from spanledger.delivery.outbox.descriptor import Descriptor
from spanledger.delivery.outbox.folder import UNBORN, segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "lock"
_LEAVING: Final = ".leaving-"
_STILLBORN_AFTER_S: Final = 3600.0


class Box:
    """A box that this process holds."""

    def __init__(self, path: Path, lock: Descriptor) -> None:
        self.path = path
        self.lock = lock
        """Given back when nothing refers to it any more: the box, or who still writes to a segment in it."""

    def segments(self) -> list[Path]:
        """Oldest first."""
        return segments(self.path)

    def remove(self) -> bool:
        """Delete it; False where a segment is in it, which then stays."""
        leaving = self.path.with_name(_LEAVING + self.path.name.removeprefix(_LEAVING))
        self.path.rename(leaving)
        if segments(leaving):
            leaving.rename(self.path)
            return False
        for path in leaving.iterdir():
            if path.name != LOCK:
                path.unlink(missing_ok=True)
        (leaving / LOCK).unlink(missing_ok=True)
        leaving.rmdir()
        return True

    def close_lock(self) -> None:
        """In a forked child: it is the parent's."""
        self.lock.close()


def create(outbox: Path) -> Box:
    """A new box of this process. Raises OSError, also where the file system knows no locks."""
    name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{os.urandom(4).hex()}"
    unborn = outbox / (UNBORN + name)
    unborn.mkdir(mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    lock = Descriptor(os.open(unborn / LOCK, flags, 0o600))
    fcntl.flock(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Box(unborn.rename(outbox / name), lock)


def hold(path: Path) -> Box | None:
    """The box at `path`, if nobody holds it."""
    try:
        lock = Descriptor(os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
    except FileNotFoundError:
        _remove_empty(path)
        return None
    except OSError:
        return None
    try:
        fcntl.flock(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it until now may have deleted it.
        same = os.path.samestat(os.fstat(lock.number), (path / LOCK).stat())
    except OSError:
        return None
    return Box(path, lock) if same else None


def is_held(path: Path) -> bool:
    """Whether a living process holds it."""
    try:
        lock = Descriptor(os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        fcntl.flock(lock.number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def remove_stillborn(outbox: Path) -> None:
    """What is left of processes that were killed while they made their box."""
    for path in _unborn(outbox):
        try:
            if time.time() - path.stat().st_mtime > _STILLBORN_AFTER_S:
                (path / LOCK).unlink(missing_ok=True)
                path.rmdir()
        except OSError:
            pass


def _unborn(outbox: Path) -> Iterator[Path]:
    try:
        yield from (path for path in outbox.iterdir() if path.name.startswith(UNBORN))
    except OSError:
        return


def _remove_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass
