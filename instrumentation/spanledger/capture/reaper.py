"""Where calls go whose answer was dropped without being closed.

The garbage collector may find them anywhere, even inside our own locks. Its finaliser therefore only
puts the call into a `queue.SimpleQueue`, whose `put` is reentrant; a thread finishes them.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanledger.capture.call import Call

_dropped: queue.SimpleQueue[Call | threading.Event] = queue.SimpleQueue()
_start = threading.Lock()
_pid_of_thread = 0


def drop(call: Call) -> None:
    """Hand over a call that nobody will finish. Safe in a finaliser."""
    _dropped.put(call)


def watch() -> None:
    """Make sure that the thread runs; after a fork the child gets its own."""
    global _pid_of_thread  # noqa: PLW0603 - one thread a process
    if _pid_of_thread == os.getpid():
        return
    with _start:
        if _pid_of_thread != os.getpid():
            threading.Thread(target=_run, name="spanledger-reaper", daemon=True).start()
            _pid_of_thread = os.getpid()


def drain(timeout: float = 5.0) -> bool:
    """Wait until everything dropped before this call is finished. False when it took longer."""
    if _pid_of_thread != os.getpid():
        return True
    done = threading.Event()
    _dropped.put(done)
    return done.wait(timeout)


def _run() -> None:
    while True:
        item = _dropped.get()
        if isinstance(item, threading.Event):
            item.set()
        else:
            item.finish(ended=False)


def _after_fork_in_child() -> None:
    global _start, _dropped  # noqa: PLW0603 - fresh ones: another thread may have held them
    _start = threading.Lock()
    _dropped = queue.SimpleQueue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
