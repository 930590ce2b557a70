"""A ledger with a clock that stands still, whose roll-up runs when a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import migrate
from spanledger_billing.prices import sync
from support.ledgers import _without_calls
from support.rolled_up import by_hand, checked_once
from support.still_clock import StillClock

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.fixture(scope="session")
def _clocked(engine: Client) -> StillClock:
    engine.database = "alerts"
    migrate.apply(engine, timezone="UTC")
    sync.sync(engine)
    by_hand(engine)
    checked_once(engine)
    return StillClock(engine, "2026-10-15 12:00")


@pytest.fixture
def clock(engine: Client, _clocked: StillClock) -> StillClock:
    """Noon on 15 October 2026, unless a test sets it."""
    _without_calls(engine, "alerts")
    _clocked.set("2026-10-15 12:00")
    return _clocked


@pytest.fixture
def ledger(engine: Client, clock: StillClock) -> Any:
    """Without calls and clients, with prices."""
    return engine
