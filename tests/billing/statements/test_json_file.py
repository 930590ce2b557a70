"""JSON: the canonical form."""

import json
from decimal import Decimal

import pytest
from hypothesis import given

from spanledger_billing.statements import json_file
from support.statement_documents import statement, statements


@given(statements())
def test_what_is_written_is_read_again_and_gives_the_same_bytes(document):
    written = json_file.render(document)
    assert json_file.parse(written) == document
    assert json_file.render(json_file.parse(written)) == written


@given(statements())
def test_lines_add_up_to_the_total(document):
    data = json.loads(json_file.render(document), parse_float=pytest.fail)
    lines = [line["charge"] for line in data["models"] if line["charge"]]
    lines += [line["amount"] for line in (*data["fees"], *data["adjustments"], *data["taxes"])]
    lines += [data["minimum"]["amount"]] if data["minimum"] else []
    total = Decimal(data["total"]["amount"])
    assert sum(Decimal(line["amount"]) for line in lines) == total
    assert {line["currency"] for line in lines} <= {data["currency"]}


def test_every_decimal_is_text_and_what_follows_from_the_fields_is_there_too():
    data = json.loads(json_file.render(statement()))
    assert data["total"] == {"amount": "882.11", "currency": "EUR"}
    assert data["models"][0]["cost_usd"] == "543.478260869565217391"
    assert data["models"][0]["markup"] == {"amount": "150.00", "currency": "EUR"}
    assert (data["models"][0]["input_tokens"], data["models"][0]["output_tokens"]) == ("1323579", "34567")
    assert (data["margin"]["amount"], data["change_percent"], data["currency_exponent"]) == (
        "268.97",
        "10.3",
        2,
    )
    assert (data["period"]["start"], data["period"]["end"]) == (
        "2026-10-01T00:00:00+02:00",
        "2026-11-01T00:00:00+01:00",
    )


@pytest.mark.parametrize(
    ("found", "changed", "refused"),
    [
        (b'"amount": "882.11"', b'"amount": "882.12"', "expected 882.11 EUR, found 882.12 EUR"),
        (b'"change_percent": "10.3"', b'"change_percent": "99.9"', "it was changed"),
        (b'"calls": 1234', b'"calls": 1235', "it was changed"),
        (b'"cost_usd": "14.532608695652"', b'"cost_usd": 14.532608695652', "allowed: a decimal as text"),
        (b'"status": "closed"', b'"status": "paid"', "paid"),
        (b'"reference": "PO-7"', b'"reference": 7', "found 7; allowed: str"),
        (b'"number": "R-2026-0042"', b'"numb": "R-2026-0042"', "this is no statement"),
        (b"\n", b"\n\n", "written by another program"),
    ],
)
def test_a_file_that_was_changed_is_refused(found, changed, refused):
    written = json_file.render(statement())
    assert found in written
    with pytest.raises(ValueError, match=refused):
        json_file.parse(written.replace(found, changed, 1))
