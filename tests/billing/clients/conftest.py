"""A ledger for tests of clients and terms: a database of its own behind the embedded endpoint."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import migrate, up
from support.rolled_up import by_hand
from support.stack import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "clients_and_terms"
TABLES = ("client_versions", "agency", "clients", "terms", "budgets", "exchange_rates", "closes")


@pytest.fixture(scope="module")
def migrated(stack: up.Stack) -> Iterator[Any]:
    """The ledger once for a file's tests; use `ledger`, which is empty."""
    with contextlib.closing(client_of(stack, database=None, autogenerate_session_id=False)) as client:
        client.command(f"CREATE DATABASE {DATABASE}")
        client.database = DATABASE
        migrate.apply(client, timezone="UTC")
        by_hand(client)
        yield client


@pytest.fixture
def ledger(migrated: Any) -> Any:
    """A ledger with its schema and no clients; days of earlier tests' clients stay, and nobody has them."""
    for table in TABLES:
        migrated.command(f"TRUNCATE TABLE {table}")
    return migrated


@pytest.fixture
def reached_by_command_line(ledger: Any, stack: up.Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same ledger, where the command line finds it."""
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", stack.clickhouse_url)
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_USER", stack.user)
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_PASSWORD", stack.password)
    monkeypatch.setenv("SPANLEDGER_DATABASE", DATABASE)
    monkeypatch.setenv("COLUMNS", "200")
    return ledger
