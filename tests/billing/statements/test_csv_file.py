"""CSV: a table that a spreadsheet opens as it is."""

import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from spanledger_billing.statements import csv_file
from support.statement_documents import statement, statements

GOLDEN = [
    (
        "statement,status,client_id,client,period_start,period_end,kind,date,provider,model,description,detail,"
        "unit,quantity,calls,input_tokens,output_tokens,unpriced_calls,incomplete_calls,cost_usd,cost,"
        "markup_percent,markup,amount,currency"
    ),
    ("usage,,openai,gpt-5.2,,,,,1234,1323579,34567,0,0,543.478260869565217391,500.00,30,150.00,650.00,EUR"),
    "unit,,openai,gpt-5.2,,,cache_read,89012,,,,,,,,,,,EUR",
    "unit,,openai,gpt-5.2,,,input,1234567,,,,,,,,,,,EUR",
    "unit,,openai,gpt-5.2,,,output,34567,,,,,,,,,,,EUR",
    "usage,,anthropic,claude-opus-4-5,,,,,9,70,0,0,0,14.532608695652,13.37,,-1.03,12.34,EUR",
    "unit,,anthropic,claude-opus-4-5,,,input,70,,,,,,,,,,,EUR",
    "unit,,anthropic,claude-opus-4-5,,,web_search,3,,,,,,,,,,,EUR",
    "fee,,,,Platform fee,fixed beside usage; margin 87.13,,,,,,,,,,,,100.00,EUR",
    'minimum,,,,Monthly minimum,"782.34 less charge, cost 513.37",,,,,,,,,,,,20.00,EUR',
    'adjustment,2026-09-01,,,12 late calls,"computed again: cost 31.59, markup 9.48",,,,,,,,,,,,-41.07,EUR',
    "tax,,,,VAT 19 % of 741.27,,,,,,,,,,,,,140.84,EUR",
    "total,,,,,,,,1243,,,,,558.010869565217217391,513.37,,268.97,882.11,EUR",
    "gap,,,,incomplete,cut short 3,,,3,,,,,,,,,,EUR",
    "gap,,,,unattributed,nobody named 41,,,41,,,,,,,,,,EUR",
    "previous,2026-09-01,,,,,,,1111,,,,,,,,,800.00,EUR",
    "day,2026-10-01,,,,,,,,,,,,,,,,700.00,EUR",
    "day,2026-10-31,,,,,,,,,,,,,,,,82.34,EUR",
    "",
]
"""Worked out by hand from `statement()`."""

LINES = ("usage", "fee", "minimum", "adjustment", "tax")


def rows(document):
    text = csv_file.render(document).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def amounts(found, *kinds):
    return [Decimal(row["amount"]) for row in found if row["kind"] in kinds and row["amount"]]


@given(statements())
def test_lines_add_up_to_the_total(document):
    found = rows(document)
    assert amounts(found, "total") == [document.total.amount]
    assert sum(amounts(found, *LINES)) == document.total.amount
    assert sum(amounts(found, "day")) == sum(amounts(found, "usage", "fee", "minimum"))


@given(statements())
def test_every_row_has_every_column_whatever_the_names_hold(document):
    found = rows(document)
    assert all(None not in row and None not in row.values() for row in found)
    units = sum(len(line.units) for line in document.models)
    assert sum(row["kind"] == "unit" for row in found) == units
    assert sum(row["kind"] == "usage" for row in found) == len(document.models)


def test_a_month_as_a_spreadsheet_gets_it():
    written = csv_file.render(statement()).decode("utf-8-sig").split("\r\n")
    of_each = "R-2026-0042,closed,acme,ACME GmbH,2026-10-01,2026-10-31,"
    assert [line.removeprefix(of_each) for line in written] == GOLDEN


def test_it_begins_with_the_mark_by_which_excel_knows_utf_8():
    assert csv_file.render(statement()).startswith(b"\xef\xbb\xbfstatement,")


def test_negative_figures_stay_numbers():
    found = rows(statement())
    assert [row["amount"] for row in found if row["kind"] == "adjustment"] == ["-41.07"]
    assert [
        row["markup"] for row in found if row["model"] == "claude-opus-4-5" and row["kind"] == "usage"
    ] == ["-1.03"]


def test_a_charge_that_is_not_known_is_an_empty_cell_and_not_zero():
    first, second = statement().models
    unpriced = replace(second, charge=None, cost=None, cost_usd=None, unpriced_calls=9)
    total = statement()
    document = replace(
        total,
        models=(replace(first, charge=first.charge + second.charge), unpriced),
    )
    row = next(row for row in rows(document) if row["model"] == "claude-opus-4-5")
    assert (row["amount"], row["cost"], row["cost_usd"], row["markup"], row["unpriced_calls"]) == (
        "",
        "",
        "",
        "",
        "9",
    )


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\N{FULLWIDTH EQUALS SIGN}"])
def test_a_name_that_looks_like_a_formula_is_text(begins):
    name = f'{begins}HYPERLINK("http://x")'
    client = replace(statement().client, name=name, id=name)
    models = (replace(statement().models[0], model=name, provider=name), statement().models[1])
    for row in rows(statement(client=client, models=models)):
        cells = [row["client"], row["client_id"]]
        cells += (
            [row["model"], row["provider"]]
            if row["kind"] == "usage" and row["model"] != "claude-opus-4-5"
            else []
        )
        assert {cell[0] for cell in cells} == {"'"}


def test_a_clients_copy_has_no_column_of_the_agencys():
    full, shown = rows(statement())[0], rows(statement().for_client())[0]
    assert full.keys() - shown.keys() == {"cost", "cost_usd", "markup", "markup_percent", "detail"}
