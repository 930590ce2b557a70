"""A component that runs as a process of its own: started, watched, stopped, its log kept short."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spanledger_billing.errors import OperatorError

MAX_LOG_BYTES: Final = 10 << 20
READY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Program:
    """What is started and how one knows that it works."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    log: Path
    inherited: Sequence[int] = ()
    """Descriptors that it keeps open."""
    stop_seconds: float = 15.0
    """How long it may take to stop before it is killed."""
    ready_seconds: float = READY_SECONDS
    """How long it may take to become ready."""
    has_children: bool = False
    """Whether it starts programs of its own, which must not outlive it."""
    started: Callable[[], None] = lambda: None
    """Is called whenever it has become ready."""


@dataclass
class Process:
    """One program, of which at most one run is alive."""

    program: Program
    hurry: threading.Event
    """Set when nobody waits any more for it to become ready."""
    _run: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _wanted: bool = field(default=False, init=False)
    # The supervisor and whoever stops or restarts it on purpose take turns.
    _turn: threading.RLock = field(default_factory=threading.RLock, init=False)

    @property
    def pid(self) -> int:
        return self._run.pid if self._run is not None else -1

    @property
    def alive(self) -> bool:
        return self._run is not None and self._run.poll() is None

    @property
    def died(self) -> bool:
        """It should be running and is not."""
        return self._wanted and not self.alive

    def start(self) -> None:
        """Starts it and returns when it is ready.

        Raises:
            OperatorError: it ended instead, or was not ready in time; with the last lines of its log.

        """
        with self._turn:
            if not self.alive:
                self._spawn()
            self._wanted = True
            self._wait_until_ready()
            self.program.started()

    def restart(self) -> None:
        with self._turn:
            self.stop()
            self.start()

    def stop(self) -> None:
        """Asks it to stop, and kills it when it takes too long. Standing still already is fine."""
        with self._turn:
            self._wanted = False
            if self._run is None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._run.send_signal(signal.SIGTERM)
            try:
                self._run.wait(self.program.stop_seconds)
            except subprocess.TimeoutExpired:
                self._run.kill()
            self._reap()

    def kill9(self) -> None:
        """Ends it as a crash would; it stays down until it is started again."""
        with self._turn:
            self._wanted = False
            if self._run is not None:
                self._run.kill()
                self._reap()

    def revive(self) -> bool:
        """Starts it again if it died; False when it is not ready after that."""
        with self._turn:
            if not self.died:
                return True
            self._reap()
            try:
                self.start()
            except OperatorError:
                self._wanted = True
                return False
            return True

    def trim_log(self) -> None:
        """Keeps one earlier piece. The program appends, so it writes on at the start of the emptied file."""
        log = self.program.log
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
                os.truncate(log, 0)

    def _spawn(self) -> None:
        self.trim_log()
        descriptor = os.open(self.program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._run = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                list(self.program.command),
                env=dict(self.program.environment),
                # Held open as long as this process lives: its end tells the program that it is alone.
                stdin=subprocess.PIPE,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=self.program.inherited,
                # Ctrl-C in the terminal is for this process, which then stops the others in order.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.program.ready_seconds
        while not self.program.ready():
            if not self.alive:
                raise self._failure("ended before it was ready")
            if time.monotonic() > deadline or self.hurry.is_set():
                self.stop()
                raise self._failure("was not ready in time")
            time.sleep(0.05)

    def _failure(self, what: str) -> OperatorError:
        lines = self.program.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        last = "\n".join(f"  {line[:300]}" for line in lines)
        return OperatorError(
            f"the {self.program.name} {what}; the end of its log:\n{last}",
            next_step=f"read {self.program.log}",
        )

    def _reap(self) -> None:
        if self._run is not None:
            self._run.wait()
            if self.program.has_children:
                # Each run leads a process group of its own.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._run.pid, signal.SIGKILL)
            if self._run.stdin is not None:
                self._run.stdin.close()
            self._run = None
