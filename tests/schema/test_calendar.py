"""Every call lies in exactly one local day and month, by rows that were computed once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from spanledger_billing import calendar, migrate
from support.arrivals import arrival, arrive
from support.spans import deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def placed(ledger: Client, *instants: datetime) -> list[tuple[str, str]]:
    """(day, month) of a call at each instant."""
    calls = [arrival({"input": 1}, at=at) for at in instants]
    arrive(ledger, calls)
    found = {
        row[0]: (str(row[1]), row[2])
        for row in ledger.query("SELECT trace_id, day, month FROM calls").result_rows
    }
    return [found[call["trace_id"]] for call in calls]


@pytest.mark.parametrize(
    "zone",
    ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"],
)
def test_every_hour_lies_in_the_local_day_and_month_of_the_agencys_zone(
    empty_database: Client, zone: str
) -> None:
    migrate.apply(empty_database, timezone=zone)
    # Two years by the hour and a half, so that every jump of the clocks is met on both sides.
    instants = [datetime(2025, 1, 1, tzinfo=UTC) + n * timedelta(minutes=90) for n in range(11_680)]
    local = [at.astimezone(ZoneInfo(zone)) for at in instants]
    assert placed(empty_database, *instants) == [(f"{at:%Y-%m-%d}", f"{at:%Y-%m}") for at in local]


def test_new_yorks_call_at_three_utc_on_the_first_of_november_is_octobers(empty_database: Client) -> None:
    migrate.apply(empty_database, timezone="America/New_York")
    assert placed(empty_database, datetime(2026, 11, 1, 3, tzinfo=UTC)) == [("2026-10-31", "2026-10")]


def test_the_days_reach_years_ahead_and_a_second_run_writes_none(own_ledger: Client) -> None:
    query = "SELECT min(day), max(day), count() FROM calendar"
    first, last, count = own_ledger.query(query).result_rows[0]
    assert first == date(2024, 1, 1)
    assert last == date(datetime.now(UTC).year + 5, 12, 31)
    migrate.apply(own_ledger)
    assert own_ledger.query(query).result_rows == [(first, last, count)]


def test_the_days_are_extended_as_years_pass(own_ledger: Client) -> None:
    assert calendar.extend(own_ledger, timezone="UTC", today=date(datetime.now(UTC).year + 1, 3, 1)) >= 365
    gaps = own_ledger.query(
        "SELECT count() FROM (SELECT starts_at, lagInFrame(ends_at, 1, starts_at) OVER (ORDER BY day) AS before "
        "FROM calendar FINAL) WHERE starts_at != before"
    ).result_rows
    assert gaps == [(0,)]


def test_another_zone_is_refused_once_calls_lie_in_the_days(own_ledger: Client) -> None:
    deliver(own_ledger, [span()])
    with pytest.raises(calendar.TimezoneChangedError, match=r"days are in UTC .* says Europe/Berlin"):
        migrate.apply(own_ledger, timezone="Europe/Berlin")


def test_another_zone_is_taken_while_no_call_lies_in_the_days(own_ledger: Client) -> None:
    migrate.apply(own_ledger, timezone="Asia/Kolkata")
    assert placed(own_ledger, datetime(2026, 10, 31, 18, 30, tzinfo=UTC)) == [("2026-11-01", "2026-11")]


def test_the_zone_is_that_of_the_environment(empty_database: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_TIMEZONE", "Asia/Kolkata")
    migrate.apply(empty_database)
    assert placed(empty_database, datetime(2026, 10, 31, 18, 30, tzinfo=UTC)) == [("2026-11-01", "2026-11")]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe", "\x00"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(calendar.TimezoneUnknownError, match="unknown"):
        calendar.agency_timezone(zone)


def test_a_call_beyond_the_calendars_end_keeps_its_utc_day(own_ledger: Client) -> None:
    deliver(own_ledger, [span(at=datetime(2026, 11, 3, tzinfo=UTC))])
    own_ledger.command("ALTER TABLE calendar DELETE WHERE day >= '2026-11-01' SETTINGS mutations_sync = 2")
    rows: Any = own_ledger.query("SELECT toString(day), month FROM calls").result_rows
    assert rows == [("2026-11-03", "2026-11")]
