"""Stretches of days, times of the day and circumstances within which no price of a model changes.

They end where published prices or overrides say that they begin or end. So of each stretch genai-prices is
asked once.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from genai_prices import types as published

from spanledger_billing.prices.overrides import BEGINNING, END

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spanledger_billing.prices.overrides import Override

CIRCUMSTANCES = ("processing", "service_tier", "speed")
"""Those of genai-prices' that a span can tell; it tells no others (a route, a search type)."""


def combinations(model: published.ModelInfo) -> list[dict[str, str]]:
    """The circumstances that change the model's prices, each alone and together; none first."""
    values: dict[str, list[str]] = {key: [] for key in CIRCUMSTANCES}
    for variant in model.price_variants or ():
        if variant.when.keys() <= values.keys():
            for key, value in variant.when.items():
                if value not in values[key]:
                    values[key].append(value)
    chosen = itertools.product(*(["", *values[key]] for key in CIRCUMSTANCES))
    combinations = [
        {key: value for key, value in zip(CIRCUMSTANCES, each, strict=True) if value} for each in chosen
    ]
    return sorted(combinations, key=len)


def known(model: published.ModelInfo, wanted: Mapping[str, str], at: datetime) -> bool:
    """Whether each circumstance has prices of its own then; else genai-prices charges as without it."""
    return all(
        any(
            variant.when.get(key) == value and (variant.constraint is None or variant.constraint.active(at))
            for variant in model.price_variants or ()
        )
        for key, value in wanted.items()
    )


def _constraints(model: published.ModelInfo) -> Iterator[object]:
    if not isinstance(model.prices, published.ModelPrice):
        yield from (price.constraint for price in model.prices)
    yield from (variant.constraint for variant in model.price_variants or ())


def dates(
    model: published.ModelInfo, overrides: Sequence[Override], within: tuple[date, date]
) -> Sequence[tuple[date, date]]:
    """Days, half-open, over all that there are; published prices hold `within`."""
    starts = {
        each.start_date for each in _constraints(model) if isinstance(each, published.StartDateConstraint)
    }
    edges = {BEGINNING, *starts, *within, END}
    edges |= {day for each in overrides for day in (each.from_day, each.until_day)}
    return list(itertools.pairwise(sorted(edges)))


def minutes(model: published.ModelInfo) -> Sequence[tuple[int, int]]:
    """Minutes of the UTC day, half-open."""
    edges = {0, 24 * 60}
    for each in _constraints(model):
        if isinstance(each, published.TimeOfDateConstraint):
            edges |= {_minute(each.start_time), _minute(each.end_time)}
    return list(itertools.pairwise(sorted(edges)))


def _minute(at: time) -> int:
    instant = datetime.combine(date(2000, 1, 1), at, at.tzinfo or UTC).astimezone(UTC)
    if instant.second or instant.microsecond:
        raise ValueError(f"a price that changes at {at} changes within a minute")
    return instant.hour * 60 + instant.minute


def instant(day: date, minute: int) -> datetime:
    """Of a UTC day."""
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minute)
