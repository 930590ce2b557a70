"""Local days and months as stretches of UTC.

A local day begins at the earliest instant at which the zone's clocks show that date or a later one, and
ends where the next one begins. So the days of a zone tile the time axis: every instant belongs to exactly
one day, hence to one month, however the clocks jump:

- Where midnight does not exist (clocks jump from 00:00 to 01:00), the day begins at the jump.
- Where midnight comes twice (01:00 goes back to 00:00), the day begins at the first one.
- A date that the zone skipped (2011-12-30 in Pacific/Apia) is no day.

A client that changes its zone begins a month at the new zone's midnight; the last day of the old zone is
cut or stretched to meet it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ONE_DAY = timedelta(days=1)
_ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: `starts_at` inclusive, `ends_at` exclusive, both UTC."""

    day: date
    starts_at: datetime
    ends_at: datetime

    @property
    def month(self) -> str:
        """The local month, YYYY-MM."""
        return self.day.isoformat()[:7]


@dataclass(frozen=True, slots=True)
class ZoneFrom:
    """A zone and the local day from which it holds."""

    zone: str
    from_day: date


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The earliest instant at which the zone's clocks show this date or a later one, in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    found = midnight.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return found
    # Midnight was skipped. Read with the offset before the jump it lies behind the jump, with the offset
    # after the jump ahead of it (PEP 495); there is no other jump between.
    before, after = midnight.replace(fold=1).astimezone(UTC), found
    while after - before > _ONE_SECOND:
        middle = before + timedelta(seconds=(after - before) // _ONE_SECOND // 2)
        if middle.astimezone(zone).date() >= day:
            after = middle
        else:
            before = middle
    return after


def days(zones: Sequence[ZoneFrom], first: date, last: date) -> list[Day]:
    """The days from `first` to `last`, both inclusive, in their order.

    Args:
        zones: by ascending day; the first one holds for all days before its own, too.
        first: the first local day wanted.
        last: the last local day wanted.

    """
    starts = list(_starts(zones, first, last + _ONE_DAY))
    return [
        Day(day, starts_at, ends_at)
        for (day, starts_at), (_, ends_at) in pairwise(starts)
        if starts_at < ends_at
    ]


def start_under(zones: Sequence[ZoneFrom], day: date) -> datetime:
    """When a day begins in a history of zones."""
    return next(_starts(zones, day, day))[1]


def _starts(zones: Sequence[ZoneFrom], first: date, last: date) -> Iterator[tuple[date, datetime]]:
    for position, entry in enumerate(zones):
        zone = ZoneInfo(entry.zone)
        successor = zones[position + 1] if position + 1 < len(zones) else None
        day = first if position == 0 else max(first, entry.from_day)
        stop = last + _ONE_DAY if successor is None else min(last + _ONE_DAY, successor.from_day)
        # No day of the old zone reaches beyond the midnight at which the new one begins. A zone that lies
        # far to the east of the old one can begin before the old one's last day does: that day is none.
        limit = None if successor is None else start_of(successor.from_day, ZoneInfo(successor.zone))
        while day < stop:
            starts_at = start_of(day, zone)
            yield day, starts_at if limit is None else min(starts_at, limit)
            day += _ONE_DAY
