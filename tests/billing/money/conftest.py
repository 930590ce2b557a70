"""Ledgers whose roll-up runs when a test says so, and not beside it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def ledger(unpriced_ledger: Any) -> Any:
    """A ledger without calls, clients and prices."""
    return unpriced_ledger


@pytest.fixture
def whole_ledger(priced_ledger: Any) -> Any:
    """A ledger without calls and clients, with prices."""
    return priced_ledger
