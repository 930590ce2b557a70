"""A change that reaches into a closed month needs consent; one into an open month is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spanledger_billing.clients import applying
from spanledger_billing.clients.reading import read
from spanledger_billing.errors import RefusedError
from support.applied import ACME_ALONE, SMALL, apply, closes, in_force

REACHING = {
    "another plan": ("markup_percent: 30", "markup_percent: 25", "acme"),
    "another currency": ("timezone: America/New_York\n    currency: USD", "timezone: America/New_York\n    currency: EUR", "acme"),
    "a tax": ("timezone: America/New_York", "timezone: America/New_York\n    tax: {name: VAT, percent: 1}", "acme"),
    "terms from its last day": ("plan: {markup_percent: 30}}", "plan: {markup_percent: 30}}\n      - {from: 2026-03-31, plan: {markup_percent: 5}}", "acme"),
    "an end on its last day": ("plan: {markup_percent: 30}", "plan: {markup_percent: 30}, until: 2026-03-31", "acme"),
    "another zone": ("Europe/Berlin", "Europe/Lisbon", "cobalt"),
    "a zone that cuts its last day": ("plan: {flat_fee: 500}}", "plan: {flat_fee: 500}}\n      - {from: 2026-04-01, timezone: Asia/Tokyo}", "cobalt"),
    "another rate on its last day": ("units_per_usd: 0.9", "units_per_usd: 0.8", "cobalt"),
    "a rate before its end": ("clients:", "  - {currency: EUR, from: 2026-03-31, units_per_usd: 0.7, source: ECB}\nclients:", "cobalt"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "client"), REACHING.values(), ids=REACHING)
def test_a_change_that_reaches_into_a_closed_month_is_refused_by_name(ledger, old, new, client):
    apply(ledger, SMALL)
    closes(ledger, ("acme", "2026-03"), ("cobalt", "2026-03"))
    with pytest.raises(RefusedError) as refused:
        apply(ledger, SMALL.replace(old, new))
    assert f"reaches into closed months: {client} 2026-03" in str(refused.value)
    assert "add --closed" in str(refused.value)
    assert in_force(ledger) == read(SMALL.encode())


@pytest.mark.parametrize(("old", "new", "client"), REACHING.values(), ids=REACHING)
def test_with_consent_it_reaches_into_the_closed_month_and_that_is_recorded(ledger, old, new, client):
    apply(ledger, SMALL)
    closes(ledger, ("acme", "2026-03"), ("cobalt", "2026-03"))
    apply(ledger, SMALL.replace(old, new), closed=True)
    recorded = ledger.query("SELECT reaches_closed FROM current_version").first_row[0]
    assert [tuple(one.values()) for one in recorded] == [(client, "2026-03")]
    assert in_force(ledger) == read(SMALL.replace(old, new).encode())


HARMLESS = {
    "a name": ("name: ACME", "name: ACME Corp"),
    "a budget": ("timezone: America/New_York", "timezone: America/New_York\n    budget: {amount: 5}"),
    "what statements show": ("timezone: America/New_York", "timezone: America/New_York\n    hide_cost: true"),
    "a tolerance": ("timezone: America/New_York", "timezone: America/New_York\n    incomplete_tolerance_percent: 5"),
    "terms from the next month": ("plan: {markup_percent: 30}}", "plan: {markup_percent: 30}}\n      - {from: 2026-04-01, plan: {markup_percent: 5}}"),
    "an end after it": ("plan: {markup_percent: 30}", "plan: {markup_percent: 30}, until: 2026-04-01"),
    "the zone of another month": ("plan: {flat_fee: 500}}", "plan: {flat_fee: 500}}\n      - {from: 2026-05-01, timezone: Asia/Tokyo}"),
    "a rate after it": ("clients:", "  - {currency: EUR, from: 2026-04-01, units_per_usd: 0.7, source: ECB}\nclients:"),
    "the source of a rate": ("source: ECB", "source: European Central Bank"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_a_change_that_a_closed_month_does_not_owe_anything_by_is_applied(ledger, old, new):
    apply(ledger, SMALL)
    closes(ledger, ("acme", "2026-03"), ("cobalt", "2026-03"))
    assert apply(ledger, SMALL.replace(old, new))
    assert in_force(ledger) == read(SMALL.replace(old, new).encode())


def test_a_client_with_closed_months_is_not_taken_out_without_consent_to_that(ledger):
    apply(ledger, SMALL)
    closes(ledger, ("cobalt", "2026-03"))
    with pytest.raises(RefusedError) as refused:
        apply(ledger, ACME_ALONE, remove=["cobalt"])
    assert "closed months: cobalt 2026-03" in str(refused.value)


def test_a_version_names_the_clients_that_it_changes_and_the_open_months_that_it_reaches(ledger):
    apply(ledger, SMALL)
    content = SMALL.replace(
        "clients:", "  - {currency: EUR, from: 2026-03-31, units_per_usd: 0.7, source: ECB}\nclients:"
    )
    now = datetime(2026, 4, 15, tzinfo=UTC)
    change = applying.plan(ledger, read(content.encode()), content.encode(), now=now)
    assert change.reaches_open == (("cobalt", "2026-03"), ("cobalt", "2026-04"))
    applying.carry_out(ledger, change)
    changed = ledger.query(
        "SELECT version, changed_clients FROM client_versions ORDER BY version"
    ).result_rows
    assert changed == [(1, ["acme", "cobalt"]), (2, ["cobalt"])]
