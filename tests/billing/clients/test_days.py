"""Local days and months tile the time axis in every zone, however its clocks jump."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_billing.clients.days import Day, ZoneFrom, days
from spanledger_billing.clients.kinds import zones

SECOND = timedelta(seconds=1)
SINCE_EVER = date(2000, 1, 1)


def in_zone(zone: str, first: date, last: date) -> list[Day]:
    return days([ZoneFrom(zone, SINCE_EVER)], first, last)


def bounds(found: list[Day]) -> dict[str, tuple[str, str]]:
    return {str(day.day): (f"{day.starts_at:%d %H:%M}", f"{day.ends_at:%d %H:%M}") for day in found}


def distinct_zones() -> list[str]:
    """One name for each set of rules: aliases share their data."""
    rules: dict[bytes, str] = {}
    for name in sorted(zones()):
        data = resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
        rules.setdefault(data, name)
    return sorted(rules.values())


def test_days_tile_2024_to_2030_without_gap_or_overlap_in_every_zone():
    for zone in distinct_zones():
        clock = zoneinfo.ZoneInfo(zone)
        found = in_zone(zone, date(2024, 1, 1), date(2030, 12, 31))
        for before, after in pairwise(found):
            assert before.ends_at == after.starts_at, (zone, before, after)
            assert before.day < after.day, (zone, before, after)
        for day in found:
            first, last = day.starts_at.astimezone(clock), (day.ends_at - SECOND).astimezone(clock)
            assert first.date() == day.day == last.date(), (zone, day)
            assert (day.starts_at - SECOND).astimezone(clock).date() < day.day, (zone, day)


@given(
    zone=st.sampled_from(sorted(zones())),
    seconds=st.integers(3 * 86_400, 7 * 365 * 86_400),
)
def test_every_instant_belongs_to_exactly_one_day_and_that_is_its_local_date(zone, seconds):
    instant = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    local = instant.astimezone(zoneinfo.ZoneInfo(zone)).date()
    near = in_zone(zone, local - timedelta(days=2), local + timedelta(days=2))
    assert [day.day for day in near if day.starts_at <= instant < day.ends_at] == [local]
    assert [day.month for day in near if day.day == local] == [f"{local:%Y-%m}"]


def test_where_midnight_does_not_exist_the_day_begins_at_the_jump():
    assert bounds(in_zone("Africa/Cairo", date(2024, 4, 25), date(2024, 4, 26))) == {
        "2024-04-25": ("24 22:00", "25 22:00"),
        "2024-04-26": ("25 22:00", "26 21:00"),
    }
    assert bounds(in_zone("Asia/Beirut", date(2025, 3, 29), date(2025, 3, 30))) == {
        "2025-03-29": ("28 22:00", "29 22:00"),
        "2025-03-30": ("29 22:00", "30 21:00"),
    }
    assert bounds(in_zone("America/Sao_Paulo", date(2018, 11, 4), date(2018, 11, 4))) == {
        "2018-11-04": ("04 03:00", "05 02:00")
    }


def test_where_midnight_comes_twice_the_day_begins_at_the_first():
    assert bounds(in_zone("America/Havana", date(2026, 11, 1), date(2026, 11, 1))) == {
        "2026-11-01": ("01 04:00", "02 05:00")
    }


def test_where_the_clocks_jump_over_midnight_the_day_begins_at_the_jump():
    # 23:30 became 00:30 in Toronto in 1919: the new day's first instant was 00:30.
    assert bounds(in_zone("America/Toronto", date(1919, 3, 30), date(1919, 3, 31))) == {
        "1919-03-30": ("30 05:00", "31 04:30"),
        "1919-03-31": ("31 04:30", "01 04:00"),
    }


def test_zones_may_be_half_an_hour_off_and_change_by_half_an_hour():
    assert bounds(in_zone("Asia/Kolkata", date(2026, 10, 1), date(2026, 10, 1))) == {
        "2026-10-01": ("30 18:30", "01 18:30")
    }
    assert bounds(in_zone("Australia/Lord_Howe", date(2026, 4, 5), date(2026, 4, 5))) == {
        "2026-04-05": ("04 13:00", "05 13:30")
    }


def test_a_date_that_a_zone_skipped_is_no_day():
    found = in_zone("Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31))
    assert bounds(found) == {"2011-12-29": ("29 10:00", "30 10:00"), "2011-12-31": ("30 10:00", "31 10:00")}


def test_new_yorks_first_of_november_begins_at_four_utc():
    (last, first) = in_zone("America/New_York", date(2026, 10, 31), date(2026, 11, 1))
    call = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
    assert last.starts_at <= call < last.ends_at == first.starts_at
    assert last.month == "2026-10"


@given(
    first=st.sampled_from(sorted(zones())),
    second=st.sampled_from(sorted(zones())),
    third=st.sampled_from(sorted(zones())),
)
def test_days_tile_across_changes_of_zone_and_each_month_begins_at_its_own_zones_midnight(
    first, second, third
):
    history = [
        ZoneFrom(first, date(2026, 1, 1)),
        ZoneFrom(second, date(2026, 7, 1)),
        ZoneFrom(third, date(2026, 8, 1)),
    ]
    found = days(history, date(2026, 6, 1), date(2026, 8, 31))
    assert all(before.ends_at == after.starts_at for before, after in pairwise(found))
    assert all(day.starts_at < day.ends_at for day in found)
    starts = {day.day: day.starts_at for day in found}
    assert starts[date(2026, 7, 1)] == datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo(second))
    assert starts[date(2026, 8, 1)] == datetime(2026, 8, 1, tzinfo=zoneinfo.ZoneInfo(third))


def test_a_zone_change_eastward_cuts_the_last_day_and_westward_stretches_it():
    eastward = [ZoneFrom("America/New_York", date(2026, 1, 1)), ZoneFrom("Europe/Berlin", date(2026, 7, 1))]
    westward = [ZoneFrom("Europe/Berlin", date(2026, 1, 1)), ZoneFrom("America/New_York", date(2026, 7, 1))]
    assert bounds(days(eastward, date(2026, 6, 30), date(2026, 7, 1))) == {
        "2026-06-30": ("30 04:00", "30 22:00"),
        "2026-07-01": ("30 22:00", "01 22:00"),
    }
    assert bounds(days(westward, date(2026, 6, 30), date(2026, 7, 1))) == {
        "2026-06-30": ("29 22:00", "01 04:00"),
        "2026-07-01": ("01 04:00", "02 04:00"),
    }


@pytest.mark.parametrize("zone", ["localtime", "Factory", "posixrules"])
def test_a_zone_that_depends_on_the_machine_is_none(zone):
    assert zone not in zones()
