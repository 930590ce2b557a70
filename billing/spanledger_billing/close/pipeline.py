"""Whether calls of a month may still be on their way: in the collector's queue, or not rolled up."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.doctor.collector import Metrics, fetch
from spanledger_billing.embedded import folder
from spanledger_billing.errors import UnreachableError
from spanledger_billing.ledger import DEFAULT_DATA_FOLDER

if TYPE_CHECKING:
    from datetime import datetime

LOOKS: Final = 5
PAUSE_SECONDS: Final = 1.0
"""A queue that is empty at one of so many looks holds nothing back: what passes through it is on disk for a
moment."""


def waiting(data: Path | None = None) -> str:
    """What holds spans back in the collector; empty where nothing does, or no collector is known.

    Args:
        data: the data folder of `spanledger up`; if not given, the environment says where the collector is.

    """
    url = _metrics_url(data)
    if url is None:
        return ""
    size = 0
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE_SECONDS)
        try:
            size = Metrics.parse(fetch(url)).count("exporter_queue_size")
        except (OSError, ValueError):
            return "the collector does not answer, so spans may wait in it"
        if not size:
            return ""
    return f"spans wait in the collector: {size:,} bytes in its queue"


def _metrics_url(data: Path | None) -> str | None:
    named = None if data else os.environ.get("SPANLEDGER_METRICS_URL")
    if named:
        return named
    if data is None and os.environ.get("SPANLEDGER_CLICKHOUSE_URL"):
        return None  # the ledger is on a server, and nobody said where its collector is
    try:
        found = folder.addresses(data or Path(os.environ.get("SPANLEDGER_DATA") or DEFAULT_DATA_FOLDER))
    except UnreachableError:
        return None
    return found.get("metrics_url")


def not_rolled_up(ledger: Any, starts_at: datetime, ends_at: datetime) -> int:
    """Quarter-hours of this time with calls that the roll-up does not have yet."""
    found = ledger.query(
        "SELECT count() FROM due_quarters WHERE touched_at >= refreshed_at "
        "AND quarter >= {starts:DateTime('UTC')} AND quarter < {ends:DateTime('UTC')}",
        parameters={"starts": starts_at, "ends": ends_at},
    )
    return int(found.first_row[0])


def anything_since(ledger: Any, instant: datetime) -> bool:
    """Whether any span that began after the instant has arrived: what was sent before it has had its turn."""
    found = ledger.query(
        "SELECT count() FROM (SELECT 1 FROM llm_calls WHERE hour >= toStartOfHour({instant:DateTime('UTC')}) "
        "AND first_arrival >= {instant:DateTime('UTC')} LIMIT 1)",
        parameters={"instant": instant},
    )
    return bool(found.first_row[0])
