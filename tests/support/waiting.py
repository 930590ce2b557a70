"""Waiting for what another process does, with an end."""

import time
from collections.abc import Callable

LONGEST_WAIT_S = 180.0


def wait_for(happened: Callable[[], object], what: str, *, every_s: float = 0.1) -> None:
    """Look until it is true; a test fails that waited too long for `what`."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while not happened():
        assert time.monotonic() < deadline, f"waited {LONGEST_WAIT_S:.0f} s in vain for {what}"
        time.sleep(every_s)
