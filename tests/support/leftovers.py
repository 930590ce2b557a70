"""Fails a run that leaves a process running, and names it.

Every process that a test starts inherits a variable with this run's mark; whoever carries it when the run
is over was left behind. Such processes are ended here, so that a failed run does not burden the next one.
"""

import contextlib
import os
import signal
from pathlib import Path

import pytest

_MARK = f"MARK_OF_TEST_RUN={os.getpid()}"


def pytest_configure() -> None:
    name, _, value = _MARK.partition("=")
    os.environ.setdefault(name, value)


def _children() -> set[int]:
    """A child that was forked and never executed anything shows its parent's environment, unmarked."""
    return {
        int(pid)
        for thread in Path("/proc/self/task").glob("*/children")
        for pid in thread.read_text().split()
    }


def _left_running() -> dict[int, str]:
    if os.environ.get("MARK_OF_TEST_RUN") != str(os.getpid()):
        return {}  # a pytest inside a test: the outer run looks after it
    found = {}
    children = _children()
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        with contextlib.suppress(OSError):
            marked = _MARK.encode() in (process / "environ").read_bytes().split(b"\0")
            if pid != os.getpid() and (marked or pid in children):
                found[pid] = (
                    (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                )
    # Zombies have no command line; multiprocessing's tracker ends with its parent, not before.
    return {pid: command for pid, command in found.items() if command and "resource_tracker" not in command}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    left = _left_running()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        session.config.stash[_LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for pid, command in config.stash.get(_LEFT, {}).items():
        terminalreporter.line(f"left running, now ended: {pid} {command[:150]}", red=True)


_LEFT: pytest.StashKey[dict[int, str]] = pytest.StashKey()
