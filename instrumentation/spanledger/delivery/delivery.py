"""The thread that sends, from the first submitted span to the end of the process.

`submit` is called by the app's threads and by finalisers. It puts (with an outbox: one `write` of a
kilobyte) and gives a sign; it touches no network, waits for no lock and raises nothing. The signs are
`SimpleQueue`s too, since `threading.Event` takes a lock that a finaliser could find held by its own thread;
and the thread is started by `_thread`, since `threading.Thread` takes such locks as well. It is no joined
thread: an exit does not wait for it beyond `exit_timeout`.

After a fork the child begins with nothing: what waits is the parent's, which sends it.

Under uWSGI without threads these run while a request waits for something and stand still between requests;
what is left then is sent at the exit, by the thread that exits.
"""

from __future__ import annotations

import _thread
import contextvars
import os
import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context

from spanledger import health
from spanledger.delivery import process
from spanledger.delivery.collector import Collector
from spanledger.delivery.outbox import Outbox
from spanledger.delivery.queue import MemoryQueue
from spanledger.delivery.sender import BATCH_BYTES, BATCH_SPANS, Sender
from spanledger.delivery.settings import MEMORY_ONLY

if TYPE_CHECKING:
    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.queue import Queue
    from spanledger.delivery.settings import DeliverySettings

ASKED_EVERY: Final = 32
"""Spans from one question whether a batch is full to the next."""
Signal = queue.SimpleQueue[None]
"""Holds one item where something is to be done."""

_jitter: Final = random.SystemRandom()
"""Not the app's generator: it may be seeded, alike in all its processes, and it is not ours to draw from."""


