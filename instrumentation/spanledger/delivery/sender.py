"""Batches, and the culprits among them.

A refused request is split in halves until the one span at fault stands alone; that one is put aside, and the
others pass. A span is at fault only where the collector takes other requests: a request without any span
tells. An address that refuses everything (plain HTTP to an HTTPS port, a web server that is no collector)
costs no span; they are kept until someone mends it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from spanledger import health
from spanledger.delivery.collector import Accepted, NotNow, Refused
from spanledger.delivery.otlp import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger.delivery.collector import Collector
    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.queue import Sendable

BATCH_SPANS: Final = 512
BATCH_BYTES: Final = 2 * 1024 * 1024


class Sender:
    """Moves what waits to the collector. Used by one thread at a time."""

    def __init__(self, queue: Sendable, collector: Collector) -> None:
        self._queue = queue
        self._collector = collector
        self.last_error: str | None = None
        self.last_success: float | None = None
        """Unix time of the last acknowledgement."""

    def send_batch(self) -> NotNow | None:
        """Send the oldest batch. None: all of it is delivered or set aside, or nothing waits."""
        batch = self._queue.take(BATCH_SPANS, BATCH_BYTES)
        return self._deliver(batch) if batch else None

    def close(self) -> None:
        """Drop the connection."""
        self._collector.close()

    def _deliver(self, batch: Sequence[EncodedSpan]) -> NotNow | None:
        answer = self._collector.export(join(batch))
        if isinstance(answer, Accepted):
            self._accepted(batch)
            return None
        if isinstance(answer, NotNow):
            return self._kept(answer)
        if len(batch) == 1:
            return self._blame(batch[0])
        half = len(batch) // 2
        return self._deliver(batch[:half]) or self._deliver(batch[half:])

    def _blame(self, span: EncodedSpan) -> NotNow | None:
        """The span was refused alone: find out whether it is at fault, or the address."""
        without = self._collector.export(join(()))
        if isinstance(without, Refused):
            return self._kept(NotNow(f"{without.reason} to every request; check SPANLEDGER_ENDPOINT"))
        if isinstance(without, NotNow):
            return self._kept(without)
        # Once more: the collector may have come to its senses between the two.
        again = self._collector.export(join((span,)))
        if isinstance(again, NotNow):
            return self._kept(again)
        if isinstance(again, Accepted):
            self._accepted((span,))
            return None
        self._queue.set_aside(span)
        health.count(
            "spans_refused",
            log=f"the collector refuses a billing span for what it is ({again.reason}); it is put aside, and"
            " the call is missing from the ledger",
        )
        self.last_error = f"a span was refused: {again.reason}"
        return None

    def _accepted(self, batch: Sequence[EncodedSpan]) -> None:
        self._queue.acknowledge(batch)
        self.last_success = time.time()
        self.last_error = None

    def _kept(self, answer: NotNow) -> NotNow:
        health.count(
            "delivery_retried",
            log=f"the collector does not take billing spans now ({answer.reason}); they wait and are sent"
            " again",
        )
        self.last_error = answer.reason  # last: a status with an error has its count as well
        return answer
