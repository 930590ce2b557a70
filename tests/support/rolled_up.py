"""The roll-up in tests: when they say so, not every quarter of a minute."""

from __future__ import annotations

from typing import Any

from spanledger_billing import rollup


def by_hand(ledger: Any) -> Any:
    """The same ledger, whose roll-up waits for `rollup.refresh`."""
    for view in rollup.VIEWS:
        ledger.command(f"ALTER TABLE {view} MODIFY REFRESH EVERY 10 YEAR APPEND")
    return ledger


def checked_once(ledger: Any) -> None:
    """The same for the drift checks: the first has run, and no hour of the day brings another."""
    ledger.command("SYSTEM WAIT VIEW drift_checks_mv")
    ledger.command("ALTER TABLE drift_checks_mv MODIFY REFRESH EVERY 10 YEAR APPEND")


def settle(ledger: Any) -> None:
    """As if all had been rolled up ten minutes ago: what was touched just now is looked at twice."""
    for table, columns in (
        ("touched_quarters", "quarter, hour, touched_at - INTERVAL 10 MINUTE"),
        ("rolled_quarters", "quarter, refreshed_at, written_at - INTERVAL 10 MINUTE"),
    ):
        ledger.command(f"CREATE TABLE settled AS {table}")
        ledger.command(f"INSERT INTO settled SELECT {columns} FROM {table} FINAL")
        ledger.command(f"TRUNCATE TABLE {table}")
        ledger.command(f"INSERT INTO {table} SELECT * FROM settled")
        ledger.command("DROP TABLE settled SYNC")
