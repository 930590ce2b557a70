"""Price cards: one model's prices, one card per set of circumstances.

Circumstances are the UTC date, the time of the UTC day, processing (batch), service tier, speed, and
whether the prompt is above a size. The published rules (of several prices the last one that is active
counts; variants override single units) are asked, not copied: for every stretch within which no rule
changes, genai-prices itself says what holds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from genai_prices import types as published
from genai_prices.validation import validate_priced_units

from spanledger_billing.prices.units import Rate, checked_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from genai_prices.units import UnitRegistry

BEGINNING = date(1970, 1, 1)
END = date(2149, 6, 6)
"""What ClickHouse's Date can hold: the bounds of a price that is not dated."""
WHOLE_DAY = (0, 24 * 60)

CIRCUMSTANCES = ("processing", "service_tier", "speed")
"""Those of genai-prices' that a span can tell; it tells no others (a route, a search type)."""

_WHISPER_SECONDS = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}
"""Billed as at least so many seconds; genai-prices has it in its code too, not in its data."""


@dataclass(frozen=True, slots=True)
class Card:
    """What each unit costs under these circumstances. Dates and minutes are half-open; "" is any."""

    valid_from: date
    valid_until: date
    minute_from: int
    minute_until: int
    processing: str
    service_tier: str
    speed: str
    input_tokens_above: int
    rates: Mapping[str, Rate]


def cards(
    provider: published.Provider,
    model: published.ModelInfo,
    *,
    registry: UnitRegistry,
    places: Mapping[str, Mapping[str, str]],
    circumstances: bool,
) -> list[Card]:
    """A model's cards, from the general to the particular: of those that apply, the last one counts.

    Args:
        provider: whose model it is.
        model: as published.
        registry: genai-prices' units.
        places: our units in that registry's tree.
        circumstances: False where another provider sells the model: its variants are then not known to hold.

    Raises:
        ValueError: a price is none.

    """
    at_least = _WHISPER_SECONDS.get((provider.id, model.id), 0)
    made: list[Card] = []
    for wanted in _combinations(model) if circumstances else [{}]:
        for minutes in _minutes(model):
            dated = [
                card
                for start, end in _dates(model)
                if _known(model, wanted, _instant(start, minutes[0]))
                for card in _sized(
                    model.get_prices(_instant(start, minutes[0]), wanted or None),
                    Card(
                        valid_from=start,
                        valid_until=end,
                        minute_from=minutes[0],
                        minute_until=minutes[1],
                        processing=wanted.get("processing", ""),
                        service_tier=wanted.get("service_tier", ""),
                        speed=wanted.get("speed", ""),
                        input_tokens_above=0,
                        rates={},
                    ),
                    registry,
                    places,
                    at_least,
                )
            ]
            made += _merged(dated)
    return made


def _sized(
    prices: published.ModelPrice,
    card: Card,
    registry: UnitRegistry,
    places: Mapping[str, Mapping[str, str]],
    at_least: int,
) -> Iterator[Card]:
    """One card for each size of prompt at which a price changes."""
    stated = {key: price for key, price in vars(prices).items() if price is not None}
    validate_priced_units([registry.unit_for_price_key(key) for key in stated], registry)
    sizes = {tier.start for price in stated.values() for tier in getattr(price, "tiers", ())}
    if any(size <= 0 for size in sizes):
        raise ValueError("a tier that begins at 0 tokens leaves the price below it open")
    for size in (0, *sorted(sizes)):
        priced = [
            (registry.unit_for_price_key(key), checked_price(_at_size(price, size)))
            for key, price in stated.items()
        ]
        rates = {}
        for unit, place in places.items():
            wider = [each for each in priced if each[0].dimensions.items() <= place.items()]
            if wider:
                nearest, price = max(wider, key=lambda each: len(each[0].dimensions))
                rates[unit] = Rate(price, nearest.per, at_least if unit == "seconds" else 0)
        yield replace(card, input_tokens_above=size, rates=rates)


def _at_size(price: object, size: int) -> object:
    if not isinstance(price, published.TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= size), price.base)


def _merged(dated: Iterable[Card]) -> Iterator[Card]:
    """Neighbours in time that say the same, as one; so a card's dates tell how long its price holds."""
    by_size = sorted(dated, key=lambda card: (card.input_tokens_above, card.valid_from))
    merged: list[Card] = []
    for card in by_size:
        if (
            merged
            and merged[-1].valid_until == card.valid_from
            and replace(merged[-1], valid_from=card.valid_from, valid_until=card.valid_until) == card
        ):
            merged[-1] = replace(merged[-1], valid_until=card.valid_until)
        else:
            merged.append(card)
    return iter(merged)


def _combinations(model: published.ModelInfo) -> list[dict[str, str]]:
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


def _known(model: published.ModelInfo, wanted: Mapping[str, str], at: datetime) -> bool:
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


def _dates(model: published.ModelInfo) -> Sequence[tuple[date, date]]:
    starts = {
        each.start_date for each in _constraints(model) if isinstance(each, published.StartDateConstraint)
    }
    return list(itertools.pairwise([BEGINNING, *sorted(starts), END]))


def _minutes(model: published.ModelInfo) -> Sequence[tuple[int, int]]:
    edges = set(WHOLE_DAY)
    for each in _constraints(model):
        if isinstance(each, published.TimeOfDateConstraint):
            edges |= {_minute(each.start_time), _minute(each.end_time)}
    return list(itertools.pairwise(sorted(edges)))


def _minute(at: time) -> int:
    instant = datetime.combine(date(2000, 1, 1), at, at.tzinfo or UTC).astimezone(UTC)
    if instant.second or instant.microsecond:
        raise ValueError(f"a price that changes at {at} changes within a minute")
    return instant.hour * 60 + instant.minute


def _instant(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minute)
