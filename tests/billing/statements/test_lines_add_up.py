"""The lines of a statement add up to its total, in every format, whatever the month."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from random import Random

import pytest

from spanledger_billing.statements import csv_file, json_file
from support.statement_documents import at_random

SEEDS = range(10)
MONTHS = 1000
"""Of each seed."""


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_add_up_to_the_total_in_csv_and_json_for_a_thousand_random_months(seed: int) -> None:
    random = Random(seed)
    for _ in range(MONTHS):
        statement = at_random(random)
        total = statement.total.amount
        said = json.loads(json_file.render(statement))
        rows = list(csv.DictReader(io.StringIO(csv_file.render(statement).decode("utf-8-sig"), newline="")))

        in_json = [line["charge"] for line in said["models"]]
        in_json += [line["amount"] for line in said["fees"] + said["adjustments"] + said["taxes"]]
        in_json += [said["minimum"]["amount"]] if said["minimum"] else []
        assert sum(Decimal(each["amount"]) for each in in_json) == total == Decimal(said["total"]["amount"])

        by_kind = {kind: [Decimal(row["amount"]) for row in rows if row["kind"] == kind] for kind in KINDS}
        of_the_month = sum(by_kind["usage"] + by_kind["fee"] + by_kind["minimum"])
        assert of_the_month + sum(by_kind["adjustment"] + by_kind["tax"]) == total
        assert by_kind["total"] == [total]
        assert (
            sum(by_kind["day"])
            == of_the_month
            == sum(Decimal(day["charge"]["amount"]) for day in said["days"])
        )


KINDS = ("usage", "fee", "minimum", "adjustment", "tax", "total", "day")
