"""What months are charged is kept as the views reckon it, and made again when anything changes that it is made of."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing import rollup
from support.applied import SMALL, apply
from support.priced_calls import arrive, call, utc

AT = utc("2026-03-27 12:00")


def shown(ledger: Any) -> list[tuple[Any, ...]]:
    """Client, kind and charge of March, as dashboards and alerts have it."""
    return list(
        ledger.query(
            "SELECT client_id, kind, charge FROM billed_lines WHERE month = '2026-03' ORDER BY client_id, kind"
        ).result_rows
    )


def is_right(ledger: Any) -> bool:
    """Whether all that is kept is what the views reckon, and nothing is due."""
    due = ledger.query(
        "SELECT (SELECT count() FROM due_lines) + (SELECT count() FROM due_line_days)"
    ).first_row[0]
    return not due and not ledger.query("SELECT * FROM drift_charges").result_rows


@pytest.fixture
def used(ledger: Any) -> Any:
    """ACME (30 % on top) and Cobalt (a flat fee of EUR 500) under terms, and ACME's call of USD 10."""
    apply(ledger, SMALL)
    arrive(ledger, call("10", client="acme", at=AT))
    rollup.refresh(ledger)
    return ledger


def test_what_comes_late_is_in_the_charges_with_the_rollup(used: Any) -> None:
    assert shown(used) == [("acme", "usage", Decimal(13)), ("cobalt", "fee", Decimal(500))]
    arrive(used, call("20", client="acme", at=AT + timedelta(hours=1)))
    rollup.refresh(used)
    assert shown(used) == [("acme", "usage", Decimal(39)), ("cobalt", "fee", Decimal(500))]
    assert is_right(used)


def test_new_terms_are_in_the_charges_of_every_month_that_they_reach(used: Any) -> None:
    apply(
        used,
        SMALL.replace("markup_percent: 30", "markup_percent: 50").replace("flat_fee: 500", "flat_fee: 700"),
    )
    assert used.query("SELECT count() > 0 FROM due_lines").first_row[0]
    rollup.refresh_charges(used)
    assert shown(used) == [("acme", "usage", Decimal(15)), ("cobalt", "fee", Decimal(700))]
    assert is_right(used)


def test_a_fee_that_is_no_more_leaves_no_line_behind(used: Any) -> None:
    apply(used, SMALL.replace("flat_fee: 500", "markup_percent: 5"))
    rollup.refresh_charges(used)
    assert shown(used) == [("acme", "usage", Decimal(13))]
    assert is_right(used)


def test_a_rate_that_changes_is_in_what_it_makes_of_the_charges(used: Any) -> None:
    query = "SELECT charge_usd FROM margins WHERE month = '2026-03' AND client_id = 'cobalt'"
    assert used.query(query).first_row[0] == Decimal("555.56")
    apply(used, SMALL.replace("units_per_usd: 0.9", "units_per_usd: 0.5"))
    rollup.refresh_charges(used)
    assert used.query(query).first_row[0] == Decimal(1000)


def test_charges_that_are_kept_wrong_are_found_and_mended(used: Any) -> None:
    may = "SELECT charge FROM margins WHERE month = '2026-05' AND client_id = 'cobalt'"
    used.command(
        "ALTER TABLE kept_lines UPDATE charge = 1 WHERE month = '2026-05' AND client_id = 'cobalt' AND is_deleted = 0 "
        "SETTINGS mutations_sync = 2"
    )
    used.command(
        "ALTER TABLE kept_days DELETE WHERE month = '2026-04' AND client_id = 'cobalt' SETTINGS mutations_sync = 2"
    )
    assert rollup.drift(used).charges == ("2026-04", "2026-05")
    done = rollup.repair(used)
    assert (done.found.charges, bool(done.remaining)) == (("2026-04", "2026-05"), False)
    assert used.query(may).first_row[0] == Decimal(500)


def test_the_lag_counts_from_the_first_call_that_waits_and_not_from_the_last(used: Any) -> None:
    used.command("TRUNCATE TABLE rolled_quarters")
    used.command("INSERT INTO touched_quarters SELECT quarter, hour, now64(3, 'UTC') FROM touched_quarters")
    used.command("INSERT INTO waiting_since SELECT DISTINCT quarter, now('UTC') - 600 FROM touched_quarters")
    (lag,) = used.query("SELECT lag_seconds FROM rollup_freshness").first_row
    assert lag >= 600


@pytest.fixture
def of_a_year(used: Any) -> Any:
    """The same, with usage of fifty clients on the 20th of every month so far."""
    apply(used, SMALL.replace("currency: USD", "currency: USD\n    budget: {amount: 100}"))
    rows = [
        (f"2026-{month:02}", f"c{number:02}", date(2026, month, 20), "unknown", "openai", "gpt-5", 1)
        for month in range(1, 11)
        for number in range(50)
    ]
    columns = ["month", "client_id", "day", "client_state", "provider", "model", "calls"]
    used.insert("usage_day", rows, column_names=columns)
    rollup.refresh_charges(used)
    for table in ("kept_lines", "kept_days", "usage_day"):
        used.command(f"OPTIMIZE TABLE {table} FINAL")
    return used


def rows_read(ledger: Any, query: str) -> int:
    return int(json.loads(ledger.raw_query(query, fmt="JSON"))["statistics"]["rows_read"])


OF_A_MONTH = (
    "billed_lines",
    "billed_days",
    "billed_days_usd",
    "charges",
    "margins",
    "losses",
    "budget_status",
    "usage_by_day",
    "month_gaps",
)


def test_a_question_about_a_month_reads_no_usage_and_no_charges_of_others(of_a_year: Any) -> None:
    def beyond_nothing(view: str, where: str) -> int:
        """Rows of usage or charges: terms and calendars are read for a month without any, too."""
        nothing = rows_read(of_a_year, f"SELECT * FROM {view} WHERE month = '1999-12'")
        return rows_read(of_a_year, f"SELECT * FROM {view} {where}") - nothing

    of_march = {view: beyond_nothing(view, "WHERE month = '2026-03'") for view in (*OF_A_MONTH, "trend")}
    # Of each month fifty rows of clients without terms, and a few of ACME and Cobalt; a trend has two months.
    assert {view: rows for view, rows in of_march.items() if not 0 < rows < 110} == {}
    of_all = {view: beyond_nothing(view, "") for view in (*OF_A_MONTH, "trend")}
    assert {view: rows for view, rows in of_all.items() if rows < 400} == {}


def test_a_question_about_a_client_reads_no_other_clients_days_of_a_large_month(of_a_year: Any) -> None:
    of_a_year.command(
        "INSERT INTO kept_days (month, client_id, client_state, day) "
        "SELECT '2025-03', leftPad(toString(number), 6, '0'), 'unknown', '2025-03-20' FROM numbers(40000)"
    )
    of_a_year.command("OPTIMIZE TABLE kept_days FINAL")
    query = "SELECT * FROM billed_days WHERE month = '2025-03'"
    assert rows_read(of_a_year, query) >= 40000
    assert rows_read(of_a_year, f"{query} AND client_id = '000007'") <= 16384
