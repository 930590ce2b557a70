"""Calls whose answer nobody reads to its end, nor closes.

The garbage collector may find a dropped answer anywhere, even inside our own locks. Its finaliser
therefore only puts the call into a `queue.SimpleQueue`, whose `put` is reentrant; a thread finishes it.
What is still open when the process ends is never collected: `finish_open` records it as it stands.
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


_open: set[Call] = set()
"""Calls under way. `add` and `discard` of a set are atomic."""


def watch(call: Call) -> None:
    """Keep an eye on a call, made just now, until it is finished."""
    _open.add(call)
    if _pid_of_thread != call.pid:
        _ensure_thread()


def finished(call: Call) -> None:
    """The call needs no watching any more."""
    _open.discard(call)


def finish_open() -> None:
    """Finish every call still open: the process ends."""
    for call in list(_open):
        call.finish(ended=False)


def drop(call: Call) -> None:
    """Hand over a call that nobody will finish. Safe in a finaliser: the thread runs since `watch`."""
    _dropped.put(call)


def _ensure_thread() -> None:
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
    # Fresh ones: another thread may have held them, and the parent's calls are the parent's.
    global _start, _dropped, _open  # noqa: PLW0603
    _start = threading.Lock()
    _dropped = queue.SimpleQueue()
    _open = set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
