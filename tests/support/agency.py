"""Clients of the agency whose alerts are tested, and their calls."""

from __future__ import annotations

from typing import Any

from spanledger_billing import rollup
from support.priced_calls import arrive, call

CLIENTS = """
agency: {name: Meridian}
clients:
  - id: acme
    name: ACME
    timezone: UTC
    currency: USD
    budget: {amount: 1000, alert_at_percent: [80, 100]}
    terms: [{from: 2026-01-01, plan: {markup_percent: 25}}]
  - id: cobalt
    name: Cobalt Legal
    timezone: UTC
    currency: USD
    budget: {amount: 2000, alert_at_percent: [80, 100]}
    terms: [{from: 2026-01-01, plan: {markup_percent: 25}}]
  - id: dune
    name: Dune Outdoor
    timezone: UTC
    currency: USD
    incomplete_tolerance_percent: 10
    terms: [{from: 2026-01-01, plan: {flat_fee: 500}}]
"""
"""Acme's and Cobalt's charges are their costs and a quarter."""


def spend(ledger: Any, cost: str, client: str = "acme", at: str = "2026-10-15 11:00", **more: Any) -> None:
    """One call that costs so many USD, and the roll-up after it."""
    arrive(ledger, call(cost, client=client, at=at, **more))
    rollup.refresh(ledger)
