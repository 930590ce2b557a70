"""What metering failed at: counted, and said in the log once per process and kind.

Nothing here raises, waits or deadlocks, wherever it is called from: a finaliser may interrupt this very
module and call it again. So a count only puts to a `SimpleQueue` (the one queue whose `put` is
re-entrant), and whoever gets the lock without waiting for it adds up what has been put.
"""

from __future__ import annotations

import logging
import os
import threading
from queue import Empty, SimpleQueue
from typing import Final

_log: Final = logging.getLogger("spanledger")


class _Counts:
    def __init__(self) -> None:
        self.arrivals: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self.lock = threading.Lock()
        self.totals: dict[str, int] = {}
        self.logged: set[str] = set()

    def add_up(self, *, wait: bool) -> None:
        if not self.lock.acquire(blocking=wait):
            return  # the holder takes ours along, or the next count does
        try:
            while True:
                kind, times = self.arrivals.get_nowait()
                self.totals[kind] = self.totals.get(kind, 0) + times
        except Empty:
            pass
        finally:
            self.lock.release()


_counts = _Counts()


def count(kind: str, *, times: int = 1, log: str | None = None) -> None:
    """Count `kind`; its first `log` is a warning of the logger `spanledger`, later ones are silent."""
    try:
        _counts.arrivals.put((kind, times))
        _counts.add_up(wait=False)
        if log is not None and kind not in _counts.logged:
            _counts.logged.add(kind)
            _log.warning("%s (further cases are counted as %s, not logged)", log, kind)
    except Exception:
        pass  # an app's log handler may raise; the count stands


def snapshot() -> dict[str, int]:
    """The counts of this process since it began, or since it was forked."""
    _counts.add_up(wait=True)
    return dict(_counts.totals)


def _begin_again() -> None:
    # The parent keeps its counts, and another of its threads may have held the lock.
    global _counts  # noqa: PLW0603 - the one state of the module
    _counts = _Counts()


os.register_at_fork(after_in_child=_begin_again)
