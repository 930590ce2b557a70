"""Stored calls are priced again on order only: those that cost otherwise by the list in force, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError
from spanledger_billing.prices import check, reprice, sync
from spanledger_billing.prices.trial import Days
from support.applied import closes
from support.arrivals import arrival, arrive
from support.price_lists import a_list

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

OCTOBER = Days(date(2026, 10, 1), date(2026, 10, 31))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def million(when: str, **columns: Any) -> dict[str, Any]:
    """A call whose cost in USD is the price of the list."""
    return arrival({"input": 1_000_000, "output": 0}, at=at(when), **{"response_model": "gpt-4o", **columns})


def costs(ledger: Client) -> Any:
    return ledger.query(
        "SELECT client_id, cost_usd, revision FROM calls ORDER BY call_time, span_id"
    ).result_rows


@pytest.fixture(autouse=True)
def _a_dollar_a_million(ledger: Client) -> None:
    sync.put_in_force(ledger, a_list("1"))


def test_only_what_a_new_list_prices_otherwise_changes_and_a_second_order_finds_nothing(
    ledger: Client,
) -> None:
    arrive(ledger, [million("2026-10-05 12:00"), million("2026-10-06 12:00", response_model="gpt-3")])
    sync.put_in_force(ledger, a_list("2"))
    before = ledger.query("SELECT first_arrival FROM calls ORDER BY call_time").result_rows
    plan = reprice.plan(ledger, OCTOBER)
    assert [
        (total.client_id, total.calls, total.before, total.after, total.changed) for total in plan.totals
    ] == [("acme", 2, Decimal(1), Decimal(2), 1)]
    assert costs(ledger) == [("acme", Decimal(1), 0), ("acme", None, 0)]
    reprice.carry_out(ledger, plan)
    assert costs(ledger) == [("acme", Decimal(2), 1), ("acme", None, 0)]
    assert ledger.query("SELECT first_arrival FROM calls ORDER BY call_time").result_rows == before
    again = reprice.plan(ledger, OCTOBER)
    assert again.calls == 0
    reprice.carry_out(ledger, again)
    assert ledger.query("SELECT count() FROM reprices FINAL").first_row == (1,)


def test_days_are_the_clients_own_and_both_are_included(ledger: Client) -> None:
    # New York is four hours behind in October: its October ends at 04:00 UTC.
    arrive(
        ledger,
        [
            million(when)
            for when in ("2026-10-01 03:59", "2026-10-01 04:00", "2026-11-01 03:59", "2026-11-01 04:00")
        ],
    )
    sync.put_in_force(ledger, a_list("3"))
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER))
    assert [cost for _, cost, _ in costs(ledger)] == [Decimal(1), Decimal(3), Decimal(3), Decimal(1)]


def test_one_clients_calls_can_be_priced_again_alone(ledger: Client) -> None:
    arrive(ledger, [million("2026-10-05 12:00"), million("2026-10-05 13:00", client_id="cobalt")])
    sync.put_in_force(ledger, a_list("2"))
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER, "cobalt"))
    assert costs(ledger) == [("acme", Decimal(1), 0), ("cobalt", Decimal(2), 1)]


def test_a_closed_month_is_refused_without_consent_and_nothing_changes(ledger: Client) -> None:
    arrive(ledger, [million("2026-10-05 12:00"), million("2026-10-05 13:00", client_id="cobalt")])
    closes(ledger, ("acme", "2026-10"))
    sync.put_in_force(ledger, a_list("2"))
    plan = reprice.plan(ledger, OCTOBER)
    with pytest.raises(RefusedError, match=r"closed months.*acme 2026-10"):
        reprice.carry_out(ledger, plan)
    assert [cost for _, cost, _ in costs(ledger)] == [Decimal(1), Decimal(1)]
    reprice.carry_out(ledger, plan, closed=True)
    assert [cost for _, cost, _ in costs(ledger)] == [Decimal(2), Decimal(2)]
    assert ledger.query("SELECT reaches_closed FROM reprices FINAL").first_row[0] == [
        {"client_id": "acme", "month": "2026-10"}
    ]


def test_an_order_is_recorded_with_who_when_what_and_by_which_lists(ledger: Client) -> None:
    arrive(ledger, [million("2026-10-05 12:00")])
    sync.put_in_force(ledger, a_list("2"))
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER, "acme"))
    (row,) = ledger.query("SELECT * FROM reprices FINAL").named_results()
    assert row["finished_at"] >= row["ordered_at"]
    assert row["ordered_by"] != ""
    assert (row["first_day"], row["last_day"], row["client_id"], row["calls"]) == (*_days(), "acme", 1)
    assert (row["versions_before"], row["version"]) == ([a_list("1").version], a_list("2").version)
    assert [list(change.values()) for change in row["changes"]] == [
        ["acme", "2026-10", 1, Decimal(1), Decimal(2)]
    ]


def _days() -> tuple[date, date]:
    return OCTOBER.first, OCTOBER.last


def test_an_order_that_breaks_off_shows_as_one_without_an_end(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(ledger, [million("2026-10-05 12:00")])
    sync.put_in_force(ledger, a_list("2"))
    plan = reprice.plan(ledger, OCTOBER)
    with monkeypatch.context() as broken:
        broken.setattr(reprice.trial, "carry_out", _breaks_off)
        with pytest.raises(ConnectionError):
            reprice.carry_out(ledger, plan)
    assert ledger.query("SELECT toUnixTimestamp(finished_at), calls FROM reprices FINAL").result_rows == [
        (0, 1)
    ]
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER))
    assert costs(ledger) == [("acme", Decimal(2), 1)]


def _breaks_off(*_: Any, **__: Any) -> None:
    raise ConnectionError


def test_a_response_looked_at_often_is_priced_at_the_time_of_its_request(ledger: Client) -> None:
    looks = {"billing_key": "openai:resp_1", "response_id": "resp_1"}
    asked = arrival({}, at=at("2026-10-05 12:00"), **looks, billable="pending", usage_found=False)
    arrive(
        ledger,
        [
            asked,
            # Who looks at it does not matter, even if that arrives first.
            million("2026-10-05 12:10", **looks, client_id="cobalt", first_arrival="2026-10-05 12:00:00.000"),
            million("2026-10-05 12:20", **looks),
        ],
    )
    sync.put_in_force(ledger, a_list("2"))
    assert check.stale(ledger, "2026-10") == {"acme": 1}
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER))
    assert ledger.query(
        "SELECT client_id, cost_usd, toHour(call_time), toMinute(call_time) FROM calls"
    ).result_rows == [("acme", Decimal(2), 12, 0)]
    assert check.stale(ledger, "2026-10") == {}


def test_a_call_that_the_new_list_has_no_price_for_loses_its_price_and_that_is_told(ledger: Client) -> None:
    arrive(ledger, [million("2026-10-05 12:00")])
    sync.put_in_force(ledger, a_list("2", model="gpt-5"))
    plan = reprice.plan(ledger, OCTOBER)
    assert [(total.before, total.after, total.losing) for total in plan.totals] == [
        (Decimal(1), Decimal(0), 1)
    ]
    reprice.carry_out(ledger, plan)
    assert costs(ledger) == [("acme", None, 1)]


def test_stale_calls_are_counted_by_client_and_month_for_clients_under_terms(ledger: Client) -> None:
    arrive(
        ledger,
        [
            *(million(f"2026-10-05 12:0{n}") for n in range(3)),
            million("2026-10-05 12:00", client_id="cobalt"),
            million("2026-10-05 12:00", client_id="nobody"),
            million("2026-09-05 12:00", client_id="cobalt"),
        ],
    )
    assert check.stale(ledger, "2026-10") == {}
    sync.put_in_force(ledger, a_list("2"))
    assert check.stale(ledger, "2026-10") == {"acme": 3, "cobalt": 1}
    assert check.stale(ledger, "2026-10", "cobalt") == {"cobalt": 1}


def test_an_older_list_put_in_force_again_prices_a_month_as_it_did(ledger: Client) -> None:
    arrive(ledger, [million("2026-10-05 12:00")])
    for price in ("2", "1"):
        sync.put_in_force(ledger, a_list(price))
        reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER))
    assert costs(ledger) == [("acme", Decimal(1), 2)]


def test_a_model_of_which_the_new_list_changes_nothing_is_not_priced_again(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(ledger, [million("2026-10-05 12:00"), million("2026-10-05 13:00", response_model="gpt-3")])
    sync.put_in_force(ledger, a_list("1", version="newer"))
    monkeypatch.setattr(reprice.trial, "FEW", 0)
    monkeypatch.setattr(reprice.trial, "_ALONE", "SELECT throwIf(true)")
    assert reprice.plan(ledger, OCTOBER).calls == 0


def test_many_calls_are_priced_some_at_a_time_with_the_same_result(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(ledger, [million(f"2026-10-{day:02} {hour:02}:00") for day in (5, 6) for hour in range(4, 12)])
    sync.put_in_force(ledger, a_list("2"))
    monkeypatch.setattr(reprice.trial, "MOST_AT_ONCE", 6)
    plan = reprice.plan(ledger, OCTOBER)
    reprice.carry_out(ledger, plan)
    assert plan.calls == 16
    assert {cost for _, cost, _ in costs(ledger)} == {Decimal(2)}


def test_days_in_the_wrong_order_are_refused(ledger: Client) -> None:
    with pytest.raises(InvalidInputError, match="the days go from 2026-10-31 to 2026-10-01"):
        reprice.plan(ledger, Days(OCTOBER.last, OCTOBER.first))


def test_without_a_price_list_the_next_step_is_named(ledger: Client) -> None:
    ledger.command("TRUNCATE TABLE price_imports")
    with pytest.raises(OperatorError, match="spanledger prices sync"):
        reprice.plan(ledger, OCTOBER)
