"""A ledger whose roll-up runs when a test says so, and a month of ACME that nothing speaks against closing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import rollup
from support.applied import apply
from support.stored_calls import Call, call, put

if TYPE_CHECKING:
    from pathlib import Path

TERMS = """
agency: {name: Meridian}
exchange_rates:
  - {currency: EUR, from: 2026-01-01, units_per_usd: 0.9, source: ECB}
clients:
  - id: acme
    name: ACME
    timezone: America/New_York
    currency: USD
    budget: {amount: 1000, alert_at_percent: [80]}
    terms:
      - {from: 2026-01-01, plan: {markup_percent: 30}}
  - id: cobalt
    name: Cobalt
    timezone: Europe/Berlin
    currency: EUR
    terms:
      - {from: 2026-01-01, plan: {flat_fee: 500}}
"""

SINCE = "2026-11-05T12:00"
"""After the months' end: something that shows that the pipeline goes on."""


@pytest.fixture
def ledger(unpriced_ledger: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A ledger with ACME and Cobalt, without calls; nothing of `spanledger up` is found."""
    monkeypatch.delenv("SPANLEDGER_METRICS_URL", raising=False)
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    for view in ("usage_15m_mv", "usage_day_mv"):
        unpriced_ledger.command(f"ALTER TABLE {view} MODIFY REFRESH EVERY 10 YEAR APPEND")
    apply(unpriced_ledger, TERMS)
    return unpriced_ledger


@pytest.fixture
def october(ledger: Any) -> Any:
    """The same with USD 500.00 of ACME's in October, and a call since."""
    store(ledger, call("2026-10-10T12:00", "500"), call(SINCE, "0"))
    return ledger


def store(ledger: Any, *calls: Call) -> None:
    """Put calls in and roll them up."""
    put(ledger, calls)
    rollup.refresh(ledger)
