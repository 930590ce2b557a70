"""The roll-up in tests: when they say so, not every quarter of a minute."""

from __future__ import annotations

from typing import Any

from spanledger_billing import rollup


def by_hand(ledger: Any) -> Any:
    """The same ledger, whose roll-up waits for `rollup.refresh`."""
    for view in rollup.VIEWS:
        ledger.command(f"ALTER TABLE {view} MODIFY REFRESH EVERY 10 YEAR APPEND")
    return ledger
