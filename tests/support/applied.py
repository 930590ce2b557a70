"""A small file of clients and terms, and applying it."""

from __future__ import annotations

from typing import Any

from spanledger_billing.clients import applying, tables
from spanledger_billing.clients.reading import read

SMALL = """
agency: {name: Meridian}
exchange_rates:
  - {currency: EUR, from: 2026-01-01, units_per_usd: 0.9, source: ECB}
clients:
  - id: acme
    name: ACME
    timezone: America/New_York
    currency: USD
    terms:
      - {from: 2026-01-01, plan: {markup_percent: 30}}
  - id: cobalt
    name: Cobalt
    timezone: Europe/Berlin
    currency: EUR
    terms:
      - {from: 2026-01-01, plan: {flat_fee: 500}}
"""


ACME_ALONE = SMALL[: SMALL.index("  - id: cobalt")]


def with_budget(content: str, budget: str) -> str:
    """The content, where ACME has a budget."""
    return content.replace("    currency: USD\n", f"    currency: USD\n    budget: {budget}\n", 1)


def apply(ledger: Any, content: str | bytes, **consent: Any) -> list[str]:
    """Apply the content; the difference as it is printed."""
    given = content.encode() if isinstance(content, str) else content
    change = applying.plan(ledger, read(given), given, **consent)
    applying.carry_out(ledger, change)
    return [f"{'  ' * line.depth}{line.mark} {line.text}" for line in change.lines]


def in_force(ledger: Any) -> Any:
    return tables.current(ledger).roster


def closes(ledger: Any, *months: tuple[str, str]) -> None:
    """Take months for closed, as far as terms are concerned."""
    ledger.insert("closes", months, column_names=["client_id", "month"])
