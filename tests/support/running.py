"""A collector and a ledger that run, and the comparison of that ledger with the providers' books."""

import re
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spanledger_billing.demo import reconcile
from spanledger_billing.demo.reconcile import Difference

LONGEST_WAIT_S = 180.0


@dataclass
class Running:
    """What `up.start` gave, a connection to its ledger, and its data folder."""

    stack: Any
    ledger: Any
    folder: Path

    @property
    def endpoint(self) -> str:
        return self.stack.otlp_http_url

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.ledger.query(query).result_rows)

    def metric(self, name: str) -> float:
        """The sum of one of the collector's own counters."""
        with urllib.request.urlopen(self.stack.metrics_url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    def everything_is_passed_on(self) -> bool:
        """Whether the collector has written all that it took since it started."""
        return self.metric("otelcol_exporter_sent_spans") >= self.metric("otelcol_receiver_accepted_spans")

    def differences(self, books: list[dict[str, Any]], began: datetime) -> list[Difference]:
        """What of all since then the ledger has otherwise than the books, when it has had time to get it."""
        expected = reconcile.tally_of_books(books)
        return reconcile.wait_until_they_agree(self.ledger, expected, began, seconds=LONGEST_WAIT_S)
