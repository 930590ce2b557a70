"""Price cards: one model's prices, one card per set of circumstances.

Circumstances are the UTC date, the time of the UTC day, processing (batch), service tier, speed, and
whether the prompt is above a size. The published rules (of several prices the last one that is active
counts; variants override single units) are asked, not copied: for every stretch within which no rule
changes, genai-prices itself says what holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from genai_prices import types as published
from genai_prices.validation import validate_priced_units

from spanledger_billing.money import EXACT
from spanledger_billing.prices import stretches
from spanledger_billing.prices.overrides import BEGINNING, END
from spanledger_billing.prices.units import Rate, checked_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from genai_prices.units import UnitDef, UnitRegistry

    from spanledger_billing.prices.overrides import Override

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
    sources: Mapping[str, str] = field(default_factory=dict)
    """Unit -> where its price was agreed, of those that the operator overrides."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A price that a unit may have: its own, or one as wide."""

    unit: str
    """Only this unit; empty where all of `dimensions` have it."""
    dimensions: Mapping[str, str]
    per: int
    below: Decimal
    above: Sequence[tuple[int, Decimal, int]] = ()
    """(tokens, price, per), ascending."""
    source: str = ""

    def at(self, size: int) -> tuple[Decimal, int]:
        """The price, and for how many, of a prompt above this size."""
        reached = [(price, per) for tokens, price, per in self.above if tokens <= size]
        return reached[-1] if reached else (self.below, self.per)


def cards(
    provider: published.Provider,
    model: published.ModelInfo,
    *,
    registry: UnitRegistry,
    places: Mapping[str, Mapping[str, str]],
    circumstances: bool,
    overrides: Sequence[Override] = (),
    within: tuple[date, date] = (BEGINNING, END),
) -> list[Card]:
    """A model's cards, from the general to the particular: of those that apply, the last one counts.

    Args:
        provider: whose model it is.
        model: as published.
        registry: genai-prices' units.
        places: our units in that registry's tree.
        circumstances: False where another provider sells the model: its variants are then not known to hold.
        overrides: what the operator states of the model; of several prices of a unit the last one counts.
        within: the days on which the published prices hold.

    Raises:
        ValueError: a price is none.

    """
    at_least = _WHISPER_SECONDS.get((provider.id, model.id), 0)
    combinations = stretches.combinations(model) if circumstances else [{}]
    stated = [dict(override.circumstances) for override in overrides if override.prices]
    combinations += [each for n, each in enumerate(stated) if each not in [*combinations, *stated[:n]]]
    made: list[Card] = []
    for wanted in sorted(combinations, key=len):
        for minutes in stretches.minutes(model):
            dated = [
                card
                for start, end in stretches.dates(model, overrides, within)
                for card in _sized(
                    _entries(
                        model,
                        wanted,
                        stretches.instant(start, minutes[0]),
                        registry,
                        published_holds=within[0] <= start < within[1]
                        and (circumstances or not wanted)
                        and stretches.known(model, wanted, stretches.instant(start, minutes[0])),
                        overrides=[each for each in overrides if each.from_day <= start < each.until_day],
                        places=places,
                    ),
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
                    places,
                    at_least,
                )
            ]
            made += _merged(dated)
    return made


def _entries(
    model: published.ModelInfo,
    wanted: Mapping[str, str],
    at: datetime,
    registry: UnitRegistry,
    *,
    published_holds: bool,
    overrides: Sequence[Override],
    places: Mapping[str, Mapping[str, str]],
) -> list[_Entry] | None:
    """All prices under these circumstances, those first that come first; None where nobody states any."""
    stated = [
        _Entry(
            "" if unit in places else unit,
            places.get(unit, {}),
            price.per,
            checked_price(price.price_usd),
            [(tokens, checked_price(above), per) for tokens, above, per in price.above],
            override.source,
        )
        for override in reversed(overrides)
        if dict(override.circumstances) == dict(wanted)
        for unit, price in override.prices.items()
    ]
    if not published_holds:
        return stated or None
    discounts = [
        each
        for each in overrides
        if each.discount_percent is not None and dict(each.circumstances).items() <= wanted.items()
    ]
    prices = {
        key: price
        for key, price in vars(model.get_prices(at, dict(wanted) or None)).items()
        if price is not None
    }
    units = {key: registry.unit_for_price_key(key) for key in prices}
    validate_priced_units(list(units.values()), registry)
    return stated + [
        _published(price, units[key], discounts[-1] if discounts else None) for key, price in prices.items()
    ]


def _published(price: object, unit: UnitDef, discount: Override | None) -> _Entry:
    factor = Decimal(1)
    if discount is not None and discount.discount_percent is not None:
        factor = (100 - discount.discount_percent).scaleb(-2)
    tiers = price.tiers if isinstance(price, published.TieredPrices) else ()
    if any(tier.start <= 0 for tier in tiers):
        raise ValueError("a tier that begins at 0 tokens leaves the price below it open")
    below = price.base if isinstance(price, published.TieredPrices) else price
    return _Entry(
        "",
        unit.dimensions,
        unit.per,
        checked_price(EXACT.multiply(checked_price(below), factor)),
        [
            (tier.start, checked_price(EXACT.multiply(checked_price(tier.price), factor)), unit.per)
            for tier in tiers
        ],
        discount.source if discount else "",
    )


def _sized(
    entries: Sequence[_Entry] | None, card: Card, places: Mapping[str, Mapping[str, str]], at_least: int
) -> Iterator[Card]:
    """One card for each size of prompt at which a price changes."""
    if entries is None:
        return
    for size in (0, *sorted({tokens for entry in entries for tokens, _, _ in entry.above})):
        rates, sources = {}, {}
        for unit in (*places, *(entry.unit for entry in entries if entry.unit)):
            nearest = _nearest(unit, places.get(unit), entries)
            if nearest is not None:
                rates[unit] = Rate(*nearest.at(size), at_least if unit == "seconds" else 0)
                if nearest.source:
                    sources[unit] = nearest.source
        yield replace(card, input_tokens_above=size, rates=rates, sources=sources)


def _nearest(unit: str, place: Mapping[str, str] | None, entries: Sequence[_Entry]) -> _Entry | None:
    """The price of the narrowest unit that this one belongs to; of equals the first."""
    if place is None:
        return next((entry for entry in entries if entry.unit == unit), None)
    wider = [entry for entry in entries if not entry.unit and entry.dimensions.items() <= place.items()]
    return max(wider, key=lambda entry: len(entry.dimensions), default=None)


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
