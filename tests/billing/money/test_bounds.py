"""No product or sum leaves its type: ClickHouse's decimals and integers would wrap without an error.

Each bound is tried at its edge, all at once: the largest fee, percentage, rate and cost that can be.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing import rollup
from spanledger_billing.clients.model import Client, ExchangeRate, Plan, PlanKind, Terms, Tier
from spanledger_billing.money import EXACT, EXPONENTS
from support import random_months
from support.charging import Used, owed

MONTH = "2025-10"
MOST_PERCENT = Decimal(1000)
MOST_MONEY = Decimal(10**11)
MOST_RATE = Decimal(10**7)
MOST_COST = Decimal("170141183460469231731.687303715884105727")
"""What Decimal(38, 18) holds at the most."""


def month(currency: str, cost: Decimal, rate: Decimal) -> tuple[Client, list[Used], ExchangeRate]:
    plan = Plan(
        PlanKind.TIERS,
        (Tier(Decimal(0), MOST_PERCENT), Tier(MOST_MONEY, MOST_PERCENT)),
        fee=MOST_MONEY,
        minimum=MOST_MONEY,
    )
    client = Client("acme", "ACME", (Terms(date(2025, 1, 1), None, "UTC", currency, plan),))
    used = [
        Used(date(2025, 10, 1), "openai", "gpt-5", "input", EXACT.subtract(cost, Decimal(1))),
        Used(date(2025, 10, 31), "openai", "gpt-5", "output", Decimal(1)),
    ]
    return client, used, ExchangeRate(currency, date(2025, 1, 1), rate, "test")


@pytest.mark.parametrize(
    ("currency", "rate"),
    [("USD", Decimal(1)), ("JPY", MOST_RATE), ("KWD", MOST_RATE), ("KWD", Decimal("0.0001"))],
)
def test_the_largest_month_that_the_types_can_hold_is_charged_exactly(
    ledger: Any, currency: str, rate: Decimal
) -> None:
    client, used, exchange_rate = month(currency, MOST_COST, rate)
    random_months.put_in_force(ledger, [client], [exchange_rate] if currency != "USD" else [])
    random_months.use(ledger, {"acme": used})
    days = random_months.local_days(client, MONTH)
    expected = owed(client, days, used, rate)
    found = ledger.query(
        "SELECT measure, sum(amount) FROM month_amounts WHERE month = {month:String} GROUP BY measure",
        parameters={"month": MONTH},
    ).result_rows
    assert dict(found) == expected.totals
    by_day = ledger.query(
        "SELECT day, toInt256(charge * {coins:UInt32}) FROM charges_by_day WHERE month = {month:String}",
        parameters={"month": MONTH, "coins": 10 ** EXPONENTS[currency]},
    ).result_rows
    assert dict(by_day) == expected.days
    rollup.refresh_charges(ledger)
    charge, cost = ledger.query(
        "SELECT charge, cost FROM margins WHERE month = {month:String}", parameters={"month": MONTH}
    ).first_row
    assert (charge, cost) == tuple(
        Decimal(expected.totals[measure]).scaleb(-EXPONENTS[currency], context=EXACT)
        for measure in ("charge", "cost")
    )


def test_a_share_of_the_smallest_cost_in_the_largest_is_not_lost(ledger: Any) -> None:
    client, _, exchange_rate = month("KWD", MOST_COST, MOST_RATE)
    used = [
        Used(date(2025, 10, 1), "openai", "large", "input", EXACT.subtract(MOST_COST, Decimal(1))),
        Used(date(2025, 10, 1), "openai", "small", "input", Decimal("1e-18")),
    ]
    random_months.put_in_force(ledger, [client], [exchange_rate])
    random_months.use(ledger, {"acme": used})
    expected = owed(client, random_months.local_days(client, MONTH), used, MOST_RATE)
    found = ledger.query(
        "SELECT measure, model, amount FROM month_amounts WHERE month = {month:String} AND kind = 'usage'",
        parameters={"month": MONTH},
    ).result_rows
    assert {(measure, model): amount for measure, model, amount in found} == {
        (measure, key[3]): line.amount
        for measure, lines in expected.lines.items()
        for key, line in lines.items()
        if key[0] == "usage"
    }


def test_as_many_of_the_dearest_calls_as_the_ledger_has_room_for_add_up(ledger: Any) -> None:
    """Of calls at USD 10^9, the most that one may cost, the roll-up has room for 10^11."""
    (total,) = ledger.query(
        "SELECT sum(cost) FROM (SELECT CAST(map('input', toDecimal128(1000000000, 18) * 1000000000), "
        "'Map(String, Decimal(38, 18))')['input'] AS cost FROM numbers(100))"
    ).first_row
    assert total == Decimal(10**20)
    (units,) = ledger.query(
        "SELECT sumMap(units)['input'] FROM (SELECT CAST(map('input', toDecimal128('999999999999', 12) * 1000000000), "
        "'Map(String, Decimal(38, 12))') AS units FROM numbers(100000))"
    ).first_row
    assert units == Decimal(999999999999) * 10**14
