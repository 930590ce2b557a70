"""The views against an arithmetic of its own, to the last coin."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from spanledger_billing.money import EXACT, EXPONENTS
from support import random_months
from support.charging import Owed, owed

MONTHS = ["2025-10", "2025-11", "2026-02", "2026-03", "2026-07"]
"""With a change of the clocks in some zone or other, and with 28, 30 and 31 days."""
CLIENTS = 2000


@pytest.mark.parametrize("month", MONTHS)
def test_views_and_python_agree_on_2000_random_months(ledger: Any, month: str) -> None:
    random = Random(month)
    rates = random_months.rates(random)
    clients = {
        f"c{number:04}": random_months.client(random, f"c{number:04}", month) for number in range(CLIENTS)
    }
    random_months.put_in_force(ledger, clients.values(), rates)
    days = {name: random_months.local_days(client, month) for name, client in clients.items()}
    used = {name: random_months.usage(random, client, days[name]) for name, client in clients.items()}
    random_months.use(ledger, used)

    per_usd = {rate.currency: rate.units_per_usd for rate in rates} | {"USD": Decimal(1)}
    expected = {
        name: owed(client, days[name], used[name], per_usd[client.terms[-1].currency])
        for name, client in clients.items()
        if any(client.terms_on(day) for day in days[name])
    }

    assert lines_of(ledger, month) == {
        name: lines for name, each in expected.items() if (lines := lines_expected(each))
    }
    assert units_of(ledger, month) == {
        name: units for name, each in expected.items() if (units := units_expected(each))
    }
    assert days_of(ledger, month) == {
        name: {day: coins(amount, each.currency) for day, amount in each.days.items()}
        for name, each in expected.items()
    }
    assert totals_of(ledger, month) == {
        name: tuple(coins(each.totals[m], "USD" if "usd" in m else each.currency) for m in MEASURES)
        for name, each in expected.items()
        if each.lines["charge"]
    }


MEASURES = ("charge", "cost", "charge_usd", "cost_usd")


def coins(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-EXPONENTS[currency], context=EXACT)


def lines_expected(each: Owed) -> dict[Any, tuple[Decimal, ...]]:
    return {
        key: tuple(
            coins(each.lines[measure][key].amount, "USD" if measure.endswith("usd") else each.currency)
            for measure in MEASURES
        )
        for key in each.lines["charge"]
    }


def units_expected(each: Owed) -> dict[Any, Decimal]:
    return {
        (measure, *key, unit): coins(amount, each.currency)
        for measure in ("charge", "cost")
        for key, line in each.lines[measure].items()
        if key[0] == "usage"
        for unit, amount in line.units.items()
    }


def lines_of(ledger: Any, month: str) -> dict[str, dict[Any, tuple[Decimal, ...]]]:
    found: dict[str, dict[Any, tuple[Decimal, ...]]] = {}
    for client_id, kind, first_day, provider, model, *amounts in rows(
        ledger,
        "SELECT client_id, kind, if(kind = 'usage', '', toString(first_day)), provider, model, charge, cost, "
        "charge_usd, cost_usd FROM month_lines WHERE month = {month:String}",
        month,
    ):
        found.setdefault(client_id, {})[kind, first_day, provider, model] = tuple(amounts)
    return found


def units_of(ledger: Any, month: str) -> dict[str, dict[Any, Decimal]]:
    found: dict[str, dict[Any, Decimal]] = {}
    for client_id, provider, model, charges, costs in rows(
        ledger,
        "SELECT client_id, provider, model, unit_charges, unit_costs FROM month_lines "
        "WHERE month = {month:String} AND kind = 'usage'",
        month,
    ):
        own = found.setdefault(client_id, {})
        own.update(
            {("charge", "usage", "", provider, model, unit): amount for unit, amount in charges.items()}
        )
        own.update({("cost", "usage", "", provider, model, unit): amount for unit, amount in costs.items()})
    return found


def days_of(ledger: Any, month: str) -> dict[str, dict[Any, Decimal]]:
    found: dict[str, dict[Any, Decimal]] = {}
    query = "SELECT client_id, day, charge FROM charges_by_day WHERE month = {month:String}"
    for client_id, day, charge in rows(ledger, query, month):
        found.setdefault(client_id, {})[day] = charge
    return found


def totals_of(ledger: Any, month: str) -> dict[str, tuple[Decimal, ...]]:
    query = (
        "SELECT client_id, sumOrNull(l.charge), sumOrNull(l.cost), sumOrNull(l.charge_usd), sumOrNull(l.cost_usd) "
        "FROM month_lines AS l WHERE month = {month:String} GROUP BY client_id"
    )
    return {client_id: tuple(amounts) for client_id, *amounts in rows(ledger, query, month)}


def rows(ledger: Any, query: str, month: str) -> list[Any]:
    return list(ledger.query(query, parameters={"month": month}).result_rows)
