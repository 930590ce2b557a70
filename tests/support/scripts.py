"""A test's script in a process of its own, and what its threads were at where its end does not come."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
LONGEST_S = 120.0

_SHOW_STACKS = "import faulthandler, signal; faulthandler.register(signal.SIGUSR1)\n"


def start(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Run it beside the test. Its warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _SHOW_STACKS + script, *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], *, ends_with: int = 0) -> str:
    """Wait for its end and that of its children: what they logged."""
    try:
        _, logged = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGUSR1)
        time.sleep(2)
        os.killpg(process.pid, signal.SIGKILL)
        _, logged = process.communicate()
        raise AssertionError(f"no end after {LONGEST_S:g} s; the processes were at:\n{logged}") from None
    assert process.returncode == ends_with, logged
    return logged
