"""Text in a spreadsheet stays the text that it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_billing.spreadsheet import text_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "  =1+1", "\N{NO-BREAK SPACE}=1", "\N{FULLWIDTH PLUS SIGN}1", "=", "-"],
)
def test_what_begins_like_a_formula_gets_an_apostrophe(text):
    assert text_cell(text) == f"'{text}"


@pytest.mark.parametrize("control", ["\t", "\r", "\n", "\x00", "\x1b", "\x85", "\u2028"])
def test_a_control_character_ends_no_cell(control):
    assert text_cell(f"a{control}=1") == "a\ufffd=1"
    assert "=" not in text_cell(f"{control}=1")[:1]


@pytest.mark.parametrize("control", ["\t", "\r", "\n"])
def test_what_begins_with_a_tab_or_line_break_gets_an_apostrophe(control):
    assert text_cell(f"{control}=1") == "'\ufffd=1"


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "1e10",
        "2026-10",
        "4-5",
        "1,5",
        "12:30",
        "(3)",
        "50 %",
        "MAR1",
        "1-Mar",
        "Sept 2",
        "TRUE",
        "3.",
        "1/2",
    ],
)
def test_what_would_be_made_a_number_or_a_date_stays_text(text):
    assert text_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    ["", "gpt-5.2", "o3", "claude-opus-4-5", "ACME & Co.", "4o-mini", "Marlene", "may", "a=b", "x-1", "'tis"],
)
def test_ordinary_text_is_left_alone(text):
    assert text_cell(text) == text


@pytest.mark.parametrize("separator", [";", "|", ","])
def test_a_formula_behind_another_separator_is_text_too(separator):
    assert text_cell(f"a{separator}=1+1") == f"a{separator}'=1+1"


@given(st.text())
def test_no_text_begins_a_formula_or_breaks_a_line(text):
    cell = text_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert cell.splitlines() in ([], [cell])
