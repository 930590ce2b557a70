"""A ledger with two clients, shared by these tests: each finds it without calls, lists, orders and closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.fixture
def ledger(ledger_with_clients: Client) -> Client:
    return ledger_with_clients
