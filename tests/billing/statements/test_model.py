"""The document: what it lets nobody say."""

import dataclasses
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from spanledger_billing.money import Money
from spanledger_billing.statements.lines import Adjustment, FeeLine, ModelLine, SumError, Tax
from spanledger_billing.statements.model import Agency, Copy, Day, Period, Rate
from support.statement_documents import bare, eur, october, statement, statements


def test_a_total_that_its_lines_do_not_add_up_to_is_refused_with_the_sum():
    with pytest.raises(SumError) as refused:
        statement(total=eur("882.12"))
    assert str(refused.value) == (
        "the lines of R-2026-0042 do not add up to its total: "
        "expected 882.11 EUR, found 882.12 EUR, difference 0.01 EUR"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"fees": ()},
        {"minimum": None},
        {"adjustments": (), "taxes": ()},
        {"models": statement().models[:1], "days": ()},
    ],
)
def test_every_kind_of_line_counts_towards_the_total(changes):
    with pytest.raises(SumError, match="do not add up"):
        statement(**changes)


def test_days_that_do_not_add_up_to_the_months_charge_are_refused_with_the_sum():
    with pytest.raises(SumError, match=r"expected 782.34 EUR, found 700.00 EUR, difference -82.34 EUR"):
        statement(days=statement().days[:1])


def test_days_outside_the_month_or_out_of_order_are_refused():
    first, last = statement().days
    for days in ((last, first), (replace(first, day=date(2026, 9, 30)), last), (first, first)):
        with pytest.raises(ValueError, match="are not days of 2026-10 in their order"):
            statement(days=days)


def test_a_tax_that_is_not_its_percentage_rounded_half_up_is_refused_with_the_sum():
    assert Tax("VAT", Decimal("7.5"), eur("1.00"), eur("0.08")).amount == eur("0.08")
    with pytest.raises(
        SumError, match=r"VAT: 7.5 % of 1.00 EUR: expected 0.08 EUR, found 0.07 EUR, difference -0.01"
    ):
        Tax("VAT", Decimal("7.5"), eur("1.00"), eur("0.07"))


def test_an_amount_in_another_currency_is_refused():
    with pytest.raises(ValueError, match=r"found 5.00 USD in a statement in EUR"):
        statement(fees=(FeeLine("fee", Money(Decimal(5), "USD")),))


def test_a_statement_states_its_rate_where_it_is_not_in_usd_and_only_there():
    with pytest.raises(ValueError, match="its rate is None"):
        statement(rate=None)
    with pytest.raises(ValueError, match="a rate where the currency is not USD"):
        bare(rate=Rate(Decimal(1), date(2026, 10, 31), "us"))
    with pytest.raises(ValueError, match="allowed: more than 0"):
        Rate(Decimal(0), date(2026, 10, 31), "us")


@pytest.mark.parametrize("field", ["units", "cost_usd", "markup_percent"])
def test_a_float_is_refused_wherever_a_quantity_or_a_cost_stands(field):
    value = {"input": 1.5} if field == "units" else 1.5
    with pytest.raises(TypeError, match=r"found the float 1.5; allowed: a Decimal"):
        replace(statement().models[0], **{field: value})


def test_a_charge_may_be_unknown_only_where_calls_are_unpriced_or_incomplete():
    with pytest.raises(ValueError, match="none of its 4 calls is unpriced or incomplete"):
        ModelLine("openai", "gpt-5.2", 4)
    assert ModelLine("openai", "gpt-5.2", 4, unpriced_calls=4).charge is None


def test_a_cost_that_is_known_of_no_model_is_unknown_and_not_zero():
    unpriced = bare(models=(ModelLine("openai", "gpt-7", 4, unpriced_calls=4),))
    assert (unpriced.cost, unpriced.cost_usd, unpriced.margin) == (None, None, None)
    assert bare().cost == Money.zero("USD")


def test_markup_is_charge_less_cost_and_margin_counts_fees_too():
    assert [line.markup for line in statement().models] == [eur("150.00"), eur("-1.03")]
    assert statement().usage_markup == eur("148.97")
    assert statement().margin == eur("268.97")


def test_the_change_is_against_the_previous_total():
    assert (statement().change, statement().change_percent) == (eur("82.11"), Decimal("10.3"))


def test_months_in_two_currencies_or_against_nothing_are_not_compared():
    before = statement().previous
    assert statement(previous=None).change is None
    assert statement(previous=replace(before, total=Money(Decimal(9), "USD"))).change is None
    nothing = statement(previous=replace(before, total=eur("0")))
    assert (nothing.change, nothing.change_percent) == (eur("882.11"), None)


def test_a_period_is_the_whole_of_its_month_by_the_clients_clock():
    assert october("Australia/Lord_Howe").last_day == date(2026, 10, 31)
    with pytest.raises(ValueError, match="is not 2026-10"):
        replace(october(), end=datetime(2026, 11, 2, tzinfo=ZoneInfo("Europe/Berlin")))
    with pytest.raises(ValueError, match="no offset from UTC"):
        Period("2026-10", datetime(2026, 10, 1), datetime(2026, 11, 1), "UTC")  # noqa: DTZ001 - the point


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "October", "", "2026-10-01"])
def test_a_month_is_written_with_year_and_month_only(month):
    with pytest.raises(ValueError, match="allowed: YYYY-MM"):
        Adjustment(month, "late calls", eur("1.00"))


@pytest.mark.parametrize("colour", ["red", "#fff", "#12345g", '#000000"); panic("', "#1f4e79\n"])
def test_a_colour_is_six_hexadecimal_digits(colour):
    with pytest.raises(ValueError, match="six hexadecimal digits"):
        Agency("a", colour=colour)


def test_a_document_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        statement().total = eur("0.00")


def test_a_clients_copy_keeps_every_charge_and_no_cost():
    shown = statement().for_client()
    assert shown.total == statement().total
    assert [line.charge for line in shown.models] == [line.charge for line in statement().models]
    assert {(line.cost, line.cost_usd, line.markup_percent, line.markup) for line in shown.models} == {
        (None, None, None, None)
    }
    assert (shown.cost, shown.cost_usd, shown.margin, shown.usage_markup) == (None, None, None, None)
    assert [gap.kind.value for gap in shown.gaps] == ["incomplete"]


def test_a_clients_copy_with_cost_in_it_cannot_be_made():
    with pytest.raises(ValueError, match=r"use Statement.for_client"):
        statement(copy=Copy.CHARGES)
    with pytest.raises(ValueError, match=r"use Statement.for_client"):
        replace(statement().for_client(), gaps=statement().gaps)


@given(statements())
def test_a_clients_copy_of_any_month_can_be_made_and_made_again(document):
    assert document.for_client().for_client() == document.for_client()


def test_one_day_of_a_month_may_be_negative():
    days = (Day(date(2026, 10, 1), eur("800.00")), Day(date(2026, 10, 2), eur("-17.66")))
    assert statement(days=days).days[1].charge == eur("-17.66")
