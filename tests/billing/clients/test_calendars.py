"""Every client's days are in the ledger as UTC boundaries, years ahead, and decide where a call counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from spanledger_billing import migrate
from spanledger_billing.clients import applying, calendars
from spanledger_billing.clients.days import ZoneFrom, days, start_of
from spanledger_billing.clients.reading import read
from support.spans import Span, deliver, span

BERLIN = [ZoneFrom("Europe/Berlin", date(2026, 1, 1))]
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FILE = """
agency: {name: Meridian}
clients:
  - id: acme
    name: ACME
    timezone: America/New_York
    currency: USD
    terms:
      - {from: FROM, plan: {markup_percent: 30}, until: UNTIL}
"""


@pytest.fixture(autouse=True)
def _no_days(migrated: Any) -> None:
    migrated.command("TRUNCATE TABLE client_days")


def apply(ledger: Any, from_day: date, until: date, now: datetime | None = NOW) -> None:
    content = FILE.replace("FROM", str(from_day)).replace("UNTIL", str(until)).encode()
    applying.carry_out(ledger, applying.plan(ledger, read(content), content), now=now)


def test_days_reach_from_2024_to_five_years_ahead(ledger):
    apply(ledger, date(2026, 10, 15), date(2027, 2, 10))
    found = ledger.query(
        "SELECT min(day), max(day), count() FROM local_days WHERE client_id = 'acme'"
    ).first_row
    assert found == (date(2024, 1, 1), date(2031, 12, 31), 8 * 365 + 2)


def test_days_under_terms_are_known_and_months_say_how_many(ledger):
    apply(ledger, date(2026, 10, 15), date(2027, 2, 10))
    months = ledger.query(
        "SELECT month, days, known_days FROM local_months WHERE client_id = 'acme' "
        "AND month BETWEEN '2026-09' AND '2027-03' ORDER BY month"
    ).result_rows
    assert months == [
        ("2026-09", 30, 0),
        ("2026-10", 31, 17),
        ("2026-11", 30, 30),
        ("2026-12", 31, 31),
        ("2027-01", 31, 31),
        ("2027-02", 28, 9),
        ("2027-03", 31, 0),
    ]


def test_a_month_begins_and_ends_at_the_clients_midnights(ledger):
    apply(ledger, date(2026, 10, 15), date(2027, 2, 10))
    october = ledger.query(
        "SELECT toString(starts_at), toString(ends_at) FROM local_months "
        "WHERE client_id = 'acme' AND month = '2026-10'"
    ).first_row
    assert october == ("2026-10-01 04:00:00", "2026-11-01 04:00:00")


def test_writing_the_days_again_writes_nothing_and_a_year_later_only_that_year(ledger):
    apply(ledger, date(2026, 10, 15), date(2027, 2, 10))
    assert calendars.extend_all(ledger, now=NOW) == 0
    assert calendars.extend_all(ledger, now=NOW + timedelta(days=365)) == 366
    assert ledger.query("SELECT max(day) FROM local_days WHERE client_id = 'acme'").first_row == (
        date(2032, 12, 31),
    )


def test_migrate_writes_the_days_that_clients_lack(ledger):
    apply(ledger, date(2026, 10, 15), date(2027, 2, 10))
    own_days = "SELECT * FROM local_days WHERE client_id = 'acme' AND day < '2032-01-01' ORDER BY day"
    before = ledger.query(own_days).result_rows
    ledger.command("TRUNCATE TABLE client_days")
    migrate.apply(ledger, timezone="UTC")
    assert ledger.query(own_days).result_rows == before


def test_a_boundary_that_has_passed_never_moves_and_one_to_come_does():
    """The clocks of a country are changed by law, in this test by an hour, for days known already."""
    hour = timedelta(hours=1)
    computed = {
        day.day: (day.starts_at, day.ends_at) for day in days(BERLIN, date(2024, 1, 1), date(2031, 12, 31))
    }
    known = {day: (starts_at + hour, ends_at + hour) for day, (starts_at, ends_at) in computed.items()}
    changed = calendars.changed_days(BERLIN, known, NOW)
    today = changed[0]
    assert today.day == date(2026, 11, 24)
    assert (today.starts_at, today.ends_at) == (known[today.day][0], computed[today.day][1])
    assert all((day.starts_at, day.ends_at) == computed[day.day] for day in changed[1:])
    assert len(changed) == (date(2031, 12, 31) - date(2026, 11, 24)).days + 1


def test_clients_of_one_history_of_zones_share_their_days(ledger):
    two = FILE + FILE[FILE.index("  - id: acme") :].replace("acme", "other")
    content = two.replace("FROM", "2026-10-15").replace("UNTIL", "2027-01-01").encode()
    applying.carry_out(ledger, applying.plan(ledger, read(content), content), now=NOW)
    assert ledger.query("SELECT uniqExact(calendar_id) FROM client_days").first_row == (1,)
    assert ledger.query("SELECT uniqExact(client_id) FROM local_days WHERE client_id != ''").first_row == (2,)


def test_a_history_of_zones_has_a_name_of_its_own():
    moved = [*BERLIN, ZoneFrom("Asia/Tokyo", date(2026, 7, 1))]
    assert calendars.calendar_id(BERLIN) == "Europe/Berlin"
    assert calendars.calendar_id(moved) == "Europe/Berlin, from 2026-07-01 Asia/Tokyo"


def placed(ledger: Any, call: Span) -> tuple[Any, ...]:
    found = ledger.query(
        "SELECT client_state, day, month FROM calls WHERE trace_id = {id:String}",
        parameters={"id": call.trace_id},
    )
    return found.first_row


def test_a_call_counts_in_its_clients_own_month_and_outside_its_terms_in_the_agencys(ledger):
    """New York's months begin hours after those of the agency, which is in UTC."""
    zone = ZoneInfo("America/New_York")
    this_month = datetime.now(zone).date().replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    apply(ledger, last_month, date(2099, 1, 1), now=None)
    hour_before = start_of(last_month, zone) - timedelta(hours=1)
    last_hour = start_of(this_month, zone) - timedelta(hours=1)
    before, within = span(at=hour_before), span(at=last_hour)
    nobody = span(at=last_hour, client_id="")
    deliver(ledger, [before, within, nobody])
    assert placed(ledger, within) == ("known", this_month - timedelta(days=1), f"{last_month:%Y-%m}")
    assert placed(ledger, before) == ("unknown", last_month, f"{last_month:%Y-%m}")
    assert placed(ledger, nobody) == ("unattributed", this_month, f"{this_month:%Y-%m}")
