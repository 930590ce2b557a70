"""The views made for dashboards and alerts answer as schema/README.md promises."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from spanledger_billing import resources
from support.dashboard_world import MONTH

README = (resources.folder("schema") / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## What dashboards and alerts read")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|$", SECTION, re.MULTILINE)


def test_every_view_of_the_section_is_there_with_the_columns_it_names(reader: Any) -> None:
    assert len(ROWS) == 16
    for names, columns in ROWS:
        promised = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", columns)))
        found: set[str] = set()
        for view in re.findall(r"`(\w+)`", names):
            found |= {row[0] for row in reader.query(f"DESCRIBE TABLE {view}").result_rows}
        assert promised <= found, names


def test_a_duplicate_is_two_arrivals_of_one_span_and_waited_since_its_call_ended(reader: Any) -> None:
    counted = reader.query(
        "SELECT count(), uniqExact(trace_id, span_id) FROM span_arrivals WHERE arrived_at >= now() - 3600"
    )
    assert counted.result_rows == [(4, 3)]
    ((least, most),) = reader.query(
        "SELECT min(waited_seconds), max(waited_seconds) FROM span_arrivals"
    ).result_rows
    assert 60 < least < most < 3600


def test_what_was_written_lately_says_what_is_odd_and_whom_it_names(reader: Any) -> None:
    found = reader.query(
        "SELECT app, client_id, reasons, unpriced_reason FROM recorded_calls WHERE recorded_at >= now() - 3600 "
        "AND (app = 'cron' OR notEmpty(reasons)) ORDER BY app"
    )
    assert found.result_rows == [
        ("cron", "", [], ""),
        ("shop", "acme", ["quantity not usable: input"], "quantity not usable"),
    ]


def test_days_in_usd_are_the_days_of_the_statement_at_the_months_rate(reader: Any) -> None:
    days = reader.query(
        "SELECT sum(charge), sum(charge_usd) FROM billed_days_usd WHERE month = {month:String} AND client_id = 'dune'",
        parameters={"month": MONTH},
    ).result_rows
    assert days == [(Decimal("97.200"), Decimal(108))]


def test_a_flat_fee_that_costs_more_than_it_pays_is_a_loss_with_its_amount(reader: Any) -> None:
    found = reader.query("SELECT client, month, loss, loss_usd FROM losses").result_rows
    assert found == [("Cobalt Legal", MONTH, Decimal(150), Decimal(150))]


def test_the_months_shown_are_those_with_calls_and_the_present_one(reader: Any) -> None:
    months = [
        month
        for (month,) in reader.query(
            "SELECT month FROM shown_months WHERE month > '2026' ORDER BY month"
        ).result_rows
    ]
    present = reader.query("SELECT month FROM present_months WHERE client_id = ''").result_rows[0][0]
    assert months == sorted({"2026-09", MONTH, present})
    assert reader.query("SELECT month FROM shown_months WHERE is_present").result_rows == [(present,)]


def test_all_drift_checks_ran_and_found_nothing(reader: Any) -> None:
    found = reader.query("SELECT check_name, rows_found FROM drift_found ORDER BY check_name").result_rows
    assert found == [("calls", 0), ("charges", 0), ("roll-up", 0)]
