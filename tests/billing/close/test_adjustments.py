"""What changes in a closed month is billed by the next open one, once, to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing.close.adjustments import shown
from support.applied import apply
from support.closing import TERMS, close, closed, draft, due, names, store
from support.stored_calls import call

SINCE = call("2026-11-05T12:00", "0", client_id="cobalt", number=10**9)
SEPTEMBER = call("2026-09-10T12:00", "500", number=10**9 + 1)


@pytest.fixture
def september(ledger: Any) -> Any:
    """ACME's September closed with USD 500.00 of cost, 650.00 of charge."""
    store(ledger, SINCE, SEPTEMBER)
    assert str(closed(ledger, "2026-09").total) == "650.00 USD"
    return ledger


def test_without_a_change_nothing_is_due(september: Any) -> None:
    assert due(september) == []
    assert draft(september, "2026-10").adjustments == ()


def test_late_calls_are_due_in_the_next_open_month_and_stand_in_its_draft(september: Any) -> None:
    store(september, call("2026-09-30T12:00", "10"), call("2026-09-30T12:00", "20", model="o3"))
    assert due(september) == [
        ("2026-09", "2026-10", Decimal(13), "1 late call"),
        ("2026-09", "2026-10", Decimal(26), "1 late call"),
    ]
    statement = draft(september, "2026-10")
    assert [(each.corrects, each.reason, str(each.amount)) for each in statement.adjustments] == [
        ("2026-09", "gpt-4o: 1 late call", "13.00 USD"),
        ("2026-09", "o3: 1 late call", "26.00 USD"),
    ]
    assert str(statement.total) == "39.00 USD"


def test_an_adjustment_is_closed_with_the_statement_that_has_it_and_is_due_no_more(september: Any) -> None:
    store(september, call("2026-09-30T12:00", "10"), call("2026-10-03T12:00", "100"))
    statement = closed(september, "2026-10")
    assert (str(statement.charge), str(statement.net)) == ("130.00 USD", "143.00 USD")
    assert due(september) == []
    assert draft(september, "2026-11").adjustments == ()
    row = september.query(
        "SELECT charge, adjustments, adjustments_cost FROM margins WHERE client_id = 'acme' AND month = '2026-10'"
    ).first_row
    assert row == (Decimal(130), Decimal(13), Decimal(10))


def test_a_repricing_downward_is_a_negative_adjustment_that_can_exceed_the_month(september: Any) -> None:
    store(september, SEPTEMBER.again(cost=Decimal("480.005")))
    assert due(september) == [("2026-09", "2026-10", Decimal("-25.99"), "new prices")]
    statement = closed(september, "2026-10")
    assert (str(statement.charge), str(statement.total)) == ("0.00 USD", "-25.99 USD")


def test_a_second_change_is_reckoned_from_what_was_billed_with_the_first_adjustment(september: Any) -> None:
    store(september, SEPTEMBER.again(cost=Decimal(480)))
    closed(september, "2026-10")
    store(september, SEPTEMBER.again(cost=Decimal(490)).again())
    assert due(september) == [("2026-09", "2026-11", Decimal(13), "new prices")]


def test_calls_attributed_to_another_client_leave_the_one_and_reach_the_other(september: Any) -> None:
    apply(september, TERMS.replace("{flat_fee: 500}", "{markup_percent: 10}"))
    closed(september, "2026-09", "cobalt")
    store(september, SEPTEMBER.again(client_id="cobalt"))
    assert due(september) == [("2026-09", "2026-10", Decimal(-650), "1 call less")]
    # 500 USD at 0.9 and 10 %.
    assert due(september, "cobalt") == [("2026-09", "2026-10", Decimal(495), "1 late call")]


def test_other_terms_with_consent_make_an_adjustment(september: Any) -> None:
    apply(september, TERMS.replace("markup_percent: 30", "markup_percent: 25"), closed=True)
    assert due(september) == [("2026-09", "2026-10", Decimal(-25), "new terms")]


def test_a_late_call_is_charged_by_the_terms_of_its_own_month(september: Any) -> None:
    later = "markup_percent: 30}}\n      - {from: 2026-10-01, plan: {markup_percent: 90}}"
    apply(september, TERMS.replace("markup_percent: 30}}", later))
    store(september, call("2026-09-30T12:00", "10"), call("2026-10-03T12:00", "10"))
    statement = draft(september, "2026-10")
    assert (str(statement.charge), str(statement.net)) == ("19.00 USD", "32.00 USD")


