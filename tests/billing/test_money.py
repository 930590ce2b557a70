"""Money: exact amounts in one currency."""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_billing.errors import InvalidInputError
from spanledger_billing.money import (
    EXPONENTS,
    Money,
    currency_exponent,
    decimal,
    exact_sum,
    percent_change,
    percentage_of,
)


@pytest.mark.parametrize("amount", [1.1, 0.0, float("nan"), 3, "1.10", None, True])
def test_an_amount_that_is_no_decimal_is_refused(amount):
    with pytest.raises(TypeError, match="allowed: a Decimal"):
        Money(amount, "EUR")
    with pytest.raises(TypeError, match="allowed: a Decimal"):
        Money.rounded(amount, "EUR")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_an_amount_that_is_not_finite_is_refused(amount):
    with pytest.raises(ValueError, match="allowed: a finite Decimal"):
        Money(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    ("currency", "written"), [("JPY", "12"), ("EUR", "12.00"), ("USD", "12.00"), ("KWD", "12.000")]
)
def test_an_amount_is_written_with_its_currencys_decimals(currency, written):
    assert str(Money(Decimal("12.0"), currency)) == f"{written} {currency}"


@pytest.mark.parametrize(("amount", "currency"), [("0.5", "JPY"), ("0.005", "EUR"), ("0.0005", "KWD")])
def test_more_digits_than_the_currency_has_are_refused_and_not_rounded_away(amount, currency):
    with pytest.raises(ValueError, match="Round it once"):
        Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "EUR", "0.01"),
        ("0.004999999999", "EUR", "0.00"),
        ("-0.005", "EUR", "-0.01"),
        ("2.5", "JPY", "3"),
        ("0.0005", "KWD", "0.001"),
        ("99999999999999999999999999.995", "USD", "100000000000000000000000000.00"),
    ],
)
def test_rounding_is_half_up_away_from_zero(amount, currency, rounded):
    assert Money.rounded(Decimal(amount), currency) == Money(Decimal(rounded), currency)


def test_an_amount_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Money(Decimal(1), "EUR").amount = Decimal(2)


def test_two_currencies_do_not_add():
    with pytest.raises(ValueError, match=r"1.00 EUR and 1.00 USD; allowed: amounts of one currency"):
        Money(Decimal(1), "EUR") + Money(Decimal(1), "USD")


def test_money_adds_to_money_only():
    with pytest.raises(TypeError, match="allowed: Money"):
        Money(Decimal(1), "EUR") + Decimal(1)


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "XXX", None])
def test_a_currency_that_iso_4217_does_not_list_is_refused(currency):
    with pytest.raises(InvalidInputError, match="ISO 4217"):
        currency_exponent(currency)


def test_every_currency_stands_in_one_list_only():
    assert len(EXPONENTS) == 157
    assert {currency: EXPONENTS[currency] for currency in ("JPY", "EUR", "KWD")} == {
        "JPY": 0,
        "EUR": 2,
        "KWD": 3,
    }


@pytest.mark.parametrize(
    "text",
    ["1e3", "NaN", "inf", "", " 1", "1,5", "+1", ".5", "1_000", "\N{ARABIC-INDIC DIGIT ONE}", 1.5, 1, None],
)
def test_a_decimal_is_read_from_plain_digits_only(text):
    with pytest.raises(ValueError, match="allowed: a decimal as text"):
        decimal(text)


def test_a_negative_zero_is_the_same_bytes_as_zero():
    assert str(Money(Decimal("-0.00"), "EUR")) == "0.00 EUR"


@given(st.lists(st.decimals(-(10**24), 10**24, places=2), max_size=30))
def test_a_sum_of_money_is_exact(amounts):
    cents = sum(int(amount.scaleb(2)) for amount in amounts)
    total = Money.total((Money(amount, "EUR") for amount in amounts), "EUR")
    assert int(total.amount.scaleb(2)) == cents
    assert int(exact_sum(amounts).scaleb(2)) == cents


def test_a_percentage_is_not_rounded():
    assert percentage_of(Decimal("8.875"), Decimal("1234567890123456789012345.67")) == Decimal(
        "109567900248456790024845.6782125"
    )


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [("100", "112.35", "12.4"), ("100", "112.34", "12.3"), ("200", "100", "-50.0"), ("3", "3", "0.0")],
)
def test_a_change_is_given_to_a_tenth_of_a_percent(before, after, change):
    assert percent_change(Decimal(before), Decimal(after)) == Decimal(change)
