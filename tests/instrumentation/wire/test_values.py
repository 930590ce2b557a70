"""What may be believed of a value on the wire."""

from decimal import Decimal

import pytest

from spanledger.wire.values import code, count, error_code, money, quantity, text, tool_counts, total


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (0, 0),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (True, None),
        (False, None),
        ("7", None),
        (None, None),
        ([], None),
        (Decimal("7.0"), 7),
        (Decimal("7.5"), None),
        (Decimal("1e3"), 1000),
        (Decimal("1e400000"), None),
        (Decimal("-0"), 0),
        (Decimal("NaN"), None),
        (Decimal("-Infinity"), None),
    ],
)
def test_a_count_is_a_non_negative_integer_that_fits_an_otlp_integer(value, known):
    assert count(value) == known
    assert type(count(value)) is type(known)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (9, 9),
        (Decimal("8.5"), Decimal("8.5")),
        (Decimal("-1.5"), None),
        (Decimal("1e-40"), None),
        (True, None),
        ("1", None),
    ],
)
def test_a_quantity_may_be_a_fraction(value, known):
    assert quantity(value) == known


@pytest.mark.parametrize(
    ("value", "exponent", "known"),
    [
        (232856000, -10, "0.0232856"),
        (Decimal("0.0160614"), 0, "0.0160614"),
        (Decimal("1E+2"), 0, "100"),
        (0, -10, "0"),
        (Decimal("0.00"), 0, "0"),
        (Decimal("1e-31"), 0, None),
        (Decimal("1e19"), 0, None),
        (Decimal("0." + "1" * 41), 0, None),
        (Decimal("NaN"), 0, None),
        (10**30, 0, None),
        (-5, 0, None),
        (True, 0, None),
        ("1", 0, None),
    ],
)
def test_money_is_plain_decimal_text_or_unknown(value, exponent, known):
    assert money(value, exponent=exponent) == known


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("gpt-5", "gpt-5"),
        ("", None),
        (7, None),
        ("\n", None),
        ("a\x00b", "ab"),
        ("x" * 300, "x" * 256),
        ("\ud800a", "a"),
    ],
)
def test_text_is_bounded_printable_and_never_empty(value, known):
    assert text(value) == known


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("server_error", "server_error"),
        (502, "502"),
        ("the prompt was", None),
        ("x" * 65, None),
        (True, None),
        (10**12, None),
    ],
)
def test_a_code_is_a_token_and_never_a_message(value, known):
    assert code(value) == known


def test_an_error_is_named_by_the_most_telling_of_its_codes():
    assert error_code({"code": 503, "status": "UNAVAILABLE", "message": "m"}) == "UNAVAILABLE"
    assert error_code({"code": "rate_limit_exceeded", "type": "requests"}) == "rate_limit_exceeded"
    assert error_code({"code": None, "type": "overloaded_error"}) == "overloaded_error"
    assert error_code({"message": "the prompt"}) == error_code(None) == error_code([1]) == "error"


def test_a_sum_is_of_what_is_known_and_unknown_where_nothing_is():
    assert (total(1, None, 2), total(0, None), total(None), total()) == (3, 0, None, None)
    assert total(2**63 - 1, 5) == 2**63 - 1


def test_tools_are_counted_by_name_and_only_so_many():
    counted = tool_counts({"web_search_requests": 1, "a b_requests": 2, "x_requests": "3"}, "_requests")
    assert counted == {"web_search": 1}
    assert len(tool_counts({f"tool_{number}": 1 for number in range(99)})) == 32