def test_a_late_call_that_reaches_a_tier_is_due_with_all_that_it_changes(ledger: Any) -> None:
    tiers = "{tiers: [{from_cost_usd: 0, markup_percent: 30}, {from_cost_usd: 100, markup_percent: 10}]}"
    apply(ledger, TERMS.replace("{markup_percent: 30}", tiers))
    store(ledger, SINCE, call("2026-09-10T12:00", "60"), call("2026-09-11T12:00", "40", model="o3"))
    assert str(closed(ledger, "2026-09").total) == "130.00 USD"
    store(ledger, call("2026-09-12T12:00", "100"))
    # 100 at 30 % and 100 at 10 % are 240.00: 160 of 200 are 192.00, 40 of 200 are 48.00.
    assert due(ledger) == [
        ("2026-09", "2026-10", Decimal(114), "1 late call"),
        ("2026-09", "2026-10", Decimal(-4), "late calls"),
    ]
    statement = draft(ledger, "2026-10")
    assert [(each.reason, str(each.amount)) for each in statement.adjustments] == [
        ("gpt-4o: 1 late call", "114.00 USD"),
        ("all else: late calls", "-4.00 USD"),
    ]


def test_a_late_call_under_a_flat_fee_owes_nothing_and_moves_the_cost_once(ledger: Any) -> None:
    store(ledger, SINCE, call("2026-09-10T12:00", "600", client_id="cobalt"))
    closed(ledger, "2026-09", "cobalt")
    store(ledger, call("2026-09-12T12:00", "100", client_id="cobalt"))
    assert [row[2] for row in due(ledger, "cobalt")] == [Decimal(0)]
    assert draft(ledger, "2026-10", "cobalt").adjustments == ()
    closed(ledger, "2026-10", "cobalt")
    assert due(ledger, "cobalt") == []
    cost = (
        "SELECT adjustments, adjustments_cost FROM margins WHERE client_id = 'cobalt' AND month = '2026-10'"
    )
    assert ledger.query(cost).result_rows == [(Decimal(0), Decimal(90))]


def test_an_adjustment_is_taxed_with_the_month_that_it_stands_in(september: Any) -> None:
    later = "markup_percent: 30}}\n      - {from: 2026-10-01, tax: {name: VAT, percent: 10}, plan: {markup_percent: 30}}"
    apply(september, TERMS.replace("markup_percent: 30}}", later))
    store(september, call("2026-09-30T12:00", "10"), call("2026-10-03T12:00", "100"))
    statement = closed(september, "2026-10")
    (tax,) = statement.taxes
    assert (str(tax.base), str(tax.amount), str(statement.total)) == ("143.00 USD", "14.30 USD", "157.30 USD")


def test_a_month_is_computed_again_at_its_own_exchange_rate_and_converted_where_the_currency_changed(
    ledger: Any,
) -> None:
    apply(ledger, TERMS.replace("{flat_fee: 500}", "{markup_percent: 10}"))
    september = call("2026-09-10T12:00", "100", client_id="cobalt")
    store(ledger, SINCE, september)
    assert str(closed(ledger, "2026-09", "cobalt").total) == "99.00 EUR"
    changed = "{markup_percent: 10}}\n      - {from: 2026-10-01, currency: USD, plan: {markup_percent: 10}}"
    rates = "clients:\n"
    apply(
        ledger,
        TERMS.replace("{flat_fee: 500}}", changed).replace(
            rates, f"  - {{currency: EUR, from: 2026-10-01, units_per_usd: 0.5, source: ECB}}\n{rates}"
        ),
    )
    store(ledger, september.again(cost=Decimal("110.01")))
    row = ledger.query(
        "SELECT month_currency, month_charge, currency, charge FROM adjustments_due WHERE client_id = 'cobalt'"
    ).first_row
    # 110.01 USD x 1.1 x 0.9 = 108.9099 EUR, less 99.00; 9.91 EUR / 0.9 = 11.0111 USD.
    assert row == ("EUR", Decimal("9.91"), "USD", Decimal("11.01"))
    closed(ledger, "2026-10", "cobalt")
    assert due(ledger, "cobalt") == []


