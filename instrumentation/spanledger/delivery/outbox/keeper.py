"""The thread that looks after the disk, apart from the one that talks to the collector.

Either may hang: a disk for minutes, a collector for as long as its answer may take. What is written is
synced all the same within the interval, and what is sent does not wait for a sync.
"""

from __future__ import annotations

import _thread
import queue
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
        self._signs: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stops: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._may_start: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._may_start.put(None)
        self._running = False

    def wake(self) -> None:
        """There is something to do. Waits for nothing; re-entrant."""
        if self._signs.empty():
            self._signs.put(None)
        if self._running:
            return
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
        if self._running:
            self._stops.put(None)
            self._signs.put(None)

    def _run(self) -> None:
        again = False
        while True:
            try:
                if not again:
                    self._signs.get()
                if self._stopped_within(self._interval):
                    break
                self._take_signs()
                again = self._work()
            except Exception as error:
                health.count("outbox_disturbed", log=f"the outbox is disturbed: {type(error).__name__}")
        self._take_signs()
        self._running = False
        self._may_start.put(None)
        if not self._signs.empty():
            self.wake()

    def _take_signs(self) -> None:
        try:
            while True:
                self._signs.get_nowait()
        except queue.Empty:
            pass

    def _stopped_within(self, seconds: float) -> bool:
        try:
            self._stops.get(timeout=seconds)
        except queue.Empty:
            return False
        return True
