"""The data folder of embedded mode: who holds it, and where what runs on it can be reached.

clickhouse/       the engine's tables            queue/    the collector's queue
log/              bounded logs                   incoming/ rows of inserts under way
backups/          what `spanledger backup` wrote
password          the owner's (0600)             reader-password, grafana-password: see there
grafana/          its own data, of `up --grafana`
endpoint.json     addresses, no secret           lock      held while anything runs on the folder
"""

import fcntl
import json
import os
import resource
from pathlib import Path
from typing import Any, Final

from spanledger_billing.errors import InvalidInputError, RefusedError, UnreachableError

_PATTERN: Final = frozenset("*?{}")
ADDRESSES: Final = "endpoint.json"


def prepare(folder: Path) -> Path:
    """The folder as an absolute path, made where it is not there, open to its owner only."""
    folder = folder.expanduser().resolve()
    if set(str(folder)) & _PATTERN:
        raise InvalidInputError(
            f"the data folder {folder} has one of * ? {{ }} in it, which the engine takes for a pattern",
            next_step="name another folder with --data",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("clickhouse", "queue", "log"):
            (folder / name).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidInputError(
            f"the data folder {folder} cannot be used: {error.strerror}",
            next_step="name a folder that you may write to with --data",
        ) from error
    return folder


def check_file_size_limit() -> None:
    """What is written here is lost, or what holds it ends, where files may not grow.

    Raises:
        InvalidInputError: the size of files is limited in this process, as `ulimit -f` does.

    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        raise InvalidInputError(
            f"no file may grow beyond {limit:,} bytes here (ulimit -f), and the ledger's tables and the "
            "collector's queue do",
            allowed="unlimited",
            next_step="run `ulimit -f unlimited` in this shell, or take the limit out of what starts this "
            "(LimitFSIZE= of systemd, fsize in limits.conf)",
        )


class Lock:
    """Held by the process that took it and by each child that inherited its descriptor.

    So a folder is free only when the last process that works on it is gone, however the first one ended.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.descriptor)
            raise self._refusal(folder) from None
        self.describe({"pid": os.getpid()})

    def describe(self, holder: dict[str, Any]) -> None:
        """What another process is told that finds the folder taken."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        os.close(self.descriptor)

    def _refusal(self, folder: Path) -> RefusedError:
        try:
            holder = json.loads(self._path.read_text())
        except (OSError, ValueError):
            holder = {}
        # The first one stops the others; they are named where it is gone and they are left.
        pids = [holder[name] for name in ("pid", "endpoint_pid", "collector_pid") if name in holder]
        running = [pid for pid in pids if _runs(pid)]
        running = running[:1] if running[:1] == pids[:1] else running
        who = ", ".join(map(str, running)) or "unknown"
        where = f", at {holder['clickhouse_url']}" if "clickhouse_url" in holder else ""
        return RefusedError(
            f"the data folder {folder} is in use by process {who}{where}",
            next_step="use what runs there, stop it with Ctrl-C or "
            f"`kill {' '.join(map(str, running)) or 'PID'}`, or name another folder with --data",
        )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_addresses(folder: Path, addresses: dict[str, Any]) -> None:
    """Whole or not at all: others read it at any time."""
    draft = folder / f"{ADDRESSES}.{os.getpid()}"
    draft.write_text(json.dumps(addresses, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / ADDRESSES)


def addresses(folder: Path) -> dict[str, Any]:
    """Where what runs on the folder can be reached; see `up.Stack` for the keys.

    Raises:
        UnreachableError: nothing runs there.

    """
    try:
        found = json.loads((folder / ADDRESSES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"{folder / ADDRESSES} cannot be read: {error}", next_step="start `spanledger up` again"
        ) from error
    if not isinstance(found, dict):
        raise UnreachableError(
            f"nothing runs on the data folder {folder}",
            next_step=f"run `spanledger up --data {folder}`, or name the folder in use with SPANLEDGER_DATA",
        )
    return found
