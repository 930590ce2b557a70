"""Months reckoned by hand, from the span to what the client owes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing import rollup
from spanledger_billing.statements.load import LedgerSource
from support import howe_island
from support.applied import apply
from support.priced_calls import PROVIDER, arrive, call, one

MONTH = "2026-10"

ACME = """
agency: {name: Meridian}
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
    timezone: UTC
    currency: USD
    terms:
      - {from: 2026-01-01, plan: {flat_fee: 500}}
"""


def margin(ledger: Any, client: str, month: str = MONTH) -> dict[str, Any]:
    return one(
        ledger,
        "SELECT * FROM margins WHERE client_id = {client:String} AND month = {month:String}",
        client=client,
        month=month,
    )


def budget(ledger: Any, client: str) -> dict[str, Any]:
    return one(
        ledger,
        "SELECT * FROM budget_status WHERE client_id = {client:String} AND month = {month:String}",
        client=client,
        month=MONTH,
    )


def test_500_usd_at_30_percent_are_charged_650_and_leave_a_margin_of_150(whole_ledger: Any) -> None:
    apply(whole_ledger, ACME)
    arrive(
        whole_ledger,
        call("300", client="acme", model="a", at="2026-10-05 12:00"),
        call("200", client="acme", model="b", at="2026-10-06 12:00"),
    )
    rollup.refresh(whole_ledger)
    found = margin(whole_ledger, "acme")
    assert (found["cost"], found["charge"], found["margin"]) == (500, 650, 150)
    assert (found["cost_usd"], found["charge_usd"], found["margin_usd"]) == (500, 650, 150)
    status = budget(whole_ledger, "acme")
    assert (status["amount"], status["spent"], status["share_percent"]) == (1000, 650, 65)
    assert status["reached_percent"] == []


@pytest.mark.parametrize(("more", "reached"), [("115.38", []), ("115.39", [80])])
def test_a_budget_of_1000_alerts_at_800_and_not_a_cent_below(
    whole_ledger: Any, more: str, reached: list[int]
) -> None:
    # 500 + 115.38 at 30 % are 799.994, charged 799.99; 500 + 115.39 are 800.007, charged 800.01.
    apply(whole_ledger, ACME)
    arrive(
        whole_ledger,
        call("500", client="acme", at="2026-10-05 12:00"),
        call(more, client="acme", at="2026-10-06 12:00"),
    )
    rollup.refresh(whole_ledger)
    assert budget(whole_ledger, "acme")["reached_percent"] == reached


def test_a_flat_fee_of_500_for_usage_of_620_leaves_a_margin_of_minus_120(whole_ledger: Any) -> None:
    apply(whole_ledger, ACME)
    arrive(whole_ledger, call("620", client="cobalt", at="2026-10-05 12:00"))
    rollup.refresh(whole_ledger)
    found = margin(whole_ledger, "cobalt")
    assert (found["charge"], found["cost"], found["margin"], found["margin_usd"]) == (500, 620, -120, -120)


def test_a_flat_fee_without_usage_is_a_line_of_its_own(whole_ledger: Any) -> None:
    apply(whole_ledger, ACME)
    found = one(
        whole_ledger,
        "SELECT kind, charge, cost FROM month_lines WHERE client_id = 'cobalt' AND month = '2026-10'",
    )
    assert found == {"kind": "fee", "charge": 500, "cost": 0}


def test_a_call_at_three_in_the_morning_utc_on_the_first_is_in_new_yorks_october(whole_ledger: Any) -> None:
    apply(whole_ledger, ACME)
    arrive(
        whole_ledger,
        call("1", client="acme", at="2026-11-01 03:00"),  # 23:00 on 31 October
        call("2", client="acme", at="2026-11-01 04:00"),  # midnight, an hour before the clocks go back
    )
    rollup.refresh(whole_ledger)
    assert margin(whole_ledger, "acme", "2026-10")["cost_usd"] == 1
    assert margin(whole_ledger, "acme", "2026-11")["cost_usd"] == 2


# On Lord Howe Island clocks are 10:30 ahead of UTC, and from 4 October 2026 on 11:00.
# So October is from 30 September 13:30 to 31 October 13:00 in UTC, and days begin at 13:00.
FIRST_STRETCH = (
    call("120", client="howe", model="a", at="2026-09-30 13:30"),
    call("30", client="howe", model="b", at="2026-10-10 12:59:59"),
)
SECOND_STRETCH = (
    call("40", client="howe", model="a", at="2026-10-10 13:00"),
    call("10", client="howe", model="cheap-1", at="2026-10-20 12:59:59"),
)
THIRD_STRETCH = (call("30.01", client="howe", model="a", at="2026-10-20 13:00"),)
OUTSIDE = (
    call("5", client="howe", model="a", at="2026-09-30 13:29:59"),
    call("7", client="howe", model="a", at="2026-10-31 13:00"),
)

# 1 to 10 October, 10 of 31 days. The second tier begins at 310 * 10/31 = 100 USD: 100 * 1.4 + 50 * 1.2 = 200 USD,
# 180 EUR: 144 for a and 36 for b by their share of the cost. More than the minimum, 310 * 10/31 = 100 EUR.
# 11 to 20 October, 10 of 31 days. a: 40 * 1.25 = 50 USD, 45 EUR; cheap-1, by its override: 10 USD, 9 EUR; fee
# 31 * 10/31 = 10 EUR. These 64 EUR are 136 less than the minimum, 620 * 10/31 = 200 EUR.
# 21 to 31 October, 11 of 31 days. Fee 310 * 11/31 = 110 EUR, with 62 * 11/31 = 22 USD of usage in it. The rest of a,
# 8.01 USD at 50 %: 12.015 USD, 10.8135 EUR.
# Together 180 + 200 + 120.8135 = 500.8135, rounded 500.81 EUR; only a's line, 199.8135, is not whole.
LINES = {
    ("fee", date(2026, 10, 11), ""): "10.00",
    ("fee", date(2026, 10, 21), ""): "110.00",
    ("minimum", date(2026, 10, 11), ""): "136.00",
    ("usage", date(1970, 1, 1), "a"): "199.81",
    ("usage", date(1970, 1, 1), "b"): "36.00",
    ("usage", date(1970, 1, 1), "cheap-1"): "9.00",
}


def lines(ledger: Any) -> dict[Any, Decimal]:
    rows = ledger.query(
        "SELECT kind, first_day, model, charge FROM month_lines WHERE client_id = 'howe' AND month = '2026-10'"
    ).result_rows
    return {(kind, first_day, model): charge for kind, first_day, model, charge in rows}


def expected(**changes: str) -> dict[Any, Decimal]:
    return {key: Decimal(changes.get(key[2] or "none", amount)) for key, amount in LINES.items()}


@pytest.fixture
def howe(whole_ledger: Any) -> Any:
    apply(whole_ledger, howe_island.terms(2026))
    arrive(whole_ledger, *FIRST_STRETCH, *SECOND_STRETCH, *THIRD_STRETCH, *OUTSIDE)
    rollup.refresh(whole_ledger)
    return whole_ledger


def test_two_changes_of_terms_inside_a_month_on_lord_howe_island(howe: Any) -> None:
    assert lines(howe) == expected()
    found = margin(howe, "howe")
    # 230.01 USD of cost at 0.9 are 207.009 EUR.
    assert (found["charge"], found["cost"], found["margin"]) == (
        Decimal("500.81"),
        Decimal("207.01"),
        Decimal("293.80"),
    )
    # 500.8135 / 0.9 are 556.459… USD.
    assert (found["charge_usd"], found["cost_usd"], found["margin_usd"]) == (
        Decimal("556.46"),
        Decimal("230.01"),
        Decimal("326.45"),
    )


def test_its_days_are_the_differences_of_what_the_month_came_to_so_far(howe: Any) -> None:
    days = dict(
        howe.query(
            "SELECT day, charge FROM charges_by_day WHERE client_id = 'howe' AND month = '2026-10' ORDER BY day"
        ).result_rows
    )
    assert days == {
        # The tiers' charge of 120 USD: 100 * 1.4 + 20 * 1.2 = 164 USD, 147.60 EUR; above the minimum.
        date(2026, 10, 1): Decimal("147.60"),
        date(2026, 10, 10): Decimal("32.40"),
        # Fee, usage and what the minimum adds: 200 EUR from the first day on.
        date(2026, 10, 11): Decimal("200.00"),
        date(2026, 10, 20): Decimal("0.00"),
        date(2026, 10, 21): Decimal("120.81"),
    }


def test_late_calls_count_in_their_own_stretch_of_terms(howe: Any) -> None:
    # 10 USD more of b in the second tier of the first ten days: 12 USD, 10.80 EUR. The shares of a and b move:
    # 190.80 * 120/160 = 143.10 and 47.70. a: 143.10 + 45 + 10.8135 = 198.9135.
    arrive(howe, call("10", client="howe", model="b", at="2026-10-03 00:00"))
    rollup.refresh(howe)
    assert lines(howe) == expected(a="198.91", b="47.70")


def test_a_repricing_changes_what_the_month_comes_to(howe: Any) -> None:
    # The 40 USD of a cost 0 after all: its 45 EUR go, and the minimum adds them.
    columns = ", ".join(
        name
        for (name,) in howe.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'call_arrivals'"
        ).result_rows
    )
    howe.command(
        f"INSERT INTO call_arrivals ({columns}) SELECT {columns} FROM (SELECT * REPLACE ("
        "revision + 1 AS revision, toDecimal128(0, 18) AS provider_cost_usd) "
        "FROM (SELECT * FROM llm_calls FINAL WHERE provider_cost_usd = 40))"
    )
    rollup.refresh(howe)
    assert lines(howe) == expected(a="154.81") | {("minimum", date(2026, 10, 11), ""): Decimal("181.00")}


def test_its_statement_shows_the_same_figures_and_adds_tax(howe: Any) -> None:
    statement = LedgerSource(howe).statement("howe", MONTH)
    assert {(line.provider, line.model): str(line.charge) for line in statement.models} == {
        (PROVIDER, "a"): "199.81 EUR",
        (PROVIDER, "b"): "36.00 EUR",
        (PROVIDER, "cheap-1"): "9.00 EUR",
    }
    assert [(fee.label, str(fee.amount), fee.detail) for fee in statement.fees] == [
        ("Fixed fee, 2026-10-11 to 2026-10-20", "10.00 EUR", "31 EUR, 10 of 31 days"),
        ("Flat fee with usage included, 2026-10-21 to 2026-10-31", "110.00 EUR", "310 EUR, 11 of 31 days"),
    ]
    assert statement.minimum is not None
    assert str(statement.minimum.amount) == "136.00 EUR"
    # 10 % of 500.81.
    assert [str(tax.amount) for tax in statement.taxes] == ["50.08 EUR"]
    assert str(statement.total) == "550.89 EUR"
    assert (statement.period.start.isoformat(), statement.period.end.isoformat()) == (
        "2026-10-01T00:00:00+10:30",
        "2026-11-01T00:00:00+11:00",
    )
    assert statement.rate is not None
    assert (statement.rate.per_usd, statement.rate.source) == (Decimal("0.9"), "ECB")
    # September: 5 USD at 40 % and the rate of its own last day, 3.50 EUR, and the minimum's 310 EUR; 341 with tax.
    assert statement.previous is not None
    assert (str(statement.previous.total), statement.previous.calls) == ("341.00 EUR", 1)
