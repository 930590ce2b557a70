"""Overrides: prices that the operator states, on top of the published list, each dated and with its source.

A file of them holds negotiated rates, prices of the agency's own hosts, and whose list prices the calls of a
host or provider that no list knows. What it says becomes part of the price list (`selling`) and takes force
with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

BEGINNING: Final = date(1970, 1, 1)
END: Final = date(2149, 6, 6)
"""What ClickHouse's Date can hold: the bounds of a price that is not dated."""
OWN: Final = "own"
"""Stands for no provider of the price list: all prices are stated in the file."""
HOST: Final = "host:"
"""Begins the name of a seller that is known by its host."""

Circumstances = tuple[tuple[str, str], ...]
"""(`processing`, `batch`) and the like, sorted; empty where none is named."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a unit costs: `price_usd` for `per` of it, and what in prompts above these numbers of tokens."""

    price_usd: Decimal
    per: int
    above: tuple[tuple[int, Decimal, int], ...] = ()
    """(tokens, price_usd, per), ascending."""


@dataclass(frozen=True, slots=True)
class Override:
    """Prices of a seller's models from a day on, under these circumstances."""

    seller: str
    """As the price list calls the provider; `host:` and the host for a host of its own."""
    model: str
    """In lower case; with a star at the end: all whose name begins so."""
    from_day: date
    until_day: date
    circumstances: Circumstances
    prices: Mapping[str, Stated]
    """By unit; empty where there is a discount."""
    discount_percent: Decimal | None
    source: str
    line: int = field(default=0, compare=False)

    @property
    def prefix(self) -> str | None:
        """What names begin with; None for one model."""
        return self.model[:-1] if self.model.endswith("*") else None

    def covers(self, name: str) -> bool:
        """Whether a model of this name (lower case) is meant."""
        return name == self.model if self.prefix is None else name.startswith(self.prefix)

    def text(self) -> str:
        """For people, on one line."""
        when = "".join(f", {value}" for _, value in self.circumstances)
        prices = ", ".join(f"{unit} {_price(stated)}" for unit, stated in self.prices.items())
        what = f"{self.discount_percent} % off" if self.discount_percent is not None else prices
        return f"{self.seller} {self.model}{when} {_days(self)}: {what} ({self.source})"


@dataclass(frozen=True, slots=True)
class Seller:
    """By whose list a host's or provider's calls are priced."""

    seller: str
    """`host:` and the host, or what spans call the provider."""
    provider: str
    """As the price list calls it; empty where its only prices are those of overrides."""
    from_day: date
    until_day: date
    source: str
    line: int = field(default=0, compare=False)

    def text(self) -> str:
        """For people, on one line."""
        return f"{self.seller} as {self.provider or OWN} {_days(self)} ({self.source})"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Everything that a file says."""

    mappings: tuple[Seller, ...] = ()
    prices: tuple[Override, ...] = ()
    content: bytes = field(default=b"", compare=False)
    """The file; empty where there is none."""

    @property
    def sha256(self) -> str:
        """Of the file; empty where there is none."""
        return hashlib.sha256(self.content).hexdigest() if self.content else ""

    @property
    def sellers(self) -> tuple[str, ...]:
        """Those that no list knows: mapped ones, and hosts with prices of their own."""
        hosts = (one.seller for one in self.prices if one.seller.startswith(HOST))
        return tuple(dict.fromkeys([*(one.seller for one in self.mappings), *hosts]))

    def mappings_of(self, seller: str) -> tuple[Seller, ...]:
        """By whose lists a seller's calls are priced; their days do not overlap."""
        return tuple(one for one in self.mappings if one.seller == seller)

    def of(self, seller: str) -> tuple[Override, ...]:
        """Prices stated for a seller."""
        return tuple(one for one in self.prices if one.seller == seller)

    def texts(self) -> list[str]:
        """All of it for people, a line each."""
        return [*(one.text() for one in self.mappings), *(one.text() for one in self.prices)]

    def within(self, first: date, end: date) -> list[Seller | Override]:
        """What is said of these days (the last one excluded), whatever lines and sources say."""
        said: list[Seller | Override] = []
        entries: list[Seller | Override] = [*self.mappings, *self.prices]
        for one in entries:
            begins, ends = max(one.from_day, first), min(one.until_day, end)
            if begins < ends:
                said.append(replace(one, from_day=begins, until_day=ends, source="", line=0))
        return sorted(said, key=repr)


def reached(before: Overrides, after: Overrides, month: str) -> bool:
    """Whether a change says anything else of a month's days."""
    first = date.fromisoformat(f"{month}-01")
    end = (first + timedelta(days=31)).replace(day=1)
    return before.within(first, end) != after.within(first, end)


def _price(stated: Stated) -> str:
    texts = [f"{stated.price_usd:f} per {stated.per:,}"]
    texts += [f"{price:f} per {per:,} above {tokens:,} tokens" for tokens, price, per in stated.above]
    return ", ".join(texts)


def _days(one: Override | Seller) -> str:
    begins = "" if one.from_day == BEGINNING else f"from {one.from_day}"
    return begins + ("" if one.until_day == END else f" until {one.until_day}")
