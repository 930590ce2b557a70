"""A ledger whose roll-up runs when a test says so, with the terms of ACME and Cobalt."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import Any

import pytest

from support.applied import apply
from support.closing import TERMS, store
from support.stored_calls import call


@pytest.fixture
def ledger(unpriced_ledger: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A ledger with ACME and Cobalt, without calls; no collector is known."""
    monkeypatch.delenv("SPANLEDGER_METRICS_URL", raising=False)
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    apply(unpriced_ledger, TERMS)
    return unpriced_ledger


@pytest.fixture
def october(ledger: Any) -> Any:
    """The same with USD 500.00 of ACME's in October, and something that arrived since."""
    store(ledger, call("2026-10-10T12:00", "500"), call("2026-11-05T12:00", "0"))
    return ledger
