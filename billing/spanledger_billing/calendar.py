"""The agency's calendar: which local day and month an instant belongs to, as rows that every view joins.

A client's month is in its own timezone; the agency's days hold for every client that has none of its own.
Boundaries are computed here, once, from the IANA data that Python uses, and stored in UTC, since SQL cannot
be trusted with zones that are data.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from spanledger_billing.clients.days import ZoneFrom, days
from spanledger_billing.errors import InvalidInputError, RefusedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

AGENCY = ""
"""The client id under which the agency's own days stand."""
FIRST_DAY = date(2024, 1, 1)
"""No call is placed earlier: a start over 400 days before its arrival counts at its arrival."""
_YEARS_AHEAD = 5
_COLUMNS = ("client_id", "day", "month", "starts_at", "ends_at", "timezone")


class TimezoneUnknownError(InvalidInputError):
    """A name that is no timezone's."""


class TimezoneChangedError(RefusedError):
    """Another zone than the one that the ledger's days are in."""


def agency_timezone(name: str | None = None) -> str:
    """The agency's IANA zone: the argument, else `SPANLEDGER_TIMEZONE`, else UTC.

    Raises:
        TimezoneUnknownError: no such zone.

    """
    zone = name or os.environ.get("SPANLEDGER_TIMEZONE") or "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as failure:
        raise TimezoneUnknownError(
            f"timezone {zone!r} is unknown",
            allowed="a name of the IANA list, such as Europe/Berlin",
            next_step="set SPANLEDGER_TIMEZONE to one",
        ) from failure
    return zone


def extend(client: Client, *, timezone: str, today: date | None = None) -> int:
    """Write the agency's days from `FIRST_DAY` to five years ahead where they are missing; how many it wrote.

    Raises:
        TimezoneChangedError: the ledger's days are in another zone and calls lie in them.

    """
    last = date((today or datetime.now(UTC).date()).year + _YEARS_AHEAD, 12, 31)
    first = FIRST_DAY
    known_last, known_zone = client.query(
        "SELECT max(day), argMax(timezone, day) FROM calendar FINAL WHERE client_id = %(id)s",
        parameters={"id": AGENCY},
    ).result_rows[0]
    if known_zone == timezone:
        first = known_last + timedelta(days=1)
    elif known_zone and client.query("SELECT 1 FROM llm_calls LIMIT 1").result_rows:
        raise TimezoneChangedError(
            f"the ledger's days are in {known_zone} and calls lie in them; SPANLEDGER_TIMEZONE says "
            f"{timezone}, which would move calls between months that were reported",
            next_step=f"set SPANLEDGER_TIMEZONE={known_zone}",
        )
    rows = [
        (AGENCY, each.day, each.month, each.starts_at, each.ends_at, timezone)
        for each in days([ZoneFrom(timezone, first)], first, last)
    ]
    if rows:
        client.insert("calendar", rows, column_names=_COLUMNS)
    return len(rows)