def test_another_rate_for_a_closed_month_with_consent_makes_an_adjustment(ledger: Any) -> None:
    apply(ledger, TERMS.replace("{flat_fee: 500}", "{markup_percent: 10}"))
    store(ledger, SINCE, call("2026-09-10T12:00", "100", client_id="cobalt"))
    closed(ledger, "2026-09", "cobalt")
    text = TERMS.replace("{flat_fee: 500}", "{markup_percent: 10}").replace("0.9,", "0.8,")
    apply(ledger, text, closed=True)
    assert due(ledger, "cobalt") == [("2026-09", "2026-10", Decimal(-11), "new terms")]


def test_another_currency_for_a_closed_month_with_consent_is_settled_once(ledger: Any) -> None:
    text = TERMS.replace("{flat_fee: 500}", "{markup_percent: 10}")
    apply(ledger, text)
    store(ledger, SINCE, call("2026-09-10T12:00", "100.01", client_id="cobalt"))
    assert str(closed(ledger, "2026-09", "cobalt").total) == "99.01 EUR"
    apply(ledger, text.replace("currency: EUR\n    terms", "currency: USD\n    terms"), closed=True)
    # 110.01 USD, less 99.01 EUR at 0.9, which are 110.01 USD.
    assert [row[2] for row in due(ledger, "cobalt")] in ([], [Decimal(0)])
    closed(ledger, "2026-10", "cobalt")
    assert due(ledger, "cobalt") == []


def test_what_is_not_known_any_more_gives_nothing_back(september: Any) -> None:
    store(september, SEPTEMBER.again(cost=None))
    assert due(september) == []


def test_what_was_closed_without_a_price_is_due_when_it_has_one(ledger: Any) -> None:
    unpriced = call("2026-09-12T12:00", None)
    store(ledger, SINCE, SEPTEMBER, unpriced)
    assert names(close(ledger, "2026-09")) == ["unpriced"]
    assert str(closed(ledger, "2026-09", accept=["unpriced"]).total) == "650.00 USD"
    store(ledger, unpriced.again(cost=Decimal(3)))
    assert due(ledger) == [("2026-09", "2026-10", Decimal("3.9"), "new prices")]


def test_adjustments_enter_the_first_open_month_after_theirs(september: Any) -> None:
    closed(september, "2026-10")
    store(september, call("2026-09-30T12:00", "10"), call("2026-10-03T12:00", "100"))
    assert [row[:3] for row in due(september)] == [
        ("2026-09", "2026-11", Decimal(13)),
        ("2026-10", "2026-11", Decimal(130)),
    ]


def test_a_month_closed_before_an_earlier_one_takes_none_of_its_adjustments(ledger: Any) -> None:
    store(ledger, SINCE, SEPTEMBER)
    closed(ledger, "2026-10")
    closed(ledger, "2026-09")
    store(ledger, call("2026-09-30T12:00", "10"))
    assert due(ledger) == [("2026-09", "2026-11", Decimal(13), "1 late call")]


def test_what_no_later_month_can_take_stays_due(ledger: Any) -> None:
    apply(
        ledger,
        TERMS.replace(
            "{from: 2026-01-01, plan: {markup", "{from: 2026-01-01, until: 2026-10-01, plan: {markup"
        ),
    )
    store(ledger, SINCE, SEPTEMBER)
    closed(ledger, "2026-09")
    store(ledger, call("2026-09-30T12:00", "10"))
    assert due(ledger) == [("2026-09", "", Decimal(13), "1 late call")]


def test_lines_without_an_amount_are_not_shown() -> None:
    line = {
        "corrects": "2026-09", "kind": "usage", "provider": "openai", "model": "o3", "reason": "1 late call",
        "currency": "USD", "charge": Decimal(0), "calls": 1, "cost_usd_exact": Decimal(1), "cost_usd": Decimal(1),
    }  # fmt: skip
    assert shown([line]) == ()
    (one,) = shown([line | {"charge": Decimal(2)}])
    assert (one.reason, one.detail) == ("o3: 1 late call", "openai o3, cost +1.00 USD")
