"""The thread that looks after the disk, apart from the one that talks to the collector.

Either may hang: a disk for minutes, a collector for as long as its answer may take. What is written is
synced all the same within the interval, and what is sent does not wait for a sync.
"""

from __future__ import annotations

import _thread
import queue
import time
from typing import TYPE_CHECKING

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Callable


class Keeper:
    """Calls `work` at most once an interval, while there is reason to; asleep otherwise."""

    def __init__(self, work: Callable[[], bool], interval: float) -> None:
        self._work = work
        """Tells whether it is to be called again without being asked."""
        self._interval = interval
        self._signs: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """Of something to do; False: of the end. One queue for both, so that neither overtakes the other."""
        self._asked = False
        """Whether there is something to do that is not begun: the app's threads give one sign of it, no more,
        so that none of them has to wake this one."""
        self._may_start: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._may_start.put(None)
        self._running = False

    def wake(self) -> None:
        """There is something to do. Waits for nothing; re-entrant."""
        if not self._asked:
            self._asked = True
            self._signs.put(True)
        if not self._running:
            self._start()

    def _start(self) -> None:
        try:
            self._may_start.get_nowait()
        except queue.Empty:
            return  # another thread is just starting it
        self._running = True
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            self._running = False
            self._may_start.put(None)

    def stop(self) -> None:
        """End the thread as soon as it is not at work."""
        if self._running or not self._signs.empty():  # a thread that ends just now starts another for a sign
            self._asked = False  # so that what is asked for from now on has a sign behind this one
            self._signs.put(False)

    def _run(self) -> None:
        again = False
        while True:
            try:
                if (not again and not self._signs.get()) or self._stopped_within(self._interval):
                    break
                self._asked = False  # before the work: what is asked for during it needs another sign
                again = self._work()
            except Exception as error:
                health.count("outbox_disturbed", log=f"the outbox is disturbed: {type(error).__name__}")
        self._running = False
        self._may_start.put(None)
        if not self._signs.empty():
            self._start()

    def _stopped_within(self, seconds: float) -> bool:
        """Takes the signs that come meanwhile: what they are of is done after it."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not self._signs.get(timeout=left):
                    return True
        except queue.Empty:
            pass
        return False
