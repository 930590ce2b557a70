"""The outbox's directory: which one it is, what it takes, and who stands in it.

    <outbox>/<box>/              one folder a process, see `box`
    <outbox>/aside/              what needs a person, see `aside`

Everything in it belongs to one user and can be read by nobody else. A directory that others may write to
(a volume, the machine's temporary folder) is taken too: boxes of other users are not looked at.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spanledger.delivery.outbox.segment import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

ASIDE: Final = "aside"
UNBORN: Final = ".new-"
"""Begins the name of a box that is being made: it holds no spans yet."""


class OutboxFullError(OSError):
    """All processes' segments together have reached the limit."""


class Folder:
    """Finds the directory when it is first needed."""

    def __init__(self, setting: str, limit_bytes: int) -> None:
        self._candidates = candidates(setting)
        self._path: Path | None = None
        self.limit_bytes = limit_bytes

    def path(self) -> Path:
        """The directory, made where it is missing. Raises OSError where none can be had."""
        if self._path is None or not self._path.is_dir():
            self._path = _first_usable(self._candidates)
        return self._path

    def existing(self) -> Path | None:
        """The directory if it is there, without making one."""
        if self._path is None:
            return next((path for path in self._candidates if path.is_dir() and _is_safe(path)), None)
        return self._path

    def make_room(self, for_bytes: int) -> None:
        """Raises OutboxFullError where a segment of that size would go beyond the limit."""
        used = used_bytes(self.path())
        if used + for_bytes > self.limit_bytes:
            raise OutboxFullError(
                errno.EDQUOT, f"its limit of {self.limit_bytes / 1024 / 1024:g} MiB is reached"
            )


def candidates(setting: str) -> list[Path]:
    """The directory that is named, else those by default, best first."""
    if setting:
        return [Path(setting).expanduser().absolute()]
    state = os.environ.get("XDG_STATE_HOME", "")
    # The base directory specification: a relative path is to be ignored.
    home = Path(state) if state.startswith("/") else Path("~/.local/state").expanduser()
    found = [home / "spanledger" / "outbox"] if home.is_absolute() else []
    return [*found, in_temporary_folder()]


def in_temporary_folder() -> Path:
    """For users without a home that can be written. Seldom survives a restart of the machine."""
    try:
        where = tempfile.gettempdir()
    except OSError:
        where = "/tmp"  # noqa: S108 - nobody can write to any, which `Folder.path` will say
    return Path(where) / f"spanledger-outbox-{os.geteuid()}"


# Where it is Python finds out under a lock, the first time: a child that was forked in that moment by another
# thread would wait for that lock for ever.
in_temporary_folder()


def boxes(outbox: Path) -> Iterator[Path]:
    """The boxes of this user, oldest first."""
    try:
        names = sorted(os.listdir(outbox))  # noqa: PTH208 - Path.iterdir makes an object for each first
    except OSError:
        return
    for name in names:
        path = outbox / name
        if name == ASIDE or name.startswith(UNBORN):
            continue
        try:
            status = path.lstat()
        except OSError:
            continue  # its owner is done with it
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            yield path


def used_bytes(outbox: Path) -> int:
    """What all segments take together."""
    total = 0
    for box in boxes(outbox):
        for segment in segments(box):
            try:
                total += segment.stat().st_size
            except OSError:
                pass
    return total


def segments(box: Path) -> list[Path]:
    """The segments of a box, oldest first."""
    try:
        return sorted(path for path in box.iterdir() if path.name.endswith(SUFFIX))
    except OSError:
        return []


def _first_usable(paths: list[Path]) -> Path:
    failed: OSError | None = None
    for path in paths:
        try:
            _make(path)
            if not _is_safe(path):
                raise PermissionError(errno.EACCES, "it belongs to another user")
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            failed = failed or error
        else:
            return path
    raise failed or OSError(errno.ENOENT, "there is no directory for it")


def _make(path: Path) -> None:
    if path.is_dir():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(exist_ok=True, mode=0o700)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def _is_safe(path: Path) -> bool:
    """In the temporary folder anybody may have made a directory of this name before."""
    if path != in_temporary_folder():
        return True
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
