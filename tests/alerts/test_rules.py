"""Each rule says nothing just below its limit, and just above it says what a person can act on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from spanledger import names
from spanledger_billing import rollup
from spanledger_billing.senders import applying
from spanledger_billing.senders.model import Sender, stamp
from support.agency import CLIENTS, spend
from support.applied import apply
from support.grafana_rules import Alert, Rule
from support.priced_calls import arrive, call
from support.slack_messages import message

if TYPE_CHECKING:
    from support.spans import Span
    from support.still_clock import StillClock


@pytest.fixture(autouse=True)
def _clients(ledger: Any) -> None:
    apply(ledger, CLIENTS)


def alerts(ledger: Any, uid: str, at: datetime) -> list[Alert]:
    return Rule(ledger, uid).evaluate(at)


def firsts(found: list[Alert]) -> list[str]:
    """What stands before the links, of each line of the message."""
    return [line.partition(" <")[0] for line in message(found).lines]


def told(found: list[Alert]) -> str:
    return firsts(found)[0]


def test_a_forecast_over_budget_is_told_once_it_has_held_for_half_an_hour(
    ledger: Any, clock: StillClock
) -> None:
    # Seven whole days of 33.33 USD, charged 41.6625 each, and 17 more to come: 24 of them are 999.90 USD.
    arrive(ledger, *(call("33.33", client="acme", at=f"2026-10-{day:02} 12:00") for day in range(8, 15)))
    rollup.refresh(ledger)
    rule = Rule(ledger, "budget-forecast")
    assert rule.evaluate(clock.at) == []
    assert rule.evaluate(clock.at + timedelta(hours=1)) == []
    # Another cent and a half of cost: 0.01875 USD more so far, and 17 sevenths of it to come.
    spend(ledger, "0.04", at="2026-10-14 13:00")
    begun = clock.set("2026-10-15 13:05")
    assert rule.evaluate(begun) == []
    assert rule.evaluate(begun + timedelta(minutes=25)) == []
    found = rule.evaluate(begun + timedelta(minutes=30))
    assert [(alert.labels["client_id"], alert.labels["severity"]) for alert in found] == [("acme", "warning")]
    assert told(found) == (
        "• `ACME (acme)`: 2026-10 comes to 1,000.07 USD at this rate; the budget on charge is 1,000, of which 291.69 are used. "
        "It is used up on 2026-10-31."
    )


def test_what_today_costs_beyond_its_due_comes_on_top_of_the_days_to_come(
    ledger: Any, clock: StillClock
) -> None:
    arrive(ledger, *(call("10", client="acme", at=f"2026-10-{day:02} 12:00") for day in range(8, 15)))
    spend(ledger, "300")
    # 12.50 a day so far, 375 today, and 16 days to come: the budget of 1,000 lasts, by the forecast and by the day.
    status = "SELECT spent, forecast, runs_out_on FROM budget_status WHERE client_id = 'acme' AND month = '2026-10'"
    assert ledger.query(status).first_row == (Decimal("462.5"), Decimal("662.5"), None)
    spend(ledger, "400")
    # 962.50, and 37.50 more within three days.
    assert ledger.query(status).first_row == (Decimal("962.5"), Decimal("1162.5"), date(2026, 10, 18))


@pytest.mark.parametrize(("cost", "fires"), [("30", False), ("30.01", True)])
def test_a_day_of_more_than_three_times_the_dearest_of_the_fourteen_before_is_a_spike(
    ledger: Any, clock: StillClock, cost: str, *, fires: bool
) -> None:
    for day, habit in (("12", "4"), ("13", "10"), ("14", "6")):
        arrive(ledger, call(habit, client="acme", at=f"2026-10-{day} 12:00"))
    spend(ledger, cost)
    found = alerts(ledger, "spend-spike", clock.at)
    assert bool(found) is fires
    if fires:
        assert found[0].labels["day"] == "2026-10-15"
        assert told(found) == (
            "• `ACME (acme)`: 30.01 USD of cost so far on 2026-10-15, 3.0 times the dearest of the fourteen days before."
        )


@pytest.mark.parametrize(("cost", "fires"), [("500", False), ("1620.01", True)])
def test_a_client_that_costs_more_than_it_pays_is_told_with_the_amount(
    ledger: Any, clock: StillClock, cost: str, *, fires: bool
) -> None:
    spend(ledger, cost, client="dune")
    found = alerts(ledger, "loss-making", clock.at)
    assert bool(found) is fires
    if fires:
        assert told(found) == (
            "• `Dune Outdoor (dune)`: costs 1,620.01 USD in 2026-10, 1,120.01 USD more than it is charged, fees included."
        )


def test_a_loss_of_one_cent_is_one_and_last_months_is_over(ledger: Any, clock: StillClock) -> None:
    spend(ledger, "500.01", client="dune")
    assert len(alerts(ledger, "loss-making", clock.at)) == 1
    assert alerts(ledger, "loss-making", clock.set("2026-11-01 00:00:00")) == []


def test_a_call_without_a_price_is_told_by_model_and_one_with_a_price_is_not(
    ledger: Any, clock: StillClock
) -> None:
    spend(ledger, "1")
    assert alerts(ledger, "unpriced-model", clock.at) == []
    arrive(
        ledger,
        *(
            call("", client=client, at="2026-10-15 11:00", model="orca-9")
            for client in ("acme", "cobalt", "cobalt")
        ),
    )
    rollup.refresh(ledger)
    found = alerts(ledger, "unpriced-model", clock.at)
    assert [alert.labels["model"] for alert in found] == ["orca-9"]
    assert told(found) == (
        "• `openrouter orca-9`: 3 calls of 2 clients since 2026-10-15 have no cost (model unknown: orca-9), and are in no total."
    )


def test_calls_that_name_nobody_or_somebody_without_terms_are_told(ledger: Any, clock: StillClock) -> None:
    spend(ledger, "1")
    assert alerts(ledger, "unattributed-usage", clock.at) == []
    spend(ledger, "2.5", client="")
    spend(ledger, "3", client="zebra")
    spend(ledger, "", client="zebra", at="2026-10-14 11:00", model="orca-9")
    found = alerts(ledger, "unattributed-usage", clock.at)
    assert [alert.labels["state"] for alert in found] == ["unattributed", "unknown"]
    nobody = "1 calls of the last 35 days are billed to nobody; they cost 2.50 USD."
    unknown = "2 calls of the last 35 days are billed to nobody; they cost 3.00 USD, without the 1 that have no price."
    assert firsts(found)[:2] == [
        f"• `Calls that name no client`: {nobody}",
        f"• `Calls that name clients without terms`: {unknown}",
    ]


def test_a_sender_that_names_a_client_which_it_may_not_bill_is_told(ledger: Any, clock: StillClock) -> None:
    web = Sender("web", stamp("web-token"), ("acme",))
    applying.carry_out(ledger, applying.plan(ledger, (web,), b""))
    now = clock.set(datetime.now(UTC) + timedelta(seconds=2))

    def sent(client: str, token: str) -> Span:
        at = now - timedelta(minutes=5)
        return call("5", client=client, at=at, extra={names.SENDER: stamp(token)})

    arrive(ledger, sent("acme", "web-token"), at=now)
    assert alerts(ledger, "sender-refused", now) == []
    arrive(
        ledger, sent("dune", "web-token"), sent("cobalt", "web-token"), sent("acme", "another-token"), at=now
    )
    found = alerts(ledger, "sender-refused", now)
    assert [alert.labels["severity"] for alert in found] == ["critical", "critical"]
    nobody = "calls of the last two days bill nobody"
    assert sorted(firsts(found)[:2]) == [
        f"• `sender {stamp('another-token')[:12]}`: 1 {nobody} (sender unknown); they claim 1 different clients.",
        f"• `web`: 2 {nobody} (sender may not bill this client); they claim 2 different clients.",
    ]


def test_incomplete_usage_is_told_beyond_what_the_clients_terms_allow(ledger: Any, clock: StillClock) -> None:
    calls = [call("1", client="dune", at="2026-10-15 11:00") for _ in range(9)]
    cut_short = [call("1", client="dune", at="2026-10-15 11:00", usage_complete="false") for _ in range(2)]
    arrive(ledger, *calls, cut_short[0])
    rollup.refresh(ledger)
    assert alerts(ledger, "incomplete-usage", clock.at) == []  # one of ten
    arrive(ledger, cut_short[1])
    rollup.refresh(ledger)
    found = alerts(ledger, "incomplete-usage", clock.at)  # two of eleven
    assert told(found) == (
        "• `Dune Outdoor (dune)` (2026-10): 2 calls in 2026-10, 18.2 % of its calls, have usage that is missing or cut "
        "short; 10 % are allowed. Their cost is a lower bound, and the month will not close."
    )


def test_a_month_is_overdue_on_the_sixth_day_after_its_end_and_not_before(
    ledger: Any, clock: StillClock
) -> None:
    spend(ledger, "1", at="2026-09-10 12:00")
    assert alerts(ledger, "close-overdue", clock.set("2026-10-06 23:59:59")) == []
    found = alerts(ledger, "close-overdue", clock.set("2026-10-07 00:00:00"))
    assert told(found) == "• `ACME (acme)` (2026-09): 2026-09 ended 6 days ago and is not closed."
    ledger.insert("closes", [["acme", "2026-09"]], column_names=["client_id", "month"])
    assert alerts(ledger, "close-overdue", clock.at) == []


def checked(
    ledger: Any, at: datetime, *, rollup_rows: int = 0, lost_spans: int = 0, charge_rows: int = 0
) -> None:
    ledger.insert(
        "drift_checks",
        [[at, rollup_rows, lost_spans, charge_rows]],
        column_names=["checked_at", "rollup_rows", "lost_spans", "charge_rows"],
    )


def test_arrivals_that_stop_at_an_hour_of_use_are_told_after_a_quarter_of_an_hour(
    ledger: Any, clock: StillClock
) -> None:
    # By the real time: the ledger lets go of spans that came long ago.
    now = clock.set(datetime.now(UTC).replace(microsecond=0))
    checked(ledger, now)
    last = now - timedelta(minutes=15)
    for days in (14, 7, 0):
        arrived = last - timedelta(days=days)
        arrive(ledger, call("1", client="acme", at=arrived - timedelta(seconds=9)), at=arrived)
    rollup.refresh(ledger)
    assert alerts(ledger, "pipeline-stalled", now) == []
    found = alerts(ledger, "pipeline-stalled", clock.set(now + timedelta(seconds=1)))
    assert [(alert.labels["part"], alert.labels["severity"]) for alert in found] == [("arrivals", "critical")]
    assert told(found) == (
        "• `arrivals`: No call has arrived for 15m 1s, at an hour at which some came last week and the week before."
    )


def test_a_roll_up_that_falls_behind_is_told_after_a_quarter_of_an_hour(
    ledger: Any, clock: StillClock
) -> None:
    arrive(ledger, call("1", client="acme", at="2026-10-15 11:40"))
    behind_since = ledger.query("SELECT behind_since FROM rollup_freshness").first_row[0]
    checked(ledger, behind_since)
    assert alerts(ledger, "pipeline-stalled", clock.set(behind_since + timedelta(seconds=900))) == []
    found = alerts(ledger, "pipeline-stalled", clock.set(behind_since + timedelta(seconds=901)))
    assert told(found) == "• `roll-up`: Totals, budgets and alerts are 15m 1s behind the calls."


def test_a_drift_check_that_does_not_run_is_told(ledger: Any, clock: StillClock) -> None:
    due = timedelta(hours=6, minutes=15)
    checked(ledger, clock.at)
    assert alerts(ledger, "pipeline-stalled", clock.set(clock.at + due + timedelta(seconds=900))) == []
    found = alerts(ledger, "pipeline-stalled", clock.set(clock.at + timedelta(seconds=1)))
    assert (
        told(found)
        == "• `drift check`: Nothing has compared ledger and roll-up for 15m 1s longer than it should."
    )


def test_what_the_last_drift_check_found_is_told(ledger: Any, clock: StillClock) -> None:
    checked(ledger, clock.at)
    assert alerts(ledger, "drift", clock.at) == []
    checked(ledger, clock.at + timedelta(seconds=1), rollup_rows=1, lost_spans=1200, charge_rows=7)
    found = alerts(ledger, "drift", clock.at)
    assert [alert.labels["severity"] for alert in found] == ["critical"] * 3
    assert firsts(found)[:3] == [
        "• `calls`: 1,200 spans have no call that stands for them. Last checked on 2026-10-15.",
        "• `charges`: 7 kept lines and days are not what usage and terms come to. Last checked on 2026-10-15.",
        "• `roll-up`: 1 rows of the roll-up are not what the calls add up to. Last checked on 2026-10-15.",
    ]
    checked(ledger, clock.at + timedelta(seconds=2))
    assert alerts(ledger, "drift", clock.at) == []
