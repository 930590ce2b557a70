"""For the tests of apps that use spanledger: see what would be billed, without a collector.

from spanledger.testing import recorded_calls

def test_the_bot_bills_its_client():
with recorded_calls() as calls:
answer_question("acme", "…")
assert [call.attributes["client_id"] for call in calls] == ["acme"]
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spanledger.capture import hooks, reaper
from spanledger.capture.meter import Meter, activate
from spanledger.capture.tracing import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

_lock = threading.RLock()
_depth = 0


@contextmanager
def recorded_calls(*, ask_for_usage: bool = True) -> Iterator[list[ReadableSpan]]:
    """Meter this process without any exporter, and yield the list of finished spans, in order.

    Needs no `instrument()`; where there was one, its spans go to the list meanwhile and nowhere else.
    A call stands in the list as soon as its answer is read or closed. An answer that was merely dropped
    comes when the garbage collector has found it. Blocks nest: the innermost one records.

    Args:
        ask_for_usage: as in `spanledger.instrument`.

    """
    global _depth  # noqa: PLW0603 - hooks stay until the outermost block ends
    calls: list[ReadableSpan] = []
    meter = Meter(readable(calls.append), ask_for_usage=ask_for_usage)
    with _lock:
        before = activate(meter)
        hooks.install()
        _depth += 1
    try:
        yield calls
    finally:
        reaper.drain()
        with _lock:
            activate(before)
            _depth -= 1
            if before is None and _depth == 0:
                hooks.remove()
