"""Random months, through the engine and its views, into documents."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from random import Random
from typing import Any

import pypdf

from spanledger_billing import rollup
from spanledger_billing.statements import csv_file, json_file, pdf
from spanledger_billing.statements.load import LedgerSource
from support import random_months

MONTH = "2025-10"
CLIENTS = 300
ONE_IN = 30
"""So many statements are set as a PDF, which takes longest."""


def test_lines_of_300_random_months_add_up_to_what_the_views_say_in_every_format(
    unpriced_ledger: Any,
) -> None:
    ledger = unpriced_ledger
    random = Random(MONTH)
    clients = {
        name: random_months.client(random, name, MONTH) for name in (f"c{n:03}" for n in range(CLIENTS))
    }
    random_months.put_in_force(ledger, clients.values(), random_months.rates(random))
    random_months.use(
        ledger,
        {
            name: random_months.usage(random, client, random_months.local_days(client, MONTH))
            for name, client in clients.items()
        },
    )
    rollup.refresh_charges(ledger)
    charges = dict(
        ledger.query(
            "SELECT client_id, charge FROM margins WHERE month = {month:String} AND client_state = 'known'",
            parameters={"month": MONTH},
        ).result_rows
    )

    source = LedgerSource(ledger)
    found = source.clients(MONTH)
    assert len(found) > CLIENTS * 0.9
    for number, client_id in enumerate(found):
        statement = source.statement(client_id, MONTH)
        charge = charges.get(client_id, Decimal(0))
        assert statement.charge.amount == charge

        said = json.loads(json_file.render(statement))
        lines = [line["charge"] for line in said["models"]] + [line["amount"] for line in said["fees"]]
        lines += [said["minimum"]["amount"]] if said["minimum"] else []
        assert sum(Decimal(line["amount"]) for line in lines) == charge
        assert Decimal(said["total"]["amount"]) == charge

        rows = list(csv.DictReader(io.StringIO(csv_file.render(statement).decode("utf-8-sig"), newline="")))
        for kinds in (("usage", "fee", "minimum"), ("day",), ("total",)):
            assert sum(Decimal(row["amount"]) for row in rows if row["kind"] in kinds) == charge, kinds

        if number % ONE_IN == 0:
            pages = pypdf.PdfReader(io.BytesIO(pdf.render(statement).content)).pages
            printed = " ".join(" ".join(page.extract_text() for page in pages).split())
            assert f"Total charge {charge:,.{statement.currency_exponent}f} {statement.currency}" in printed
