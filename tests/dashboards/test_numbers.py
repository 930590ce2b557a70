"""What a panel shows is what `spanledger usage` and `spanledger statement` print for the same question."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing import usage
from spanledger_billing.statements.load import LedgerSource
from support.dashboard_world import BEFORE, MONTH
from support.dashboards import rows

CLIENTS = ("acme", "cobalt", "dune", "fjord", "glade")


@pytest.fixture(scope="module")
def owner(world: Any) -> Any:
    return world.client(tz_mode="aware")


@pytest.fixture(scope="module")
def statements(owner: Any) -> dict[tuple[str, str], Any]:
    """Client and month -> statement; nobody here pays taxes."""
    source = LedgerSource(owner)
    for month in (MONTH, BEFORE):
        assert source.clients(month) == list(CLIENTS)
    return {(each, month): source.statement(each, month) for month in (MONTH, BEFORE) for each in CLIENTS}


@functools.cache
def panel(reader: Any, uid: str, title: str, **values: str) -> list[dict[str, Any]]:
    """As `rows`, asked once: nothing changes in this world."""
    return rows(reader, uid, title, **values)


def overview(reader: Any, title: str, month: str = MONTH) -> list[dict[str, Any]]:
    return panel(reader, "spanledger-overview", title, month=month)


def client(reader: Any, title: str, of: str, currency: str = "USD") -> list[dict[str, Any]]:
    return panel(reader, "spanledger-client", title, client=of, month=MONTH, currency=currency)


def test_the_agencys_cost_is_that_of_usage_and_its_charge_the_sum_of_the_statements(
    reader: Any, owner: Any, statements: Any
) -> None:
    (sums,) = overview(reader, "Month to date, USD")
    cents = [
        row.measures.cost_usd.quantize(Decimal("0.01"), "ROUND_HALF_UP")
        for row in usage.read(owner, MONTH, ["client"]).rows
        if row.measures.cost_usd is not None
    ]
    assert sums["Cost"] == sum(cents) == Decimal("936.62")
    in_usd = {"dune": Decimal("108.00")}  # 97.20 EUR at 0.9
    assert sums["Charge"] == sum(in_usd.get(each) or statements[each, MONTH].total.amount for each in CLIENTS)
    assert sums["Margin"] == sums["Charge"] - sums["Cost"]


def test_calls_and_what_is_left_out_are_those_of_usage(reader: Any, owner: Any) -> None:
    total = usage.read(owner, MONTH, ["client"]).total
    (counted,) = overview(reader, "Calls, and gaps")
    assert counted == {
        "Calls": total.calls,
        "Unpriced": total.unpriced_calls,
        "Incomplete": total.incomplete_calls,
        "Of nobody": 2,
    }


def test_a_flat_fee_client_that_costs_more_than_it_pays_stands_on_top_with_the_amount(
    reader: Any, owner: Any, statements: Any
) -> None:
    (loss,) = overview(reader, "Clients that cost more than they pay")
    statement = statements["cobalt", MONTH]
    cost = sum(line.cost.amount for line in statement.models if line.cost is not None)
    assert (loss["Client"], loss["Plan"], loss["Currency"]) == ("Cobalt Legal", "flat fee", "USD")
    assert (loss["Pays"], loss["Costs"], loss["Loses"]) == (
        statement.total.amount,
        cost,
        cost - statement.total.amount,
    )
    assert loss["Loses"] == 150
    table = overview(reader, "Clients, USD")
    assert [row["client_id"] for row in table] == ["cobalt", "acme", "dune", "fjord", "glade"]
    assert overview(reader, "Clients that cost more than they pay", BEFORE) == []


def test_the_clients_table_has_each_statements_total_and_its_change(
    reader: Any, owner: Any, statements: Any
) -> None:
    for row in overview(reader, "Clients, USD"):
        if row["client_id"] != "dune":
            assert row["Charge"] == statements[row["client_id"], MONTH].total.amount
    acme = next(row for row in overview(reader, "Clients, USD") if row["client_id"] == "acme")
    before = statements["acme", BEFORE].total.amount
    assert acme["Change %"] == pytest.approx(float((acme["Charge"] - before) * 100 / before))


def test_nobodys_calls_are_those_that_usage_shows_without_a_client(reader: Any, owner: Any) -> None:
    found = {
        row["Named"]: (row["State"], row["Calls"], row["Cost"])
        for row in overview(reader, "Calls that nobody pays for, USD")
    }
    printed = {row.keys[0]: row.measures for row in usage.read(owner, MONTH, ["client"]).rows}
    assert found == {
        "ghost": ("unknown", printed["ghost"].calls, printed["ghost"].cost_usd),
        "(no client named)": ("unattributed", printed[""].calls, printed[""].cost_usd),
    }


def test_the_running_total_ends_at_the_months_charge(reader: Any) -> None:
    days = overview(reader, "Charge through the month, USD, running total")
    (sums,) = overview(reader, "Month to date, USD")
    (before,) = overview(reader, "Month to date, USD", BEFORE)
    assert [row["Day"] for row in days] == [f"{day:02}" for day in range(1, 32)]
    assert days[-1]["This month"] == pytest.approx(float(sums["Charge"]))
    assert days[29]["Last month"] == pytest.approx(float(before["Charge"]))
    assert days[30]["Last month"] is None
    (against,) = overview(reader, "Against last month, USD")
    assert against["Last month by then"] == before["Charge"]
    assert against["Change"] == pytest.approx(float((sums["Charge"] / before["Charge"] - 1) * 100))


@pytest.mark.parametrize("of", CLIENTS)
def test_a_clients_page_has_its_statement(reader: Any, owner: Any, of: str, statements: Any) -> None:
    statement = statements[of, MONTH]
    (sums,) = client(reader, "Month to date, ${currency}", of)
    assert sums["Charge"] == statement.total.amount
    models = client(reader, "Models, ${currency}", of)
    fees = client(reader, "Fees, minimum and corrections, ${currency}", of)
    assert sum(row["Charge"] or 0 for row in [*models, *fees]) == statement.total.amount
    shown = {
        (row["Provider"], row["Model"]): (row["Calls"], row["Charge"], row["Cost"])
        for row in models
        if row["Calls"]
    }
    assert shown == {
        (line.provider, line.model): (
            line.calls,
            line.charge and line.charge.amount,
            line.cost and line.cost.amount,
        )
        for line in statement.models
    }
    assert sum(row["Charge"] for row in fees) == sum(
        fee.amount.amount for fee in [*statement.fees, *([statement.minimum] if statement.minimum else [])]
    )


@pytest.mark.parametrize("of", CLIENTS)
def test_a_clients_usage_is_that_of_usage(reader: Any, owner: Any, of: str) -> None:
    by_project = usage.read(owner, MONTH, ["project"], client=of)
    assert {
        row["Project"]: (row["Calls"], row["Tokens in"], row["Tokens out"], row["Cost"])
        for row in client(reader, "Projects, USD of cost", of)
    } == {
        row.keys[0] or "(none)": (
            row.measures.calls,
            usage.input_tokens(row.measures.units),
            usage.output_tokens(row.measures.units),
            row.measures.cost_usd,
        )
        for row in by_project.rows
    }
    days = {
        row.keys[0][-2:]: row.measures.cost_usd for row in usage.read(owner, MONTH, ["day"], client=of).rows
    }
    shown = {row["Day"]: row["Cost"] for row in client(reader, "Charge and cost by day, USD", of)}
    assert {day: cost for day, cost in shown.items() if cost} == {
        day: float(cost) for day, cost in days.items() if cost
    }
    (counted,) = client(reader, "Calls, and gaps", of)
    total = by_project.total
    assert counted == {
        "Calls": total.calls,
        "Unpriced": total.unpriced_calls,
        "Incomplete": total.incomplete_calls,
    }


def test_what_a_clients_figures_leave_out_is_told_by_reason(reader: Any, owner: Any) -> None:
    found = {
        (row["What"], row["Reason"]): row["Calls"]
        for row in client(reader, "What is not in these figures, and why", "glade")
    }
    total = usage.read(owner, MONTH, ["client"], client="glade").total
    assert found == {
        **{("unpriced", reason): calls for reason, calls in total.unpriced.items()},
        **{("incomplete", reason): calls for reason, calls in total.incomplete.items()},
        ("refused", "refused before any output"): 1,
    }


def test_a_euro_client_is_shown_in_euros_and_its_terms_as_the_file_has_them(reader: Any) -> None:
    assert rows_of_variable(reader, "currency", "dune") == ["EUR"]
    assert rows_of_variable(reader, "currency", "acme") == ["USD"]
    (terms,) = client(reader, "Terms", "glade")
    assert (terms["Plan"], terms["Minimum"], terms["Markup"], terms["Timezone"]) == (
        "markup",
        20,
        "25 %",
        "UTC",
    )


def rows_of_variable(reader: Any, name: str, of: str) -> list[Any]:
    from support.dashboards import boards, queries, ready

    (query,) = [
        each for each in queries(boards()["spanledger-client"]) if each.title == name and each.is_variable
    ]
    return [
        row[0]
        for row in reader.query(ready(query.sql, {"month": MONTH, "client": of, "currency": ""})).result_rows
    ]


def test_clients_to_choose_from_are_those_with_terms_and_those_that_calls_name(reader: Any) -> None:
    assert rows_of_variable(reader, "client", "") == ["acme", "cobalt", "dune", "fjord", "ghost", "glade"]


def test_a_budget_is_used_by_the_share_of_the_statement(reader: Any, owner: Any, statements: Any) -> None:
    table = {
        row["client_id"]: row for row in panel(reader, "spanledger-budgets", "Budget by client", month=MONTH)
    }
    assert list(table) == ["acme", "dune"]
    spent = statements["acme", MONTH].total.amount
    assert (table["acme"]["Spent"], table["acme"]["Used"]) == (
        spent,
        (spent / 10).quantize(Decimal("0.0001")),
    )
    cost = usage.read(owner, MONTH, ["client"], client="dune").total.cost_usd
    assert (table["dune"]["Spent"], table["dune"]["In"]) == (cost, "USD cost")
    (standing,) = panel(reader, "spanledger-budgets", "Budgets of the month", month=MONTH)
    assert standing == {"With a budget": 2, "Past a threshold": 1, "Used up": 0, "Will be used up": 0}
    without = [
        row["client_id"]
        for row in panel(reader, "spanledger-budgets", "Clients without a budget, USD", month=MONTH)
    ]
    assert sorted(without) == ["cobalt", "fjord", "glade"]
    (page,) = client(reader, "Budget", "acme")
    assert (page["Used"], page["Of"]) == (table["acme"]["Used"], "1000 USD")


@pytest.mark.parametrize(("of", "provider"), [("'*'", "'*'"), ("glade", "'*'"), ("'*'", "openai")])
def test_models_are_those_of_usage(reader: Any, owner: Any, of: str, provider: str) -> None:
    printed = usage.read(owner, MONTH, ["provider", "model"], client=None if of == "'*'" else of)
    expected = {row.keys: row.measures for row in printed.rows if provider in {"'*'", row.keys[0]}}
    chosen = {"month": MONTH, "client": of, "provider": provider}
    table = panel(reader, "spanledger-models", "Models, USD", **chosen)
    assert {
        (row["Provider"], row["Model"]): (row["Calls"], row["Cost"], row["Unpriced"], row["Incomplete"])
        for row in table
    } == {
        keys: (each.calls, each.cost_usd, each.unpriced_calls, each.incomplete_calls)
        for keys, each in expected.items()
    }
    assert {(row["Provider"], row["Model"]): (row["Tokens in"], row["Tokens out"]) for row in table} == {
        keys: (usage.input_tokens(each.units), usage.output_tokens(each.units))
        for keys, each in expected.items()
    }
    (sums,) = panel(reader, "spanledger-models", "The month's calls, USD", **chosen)
    assert (sums["Calls"], sums["Cost"]) == (
        sum(each.calls for each in expected.values()),
        sum(each.cost_usd or 0 for each in expected.values()),
    )
    units = {
        row["Unit"]: (row["Quantity"], row["Cost"])
        for row in panel(reader, "spanledger-models", "Units, USD", **chosen)
    }
    assert sum(cost for _, cost in units.values()) == sums["Cost"]


def test_cached_tokens_save_what_they_would_have_cost_as_plain_input(reader: Any) -> None:
    # Two calls of 400,000 plain tokens at 2.50 USD and 600,000 cached at 1.25 USD per million.
    chosen = {"month": MONTH, "client": "glade", "provider": "'*'"}
    (caching,) = panel(reader, "spanledger-models", "Caching", **chosen)
    assert caching["Saved, USD"] == pytest.approx(2 * 0.6 * (2.5 - 1.25))
    # Beside two of a thousand tokens, and one of none.
    assert caching["Cached %"] == pytest.approx(1_200_000 * 100 / (2_000_000 + 2 * 1000))
    (model,) = panel(reader, "spanledger-models", "Caching by model, USD", **chosen)
    assert (model["Cached"], model["Cost"]) == (1_200_000, 1.5)


def test_what_has_no_price_stands_there_with_its_reason(reader: Any, owner: Any) -> None:
    found = panel(reader, "spanledger-models", "Without a price", month=MONTH, client="'*'", provider="'*'")
    assert {row["Reason"]: row["Calls"] for row in found} == usage.read(
        owner, MONTH, ["client"]
    ).total.unpriced


def test_the_pipeline_counts_arrivals_duplicates_and_what_is_odd(reader: Any) -> None:
    def one(title: str) -> dict[str, Any]:
        (row,) = panel(reader, "spanledger-pipeline", title)
        return row

    arrivals = one("Arrivals")
    assert (arrivals["Spans"], arrivals["Duplicates"]) == (4, 1)
    assert one("Roll-up")["Quarter-hours"] == 0
    assert one("Calls with something missing") == {
        "Unattributed": 2,
        "Unpriced": 2,
        "Incomplete": 2,
        "Odd": 1,
    }
    assert [(row["Check"], row["Found"]) for row in panel(reader, "spanledger-pipeline", "Drift checks")] == [
        ("roll-up against calls", 0),
        ("calls against spans", 0),
        ("charges against usage", 0),
    ]
    flow = panel(reader, "spanledger-pipeline", "Spans that arrived")
    assert (sum(row["First"] for row in flow), sum(row["Again"] for row in flow)) == (3, 1)
    assert sum(row["Calls"] for row in panel(reader, "spanledger-pipeline", "Calls in the figures")) == 3
    reasons = {(row["What"], row["Reason"]) for row in panel(reader, "spanledger-pipeline", "Why")}
    assert ("odd", "quantity not usable: input") in reasons
    apps = {row["App"]: row["Odd"] for row in panel(reader, "spanledger-pipeline", "By app")}
    assert apps == {"shop": 1, "cron": 0}
