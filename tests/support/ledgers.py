"""Ledgers to test on: databases in an engine in this process, with the schema as `spanledger migrate` makes it.

An engine in this process is quicker than one behind the endpoint (`support.stack`), and holds one folder at a time.
The roll-up of the shared ones runs when a test says so, and not beside it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

from spanledger_billing import migrate
from spanledger_billing.prices import sync
from support.applied import SMALL, apply
from support.rolled_up import by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

_serial = itertools.count(1)
_STAYS = "name NOT LIKE 'price%' AND name NOT IN ('calendar', 'schema_migrations', 'billing_scopes')"
"""What a test of calls does not change; all other tables are emptied for it."""
_STAYS_WITH_CLIENTS = (
    "name NOT IN ('schema_migrations', 'billing_scopes', 'calendar', 'client_days', 'client_versions', 'agency', "
    "'clients', 'terms', 'exchange_rates', 'price_facts')"
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The ClickHouse engine in this process; it can hold one folder at a time."""
    client: Any = clickhouse_connect.get_client(
        interface="chdb", path=str(tmp_path_factory.mktemp("engine")), tz_mode="aware"
    )
    yield client
    client.close()


@pytest.fixture
def empty_database(engine: Client) -> Iterator[Client]:
    """A client whose database does not exist yet."""
    engine.database = f"ledger_{next(_serial)}"
    yield engine
    engine.command(f"DROP DATABASE IF EXISTS {engine.database} SYNC", use_database=False)


@pytest.fixture
def own_ledger(empty_database: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A ledger of the test's own, for what changes more than calls; it has no price list."""
    monkeypatch.delenv("SPANLEDGER_TIMEZONE", raising=False)
    migrate.apply(empty_database)
    return empty_database


@pytest.fixture(scope="session")
def _unpriced_database(engine: Client) -> str:
    engine.database = "unpriced"
    migrate.apply(engine, timezone="UTC")
    by_hand(engine)
    return "unpriced"


@pytest.fixture(scope="session")
def _priced_database(engine: Client) -> str:
    engine.database = "priced"
    migrate.apply(engine, timezone="UTC")
    by_hand(engine)
    sync.sync(engine)
    return "priced"


@pytest.fixture(scope="session")
def _database_with_clients(engine: Client) -> str:
    engine.database = "with_clients"
    migrate.apply(engine, timezone="UTC")
    by_hand(engine)
    apply(engine, SMALL)
    return "with_clients"


def _without_calls(engine: Client, database: str, stays: str = _STAYS) -> Client:
    engine.database = database
    filled = engine.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        f"AND total_rows > 0 AND {stays}"
    ).result_rows
    for (table,) in filled:
        engine.command(f"TRUNCATE TABLE {table}")
    return engine


@pytest.fixture
def unpriced_ledger(engine: Client, _unpriced_database: str) -> Client:
    """A ledger without calls and without a price list, shared: tests put calls into it and nothing else."""
    return _without_calls(engine, _unpriced_database)


@pytest.fixture
def priced_ledger(engine: Client, _priced_database: str) -> Client:
    """A ledger without calls, with the installed price list, shared likewise."""
    return _without_calls(engine, _priced_database)


@pytest.fixture
def ledger_with_clients(engine: Client, _database_with_clients: str) -> Client:
    """ACME (New York) and Cobalt (Berlin) under terms since January 2026; no calls, price list or closes."""
    return _without_calls(engine, _database_with_clients, _STAYS_WITH_CLIENTS)
