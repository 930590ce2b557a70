"""A disk of the run's own, whose size can be set to what is in use: full, for everything that is on it.

It is a tmpfs in a mount namespace of this process, which root may make, or anybody where the machine allows
namespaces of users. It is gone with the process, however that ends. Elsewhere the folder lies on the
machine's disk and the size of files is limited instead (`RLIMIT_FSIZE`), of processes that are named.
"""

import ctypes
import errno
import os
import resource
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 3 << 30
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REMOUNT, _MS_REC, _MS_PRIVATE = 0x20, 0x4000, 0x40000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _call(done: int) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Disk:
    """To be made before this process has any other thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        try:
            self._enter_namespace()
            self._mount(0, SIZE)
            self.own = True
        except OSError:
            self.own = False

    @contextmanager
    def full(self, spare: int, processes: Iterable[int]) -> Iterator[None]:
        """Meanwhile `spare` more bytes fit on it; without a disk of its own: no file of these grows at all."""
        if self.own:
            self._shrink(spare)
            try:
                yield
            finally:
                self._mount(_MS_REMOUNT, SIZE)
            return
        limited = list(processes)
        before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in limited}
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            for pid, limits in before.items():
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    def remove(self) -> None:
        """Take it away with all that is on it, whoever has files open there still."""
        if self.own:
            _call(_libc.umount2(os.fsencode(self.path), _MNT_DETACH))
            self.own = False
        shutil.rmtree(self.path)

    def _shrink(self, spare: int) -> None:
        while True:
            found = os.statvfs(self.path)
            try:
                self._mount(_MS_REMOUNT, (found.f_blocks - found.f_bfree) * found.f_frsize + spare)
            except OSError as error:
                if error.errno != errno.EINVAL:  # more is in use meanwhile
                    raise
            else:
                return

    def _mount(self, flags: int, size: int) -> None:
        options = f"size={size},mode=700".encode()
        _call(_libc.mount(b"faults", os.fsencode(self.path), b"tmpfs", ctypes.c_ulong(flags), options))

    def _enter_namespace(self) -> None:
        uid, gid = os.getuid(), os.getgid()
        if uid == 0:
            _call(_libc.unshare(_CLONE_NEWNS))
        else:
            _call(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        # Or it would be seen, and stay, in the machine's own.
        _call(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
