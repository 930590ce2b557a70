"""A ledger for each test: a database of its own in one engine, with the schema as `spanledger migrate` makes it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

from spanledger_billing import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

_serial = itertools.count(1)


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
def ledger(empty_database: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A ledger with its schema and no price list."""
    monkeypatch.delenv("SPANLEDGER_TIMEZONE", raising=False)
    migrate.apply(empty_database)
    return empty_database
