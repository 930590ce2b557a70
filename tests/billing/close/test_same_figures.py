"""PDF, CSV, JSON, the views and `usage` show the same figures, of an open month and of a closed one."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pypdf
import pytest

from spanledger_billing import rollup, usage
from spanledger_billing.statements.delivery import Order, document
from spanledger_billing.statements.load import LedgerSource
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format
from support.applied import apply
from support.closing import TERMS, closed, store
from support.stored_calls import call

WITH_TAX = "markup_percent: 30}}\n      - {from: 2026-10-11, tax: {name: VAT, percent: 19}, plan: {markup_percent: 12.5, fixed_fee: 50}}"
CALLS = (
    call("2026-10-02T12:00", "0.123456789012345678"),
    call("2026-10-03T12:00", "300.004", model="o3"),
    call("2026-10-13T12:00", "77.777", model="o3"),
    call(
        "2026-10-14T12:00", "5", model="claude-opus-4-5", provider="anthropic", incomplete_reason="cut short"
    ),
    call("2026-11-05T12:00", "0"),
)


@pytest.fixture(params=["open", "closed"])
def october(request: pytest.FixtureRequest, ledger: Any) -> Any:
    """ACME's October with two stretches of terms, tax, and an adjustment of its September."""
    apply(ledger, TERMS.replace("markup_percent: 30}}", WITH_TAX))
    store(ledger, *CALLS, call("2026-09-10T12:00", "500"))
    closed(ledger, "2026-09")
    store(ledger, call("2026-09-11T12:00", "9.99"))
    if request.param == "closed":
        closed(ledger, "2026-10", accept=["incomplete"])
    rollup.refresh_charges(ledger)
    return ledger


def shown(ledger: Any, form: Format) -> bytes:
    return document(LedgerSource(ledger), "acme", Order("2026-10", form, Copy.FULL)).content


def of_views(ledger: Any, query: str) -> list[Any]:
    return ledger.query(
        query.replace("{of acme}", "client_id = 'acme' AND month = '2026-10' AND client_state = 'known'")
    ).result_rows


def test_every_figure_is_the_same_wherever_it_is_asked(october: Any) -> None:
    said = json.loads(shown(october, Format.JSON))
    rows = list(csv.DictReader(io.StringIO(shown(october, Format.CSV).decode("utf-8-sig"), newline="")))
    pages = pypdf.PdfReader(io.BytesIO(shown(october, Format.PDF))).pages
    printed = " ".join(" ".join(page.extract_text() for page in pages).split())

    def amount(of: Any) -> Decimal:
        return Decimal(of["amount"])

    models = {
        (line["provider"], line["model"]): (
            line["calls"], amount(line["charge"]), amount(line["cost"]), Decimal(line["cost_usd"]),
        )
        for line in said["models"]
    }  # fmt: skip
    assert len(models) == 3

    # CSV says what JSON says.
    assert models == {
        (row["provider"], row["model"]): (
            int(row["calls"]), Decimal(row["amount"]), Decimal(row["cost"]), Decimal(row["cost_usd"]),
        )
        for row in rows
        if row["kind"] == "usage"
    }  # fmt: skip
    (total,) = (row for row in rows if row["kind"] == "total")
    assert (total["amount"], total["cost"], total["cost_usd"], total["markup"]) == (
        said["total"]["amount"],
        said["cost"]["amount"],
        said["cost_usd"],
        said["margin"]["amount"],
    )
    for kind, found in (("fee", "fees"), ("adjustment", "adjustments"), ("tax", "taxes")):
        amounts = [row["amount"] for row in rows if row["kind"] == kind]
        assert amounts == [line["amount"]["amount"] for line in said[found]], kind
        assert amounts

    # The PDF prints each of them.
    figures = [*(figure for line in models.values() for figure in line[1:3])]
    figures += [
        amount(said[name]) for name in ("total", "net", "cost", "usage_charge", "usage_markup", "margin")
    ]
    figures += [amount(line["amount"]) for name in ("fees", "adjustments", "taxes") for line in said[name]]
    for figure in figures:
        assert f"{figure:,.2f}" in printed

    # So do the views, whose sums are the statement's.
    assert models == {
        (provider, model): (calls, charge, cost, exact)
        for provider, model, calls, charge, cost, exact in of_views(
            october,
            "SELECT provider, model, calls, charge, cost, cost_usd_exact FROM billed_lines "
            "WHERE {of acme} AND kind = 'usage' AND corrects = month",
        )
    }
    assert of_views(
        october, "SELECT provider, model, sum(charge), sum(cost) FROM charges "
        "WHERE {of acme} AND kind = 'usage' GROUP BY provider, model ORDER BY provider, model"
    ) == [(*names, charge, cost) for names, (_, charge, cost, _) in sorted(models.items())]  # fmt: skip
    margins = "SELECT charge, cost, margin, cost_usd_exact, calls FROM margins WHERE {of acme}"
    charge = amount(said["charge"])
    assert of_views(october, margins) == [
        (charge, amount(said["cost"]), amount(said["margin"]), Decimal(said["cost_usd"]), said["calls"])
    ]
    assert of_views(october, "SELECT charge FROM trend WHERE {of acme}") == [(charge,)]
    days = of_views(october, "SELECT day, charge FROM billed_days WHERE {of acme} ORDER BY day")
    assert days == of_views(october, "SELECT day, charge FROM charges_by_day WHERE {of acme} ORDER BY day")
    assert [(f"{day:%Y-%m-%d}", amount) for day, amount in days] == [
        (day["day"], amount(day["charge"])) for day in said["days"]
    ]
    assert sum(amount for _, amount in days) == charge
    status = "SELECT spent FROM budget_status WHERE client_id = 'acme' AND month = '2026-10'"
    assert october.query(status).first_row[0] == charge

    # And what `usage` adds up from the calls.
    by_model = usage.read(october, "2026-10", ("provider", "model"), "acme")
    assert {
        row.keys: (row.measures.calls, row.measures.cost_usd, row.measures.units) for row in by_model.rows
    } == {
        (line["provider"], line["model"]): (
            line["calls"],
            Decimal(line["cost_usd"]),
            {unit: Decimal(quantity) for unit, quantity in line["units"].items()},
        )
        for line in said["models"]
    }
    assert by_model.total.cost_usd == Decimal(said["cost_usd"])