class Delivery:
    """Delivers submitted spans to one collector."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._begin()
        process.join(self)
        self._queue.tend()
        # What a process left that is gone, or may leave: after a restart the former one may still be ending.
        if self._queue.waits() or self._queue.has_company():
            self._start_thread()

    def submit(self, span: EncodedSpan) -> None:
        """Take over a finished span. Never waits, never raises; may be called by a finaliser."""
        process.notice_fork()
        try:
            self._queue.put(span)
            _give(self._work)
            self._submitted += 1  # threads may race for it: it is then asked a span earlier or later
            asked = self._lingering and not self._submitted % ASKED_EVERY
            if asked and self._queue.fills(BATCH_SPANS, BATCH_BYTES):
                _give(self._hurry)
            if not self._running:
                self._start_thread()
        except Exception as error:
            health.count("delivery_disturbed", log=f"delivery is disturbed: {type(error).__name__}")

    def flush(self, timeout: float) -> bool:
        """Send at once what was submitted before. Whether all of it was delivered in `timeout` seconds."""
        counts = self._queue.counts()
        if counts.waiting == 0:
            return True
        deadline = time.monotonic() + timeout
        with self._progress:
            self._flushes += 1
        try:
            _give(self._work)
            _give(self._hurry)
            if (self._running or self._start_thread()) and not process.threads_stand_still():
                with self._progress:
                    self._progress.wait_for(lambda: self._settled() >= counts.put, timeout)
            else:
                # No thread can be started, the process is at its end or has as many as it may; or they
                # stand still.
                contextvars.Context().run(self._send_here, counts.put, deadline)
        finally:
            with self._progress:
                self._flushes -= 1
        return self._settled() >= counts.put

    def shutdown(self, timeout: float | None = None) -> bool:
        """Flush, and end the thread as soon as nothing waits. Whether that is so in `timeout` seconds.

        What is not delivered by then is not given up: the thread goes on until the process ends. A span
        that is submitted later is delivered as well. Default: the settings' `exit_timeout`.
        """
        timeout = self._settings.exit_timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        delivered = self.flush(timeout)
        self._stopping = True
        _give(self._work)
        _give(self._hurry)
        with self._progress:
            ended = self._progress.wait_for(lambda: not self._running, max(0.0, deadline - time.monotonic()))
        return delivered and ended

    def abandon(self) -> None:
        """Give up what waits: to the outbox, else as lost. For an end that cannot wait."""
        given_up = self._queue.abandon()
        if given_up:
            health.count(
                "spans_lost",
                times=given_up,
                log=f"{given_up} billing spans could not be delivered before the end and are lost; the last"
                f" error was: {self._sender.last_error or 'none'}. SPANLEDGER_EXIT_TIMEOUT gives more time",
            )

    def status(self) -> dict[str, Any]:
        """Where this process' spans are. Holds no secret."""
        counts = self._queue.counts()
        return {
            **self._who(),
            "queued": counts.waiting,
            "bytes": counts.bytes,
            "memory_limit_bytes": self._settings.memory_limit_bytes,
            "sent": counts.sent,
            "refused": counts.refused,
            "aside": counts.aside,
            "lost": counts.lost,
            "left": counts.left,
            "sent_for_others": counts.adopted,
            "last_error": self._sender.last_error,
            "last_success": self._sender.last_success,
            "threads_stand_still": process.threads_stand_still(),
            "outbox": self._queue.describe(),
            "counts": health.snapshot(),
        }

    def _begin(self) -> None:
        self._queue = self._new_queue()
        self._collector = Collector(self._settings)
        self._sender = Sender(self._queue, self._collector)
        self._sending = threading.Lock()
        self._progress = threading.Condition()
        self._work: Signal = queue.SimpleQueue()
        self._hurry: Signal = queue.SimpleQueue()
        self._may_start: Signal = queue.SimpleQueue()
        self._may_start.put(None)
        self._running = False
        self._submitted = 0
        self._lingering = False
        self._stopping = False
        self._flushes = 0

    def _new_queue(self) -> Queue:
        if self._settings.outbox.lower() == MEMORY_ONLY:
            return MemoryQueue(self._settings.memory_limit_bytes)
        return Outbox(self._settings, self.status)

    def begin_again(self) -> None:
        """In a forked child: with nothing."""
        # Closes this process' end of the connection only, without a word to the collector.
        self._collector.close()
        self._queue.forget()
        self._begin()

    def leave(self) -> None:
        """At the exit of the process: send what waits, within `exit_timeout`."""
        with self._progress:
            self._flushes += 1  # for good: what is still submitted does not linger
        if not self.flush(self._settings.exit_timeout):
            self.abandon()
        elif self._sending.acquire(timeout=0.2):  # else it sends for others just now
            try:
                self._queue.close()
            finally:
                self._sending.release()

    def _settled(self) -> int:
        counts = self._queue.counts()
        return counts.sent + counts.refused

    def _start_thread(self) -> bool:
        """Start the thread where none runs. Whether one does now."""
        try:
            self._may_start.get_nowait()
        except queue.Empty:
            return True  # another thread is just starting it
        self._running, self._stopping = True, False
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            self._running = False
            self._may_start.put(None)
            return False
        process.leave_with_multiprocessing()
        if process.threads_stand_still():
            # Who would tell of it later stands still as well.
            self._queue.tell({**self._who(), "threads_stand_still": True})
        return True

    def _who(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "endpoint": self._settings.url}

    def _run(self) -> None:
        _suppress_instrumentation()
        failures = 0
        while True:
            try:
                due = self._tend()
                if self._queue.waits():
                    if not failures:
                        self._linger()
                    failures = self._attempt(failures)
                elif not self._stopping:
                    _got(self._work, due)
                elif self._end():
                    return
            except Exception as error:
                health.count("delivery_disturbed", log=f"delivery is disturbed: {type(error).__name__}")
                _got(self._hurry, self._settings.first_retry)

    def _tend(self) -> float | None:
        with self._sending:
            if self._stopping:
                self._queue.let_go()
                return None
            return self._queue.tend()

    def _linger(self) -> None:
        """Give the first span of a batch some company, unless somebody waits for it."""
        self._lingering = True
        try:
            _take_back(self._hurry)  # left over from a flush that is done; a running one is in `_flushes`
            if not (self._flushes or self._stopping or self._queue.fills(BATCH_SPANS, BATCH_BYTES)):
                _got(self._hurry, self._settings.linger)
        finally:
            self._lingering = False

    def _attempt(self, failures: int) -> int:
        """Send a batch; where that fails, wait. How many attempts have failed in a row."""
        with self._sending:
            _take_back(self._work)  # of what this batch takes along
            kept = self._sender.send_batch()
        with self._progress:
            self._progress.notify_all()
        if kept is None:
            return 0
        self._queue.failed()
        hurried = _got(self._hurry, max(self._back_off(failures), kept.retry_after))
        return 1 if hurried else failures + 1

    def _back_off(self, failures: int) -> float:
        longest = min(self._settings.longest_retry, self._settings.first_retry * 2.0 ** min(failures, 30))
        return _jitter.uniform(longest / 2, longest)

    def _end(self) -> bool:
        """End the thread, unless something was submitted meanwhile."""
        with self._sending:
            self._sender.close()
            self._queue.close()
        self._running = False
        self._may_start.put(None)
        if self._queue.waits():
            try:
                self._may_start.get_nowait()
            except queue.Empty:
                return True  # the submitter has started another
            self._running = True
            return False
        with self._progress:
            self._progress.notify_all()
        return True

    def _send_here(self, target: int, deadline: float) -> None:
        """Do the thread's work in a thread that waits for it, until `deadline`."""
        _suppress_instrumentation()
        failures = 0
        while self._settled() < target and (left := deadline - time.monotonic()) > 0:
            if not self._sending.acquire(timeout=left):
                return
            try:
                self._collector.patience = left
                kept = self._sender.send_batch()
            finally:
                self._collector.patience = self._settings.answer_timeout
                self._sending.release()
            failures = failures + 1 if kept else 0
            if kept:
                pause = max(self._back_off(failures), kept.retry_after)
                time.sleep(max(0.0, min(pause, deadline - time.monotonic())))


def _give(signal: Signal) -> None:
    if signal.empty():
        signal.put(None)


def _take_back(signal: Signal) -> None:
    """By the one thread that takes."""
    if not signal.empty():
        signal.get()


def _got(signal: Signal, seconds: float | None) -> bool:
    try:
        signal.get(timeout=seconds)
    except queue.Empty:
        return False
    return True


def _suppress_instrumentation() -> None:
    current = context.set_value("suppress_instrumentation", True)
    context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True, current))  # noqa: SLF001
