"""A ledger with prices whose roll-up runs when a test says so."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def ledger(priced_ledger: Any) -> Any:
    return priced_ledger
