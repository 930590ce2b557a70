"""The ends of a process, for what must be delivered before: exit, fork, and workers that skip the exit."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Callable


class Participant(Protocol):
    """Something that owes work to the process."""

    def leave(self) -> None:
        """The process exits: do what can be done in bounded time."""

    def begin_again(self) -> None:
        """A forked child begins: the parent owes what it had begun, and no other thread exists."""


_pid = os.getpid()
_noticing = threading.RLock()
_before_leaving: list[Callable[[], None]] = []
_participants: weakref.WeakSet[Participant] = weakref.WeakSet()
_leaves_with_multiprocessing = False


def join(participant: Participant) -> None:
    """Tell `participant` of exits and forks, as long as it lives."""
    _participants.add(participant)


def before_leaving(finish: Callable[[], None]) -> None:
    """Call `finish` when the process exits, before anybody leaves: it may still owe spans. Once is enough."""
    if finish not in _before_leaving:
        _before_leaving.append(finish)


def leave_with_multiprocessing() -> None:
    """Also leave with a worker of multiprocessing, billiard or Celery: forked ones end without `atexit`.

    To be called in the worker: what its parent has registered there is forgotten when it starts.
    """
    global _leaves_with_multiprocessing  # noqa: PLW0603 - once a process
    if _leaves_with_multiprocessing:
        return
    _leaves_with_multiprocessing = True
    for name in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(name)
        if util is not None:
            util.Finalize(None, _leave, exitpriority=0)
    # Those of Celery's pool do not even finalise: this signal is the last that they do.
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        celery.worker_process_shutdown.connect(_leave_celery, weak=False)


def _leave_celery(**_: object) -> None:
    _leave()


def _leave() -> None:
    for step in (*_before_leaving, *[participant.leave for participant in list(_participants)]):
        try:
            step()
        except Exception as error:
            health.count("exit_disturbed", log=f"delivery at the exit failed: {type(error).__name__}")


def notice_fork() -> None:
    """Begin again where this is a child that was forked without Python being told, as uWSGI does."""
    if os.getpid() == _pid:
        return
    with _noticing:
        if os.getpid() != _pid:
            _after_fork_in_child()


def threads_stand_still() -> bool:
    """Whether threads run only while a request does: uWSGI without them.

    Older ones are so unless told `enable-threads`; what it says of itself holds for all.
    """
    return not getattr(sys.modules.get("uwsgi"), "has_threads", True)


def _after_fork_in_child() -> None:
    global _leaves_with_multiprocessing, _pid  # noqa: PLW0603 - once a process
    _leaves_with_multiprocessing = False
    _pid = os.getpid()
    for participant in list(_participants):
        participant.begin_again()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
