"""A budget of 1,000: silent at 750, a message at 800 and another at 1,000, and all is over with the month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import rollup
from support.agency import CLIENTS, spend
from support.applied import apply
from support.grafana_rules import Alert, Rule
from support.priced_calls import arrive, call
from support.slack_messages import message

if TYPE_CHECKING:
    from support.still_clock import StillClock


@pytest.fixture
def rule(ledger: Any) -> Rule:
    apply(ledger, CLIENTS)
    return Rule(ledger, "budget-reached")


def reached(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(a.labels["client_id"], a.labels["threshold"], a.status) for a in alerts]


def test_at_800_one_message_says_who_how_much_of_what_and_by_when(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    # 70 USD a day until yesterday, charged 87.50: of the 200 that are left, 25 go today and 87.50 on each of the next
    # two days.
    for day in range(8, 15):
        arrive(ledger, call("70", client="acme", at=f"2026-10-{day:02} 12:00"))
    spend(ledger, "50")
    spend(ledger, "100", at="2026-10-01 12:00")
    alerts = rule.evaluate(clock.at)
    assert reached(alerts) == [("acme", "80", "firing")]
    assert alerts[0].labels == {
        "alertname": "Budget threshold reached",
        "grafana_folder": "billing alerts",
        "client_id": "acme",
        "subject": "ACME (acme)",
        "month": "2026-10",
        "threshold": "80",
        "budget": "1000",
        "currency": "USD",
        "decimals": "2",
        "basis": "charge",
        "severity": "warning",
    }
    sent = message(alerts)
    assert sent.title == "Budget threshold reached: ACME (acme) (80 %)"
    told = (
        "800.00 of 1,000 USD of the budget on charge are used in 2026-10. "
        "At this rate it is used up on 2026-10-17."
    )
    dashboard = "https://grafana.example/d/spanledger-client?var-client=acme&amp;var-month=2026-10"
    silence = "https://grafana.example/alerting/silence/new?alertmanager=grafana&amp;matcher=x"
    assert sent.lines == [
        f"• `ACME (acme)` (80 %): {told} <{dashboard}|Dashboard> · <{silence}|Silence>",
        "",
        "<https://handbook.example/RUNBOOK.md#budget-threshold-reached|What to do>",
    ]
    assert sent.annotations[0]["summary"] == f"ACME (acme): {told}"


def test_at_750_nothing_is_said_and_neither_a_cent_below_the_threshold(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    spend(ledger, "600")
    assert rule.evaluate(clock.at) == []
    spend(ledger, "39.99")
    assert rule.evaluate(clock.at) == []
    spend(ledger, "0.01")
    assert reached(rule.evaluate(clock.at)) == [("acme", "80", "firing")]


def test_at_1000_another_message_goes_out_that_no_longer_speaks_of_80_percent(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    spend(ledger, "799.99")
    assert reached(rule.evaluate(clock.at)) == [("acme", "80", "firing")]
    spend(ledger, "0.01")
    alerts = rule.evaluate(clock.set("2026-10-15 13:00"))
    # The first goes on, so that nobody hears of its end; the second is new, so that a message goes out.
    assert reached(alerts) == [("acme", "100", "firing"), ("acme", "80", "firing")]
    assert [alert.since.hour for alert in alerts] == [13, 12]
    assert [alert.labels["severity"] for alert in alerts] == ["critical", "warning"]
    sent = message(alerts)
    assert sent.title == "Budget threshold reached: ACME (acme) (100 %)"
    assert sent.lines[0].startswith(
        "• `ACME (acme)` (100 %): 1,000.00 of 1,000 USD of the budget on charge are used in 2026-10. "
        "Nothing of it is left. <"
    )
    assert "(80 %)" not in sent.text


def test_what_is_said_already_stays_one_alert_as_more_is_spent(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    spend(ledger, "640")
    (before,) = rule.evaluate(clock.at)
    spend(ledger, "10")
    (after,) = rule.evaluate(clock.set("2026-10-15 12:01"))
    assert (after.labels, after.since) == (before.labels, before.since)
    assert after.values != before.values


def test_the_next_month_resolves_it(ledger: Any, rule: Rule, clock: StillClock) -> None:
    spend(ledger, "800")
    rule.evaluate(clock.set("2026-10-31 23:59:59"))
    alerts = rule.evaluate(clock.set("2026-11-01 00:00:00"))
    assert reached(alerts) == [("acme", "100", "resolved"), ("acme", "80", "resolved")]
    sent = message(alerts)
    assert sent.title == "Resolved: Budget threshold reached: ACME (acme) (100 %)"
    assert sent.lines[0] == "Resolved: `ACME (acme)` (100 %)"
    assert rule.evaluate(clock.set("2026-11-01 00:01:00")) == []


def test_two_clients_that_cross_in_the_same_minute_are_in_one_message_that_names_both(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    arrive(
        ledger,
        call("640", client="acme", at="2026-10-15 11:59"),
        call("1280", client="cobalt", at="2026-10-15 11:59"),
    )
    rollup.refresh(ledger)
    sent = message(rule.evaluate(clock.at))
    assert sent.title == "Budget threshold reached: ACME (acme) (80 %), Cobalt Legal (cobalt) (80 %)"
    assert [line.partition(":")[0] for line in sent.lines[:2]] == [
        "• `ACME (acme)` (80 %)",
        "• `Cobalt Legal (cobalt)` (80 %)",
    ]


def test_who_crosses_an_hour_later_is_told_of_in_full_and_the_other_named(
    ledger: Any, rule: Rule, clock: StillClock
) -> None:
    spend(ledger, "640")
    rule.evaluate(clock.at)
    spend(ledger, "1280", client="cobalt")
    sent = message(rule.evaluate(clock.set("2026-10-15 13:00")))
    assert sent.lines[0].startswith("• `Cobalt Legal (cobalt)` (80 %): 1,600.00 of 2,000 USD")
    assert sent.lines[1] == "As before: `ACME (acme)` (80 %)"


def test_a_client_without_a_budget_is_never_spoken_of(ledger: Any, clock: StillClock) -> None:
    apply(ledger, CLIENTS.replace("    budget: {amount: 1000, alert_at_percent: [80, 100]}\n", ""))
    spend(ledger, "5000")
    assert Rule(ledger, "budget-reached").evaluate(clock.at) == []
