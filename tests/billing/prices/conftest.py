"""A ledger with two clients, shared by these tests: each finds it without calls, lists, orders and closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spanledger_billing import migrate
from support.applied import SMALL, apply

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_STAYS = (
    "'schema_migrations', 'calendar', 'client_days', 'client_versions', 'agency', 'clients', 'terms', "
    "'exchange_rates', 'price_facts'"
)


@pytest.fixture(scope="session")
def _database_with_clients(engine: Client) -> str:
    engine.database = "with_clients"
    migrate.apply(engine, timezone="UTC")
    apply(engine, SMALL)
    return "with_clients"


@pytest.fixture
def ledger(engine: Client, _database_with_clients: str) -> Client:
    """ACME (New York) and Cobalt (Berlin) under terms since January 2026; no price list."""
    engine.database = _database_with_clients
    filled = engine.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        f"AND total_rows > 0 AND name NOT IN ({_STAYS})"
    ).result_rows
    for (table,) in filled:
        engine.command(f"TRUNCATE TABLE {table}")
    return engine
