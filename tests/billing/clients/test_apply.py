"""`clients apply` takes a file into the ledger: all of it or nothing, dated, and only with consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spanledger_billing.clients import applying, tables
from spanledger_billing.clients.reading import read

EXAMPLE = (
    Path("schema/clients.example.yaml")
    .read_bytes()
    .replace(b"  timezone: America/New_York\n  address", b"  address")
)
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


def apply(ledger: Any, content: str | bytes, **consent: Any) -> list[str]:
    """Apply the content; the difference as it is printed."""
    given = content.encode() if isinstance(content, str) else content
    change = applying.plan(ledger, read(given), given, **consent)
    applying.carry_out(ledger, change)
    return [f"{'  ' * line.depth}{line.mark} {line.text}" for line in change.lines]


def in_force(ledger: Any) -> Any:
    return tables.current(ledger).roster


def counts(ledger: Any) -> dict[str, int]:
    names = ("client_versions", "clients", "terms", "budgets", "exchange_rates", "client_days")
    return {name: ledger.query(f"SELECT count() FROM {name}").first_row[0] for name in names}


def test_what_was_applied_is_read_back_to_the_last_digit(ledger):
    apply(ledger, EXAMPLE)
    assert in_force(ledger) == read(EXAMPLE)


def test_the_same_file_applied_again_changes_nothing(ledger):
    apply(ledger, EXAMPLE)
    before = counts(ledger)
    assert apply(ledger, EXAMPLE + b"\n# a comment more\n") == []
    assert counts(ledger) == before


def test_a_version_keeps_what_was_in_force_before_and_when_it_came(ledger):
    apply(ledger, SMALL)
    apply(ledger, SMALL.replace("markup_percent: 30", "markup_percent: 25"))
    history = ledger.query(
        "SELECT version, applied_at, toFloat64(tiers[1].2) FROM terms "
        "JOIN client_versions USING (apply_id) WHERE client_id = 'acme' ORDER BY version"
    ).result_rows
    assert [(version, markup) for version, _, markup in history] == [(1, 30), (2, 25)]
    assert history[0][1] < history[1][1]


def test_the_difference_says_what_is_added_changed_and_ended(ledger):
    assert apply(ledger, SMALL) == [
        "+ agency Meridian",
        "+ exchange rate of EUR from 2026-01-01: 0.9 per USD (ECB)",
        "+ client acme (ACME)",
        "  + terms from 2026-01-01",
        "    + plan: cost + 30 %",
        "    + currency: USD",
        "    + timezone: America/New_York",
        "    + statements: without cost and markup",
        "    + incomplete tolerance: 1 %",
        "+ client cobalt (Cobalt)",
        "  + terms from 2026-01-01",
        "    + plan: 500 EUR for all usage",
        "    + currency: EUR",
        "    + timezone: Europe/Berlin",
        "    + statements: without cost and markup",
        "    + incomplete tolerance: 1 %",
    ]
    changed = SMALL.replace("name: ACME", "name: ACME Corp").replace(
        "- {from: 2026-01-01, plan: {markup_percent: 30}}",
        "- {from: 2026-01-01, plan: {markup_percent: 30, minimum: 100}}\n"
        "      - {from: 2026-10-16, plan: {markup_percent: 25}, budget: {amount: 1000}}",
    )
    changed = changed.replace("plan: {flat_fee: 500}", "plan: {flat_fee: 500}, until: 2026-12-01")
    assert apply(ledger, changed) == [
        "~ client acme",
        "  ~ name: ACME → ACME Corp",
        "  ~ terms from 2026-01-01",
        "    ~ plan: cost + 30 % → cost + 30 %, at least 100 USD",
        "  + terms from 2026-10-16",
        "    + plan: cost + 25 %",
        "    + budget: 1,000 USD of charge, alerts at 80, 100 %",
        "~ client cobalt",
        "  ~ terms from 2026-01-01",
        "    ~ until: none → 2026-12-01",
    ]
