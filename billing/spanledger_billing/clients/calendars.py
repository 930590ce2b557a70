"""The days of all clients in the ledger, written years ahead.

A boundary that has passed never moves: it decides in which month calls were counted. Boundaries to come are
written again where a country changes its clocks and the timezone data says so.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.clients.days import Day, ZoneFrom, days

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FIRST_DAY: Final = date(2024, 1, 1)
"""No call is placed earlier: a start over 400 days before its arrival counts at its arrival."""
YEARS_AHEAD: Final = 5

Boundaries = tuple[datetime, datetime]


def calendar_id(zones: Sequence[ZoneFrom]) -> str:
    """What a history of zones is called: clients with the same one have the same days."""
    first, *later = zones
    return ", ".join([first.zone, *(f"from {change.from_day} {change.zone}" for change in later)])


def extend(ledger: Any, histories: Iterable[Sequence[ZoneFrom]], *, now: datetime | None = None) -> int:
    """Write the days that these histories of zones lack, to five years ahead; how many it wrote.

    Repeating it writes nothing.
    """
    instant = now or datetime.now(UTC)
    wanted = {calendar_id(zones): zones for zones in histories}
    if not wanted:
        return 0
    known = _known(ledger, list(wanted))
    rows = [
        [name, day.day, day.month, day.starts_at, day.ends_at, _zone_on(zones, day.day)]
        for name, zones in wanted.items()
        for day in changed_days(zones, known.get(name, {}), instant)
    ]
    if rows:
        ledger.insert(
            "client_days",
            rows,
            column_names=["calendar_id", "day", "month", "starts_at", "ends_at", "timezone"],
        )
    return len(rows)


def changed_days(zones: Sequence[ZoneFrom], known: Mapping[date, Boundaries], now: datetime) -> list[Day]:
    """The days that are missing among those known, or end later than now and otherwise than known."""
    last_year = max(now.year, zones[-1].from_day.year) + YEARS_AHEAD
    found = []
    for day in days(zones, FIRST_DAY, date(last_year, 12, 31)):
        starts_at, ends_at = known.get(day.day, (day.starts_at, day.ends_at))
        kept = Day(
            day.day,
            starts_at if starts_at <= now else day.starts_at,
            ends_at if ends_at <= now else day.ends_at,
        )
        if known.get(day.day) != (kept.starts_at, kept.ends_at):
            found.append(kept)
    return found


def extend_all(ledger: Any, *, now: datetime | None = None) -> int:
    """Extend the days of every client under terms now; `spanledger migrate` does so each time it runs."""
    rows = ledger.query(
        "SELECT client_id, valid_from_day, timezone FROM current_terms ORDER BY client_id, valid_from_day"
    ).result_rows
    histories: dict[str, list[ZoneFrom]] = {}
    for client_id, from_day, zone in rows:
        changes = histories.setdefault(client_id, [])
        if not changes or changes[-1].zone != zone:
            changes.append(ZoneFrom(zone, from_day))
    return extend(ledger, histories.values(), now=now)


def _known(ledger: Any, names: Sequence[str]) -> dict[str, dict[date, Boundaries]]:
    rows = ledger.query(
        "SELECT calendar_id, day, starts_at, ends_at FROM client_days FINAL "
        "WHERE calendar_id IN {names:Array(String)}",
        parameters={"names": names},
    ).result_rows
    known: dict[str, dict[date, Boundaries]] = {}
    for name, day, starts_at, ends_at in rows:
        known.setdefault(name, {})[day] = (starts_at.replace(tzinfo=UTC), ends_at.replace(tzinfo=UTC))
    return known


def _zone_on(zones: Sequence[ZoneFrom], day: date) -> str:
    in_force = [change.zone for change in zones[1:] if change.from_day <= day]
    return in_force[-1] if in_force else zones[0].zone
