"""A ledger whose views take the time from a test, so that a month's end needs no waiting and no luck."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

_NOW = re.compile(r"now\('UTC'\)|now64\(3, 'UTC'\)")
_CLOCK = "assumeNotNull((SELECT argMax(at, step) FROM {database}.still_clock))"


class StillClock:
    """What `now()` is in the ledger's views. Tables and refreshes keep the real time."""

    def __init__(self, ledger: Any, moment: str | datetime) -> None:
        self._ledger = ledger
        self._step = 0
        ledger.command(
            "CREATE TABLE still_clock (step UInt32, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY step"
        )
        self.at = self.set(moment)
        clock = _CLOCK.format(database=ledger.database)
        views = ledger.query(
            "SELECT name, as_select FROM system.tables "
            "WHERE database = currentDatabase() AND engine = 'View' AND match(as_select, 'now(64)?\\\\(')"
        ).result_rows
        for name, query in views:
            still = _NOW.sub(
                lambda found: f"toDateTime({clock}, 'UTC')" if found[0] == "now('UTC')" else clock, query
            )
            assert not re.search(r"\bnow(64)?\(", still), f"{name} has a clock of another kind"
            ledger.command(f"CREATE OR REPLACE VIEW {ledger.database}.{name} AS {still}")

    def set(self, moment: str | datetime) -> datetime:
        """Set it to a moment: a time, or `2026-10-01 13:30` and the like in UTC."""
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC) if isinstance(moment, str) else moment
        self._step += 1
        self._ledger.insert("still_clock", [[self._step, at]], column_names=["step", "at"])
        self.at = at
        return at
