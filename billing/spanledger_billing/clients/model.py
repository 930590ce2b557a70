"""Clients and their terms as they hold: every stretch says everything, whatever the file left out.

All amounts are `Decimal`. A day is a date by the client's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spanledger_billing.clients.days import ZoneFrom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

USD: Final = "USD"
ANY: Final = ""
"""Stands in an override for a provider, model or unit that it does not name."""


class PlanKind(StrEnum):
    MARKUP = "markup"
    """Cost and one percentage."""
    TIERS = "tiers"
    """Cost and a percentage that falls (or rises) with the month's cost."""
    FLAT_FEE = "flat_fee"
    """A fee that includes all usage."""
    ALLOWANCE = "allowance"
    """A fee that includes so much usage; beyond it, cost and a percentage."""


class Basis(StrEnum):
    CHARGE = "charge"
    COST = "cost"


@dataclass(frozen=True, slots=True, order=True)
class Tier:
    """The markup on the part of a month's cost from here to the next tier."""

    from_cost_usd: Decimal
    markup_percent: Decimal


@dataclass(frozen=True, slots=True)
class Override:
    """The markup of some usage, in place of the plan's. It counts neither toward tiers nor the allowance."""

    markup_percent: Decimal
    provider: str = ANY
    model: str = ANY
    """Exact, or what a model's name begins with where it ends with `*`."""
    unit: str = ANY

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.provider, self.model, self.unit)

    @property
    def prefix(self) -> str | None:
        """What a model's name must begin with; None where the model is exact or any."""
        return self.model.removesuffix("*") if self.model.endswith("*") else None

    @property
    def rank(self) -> tuple[int, int, bool, bool]:
        """The higher one wins: an exact model, then the longest beginning of one, a unit, a provider."""
        exact = self.model != ANY and self.prefix is None
        return (
            2 if exact else int(self.model != ANY),
            len(self.model),
            self.unit != ANY,
            self.provider != ANY,
        )

    def matches(self, provider: str, model: str, unit: str) -> bool:
        prefix = self.prefix
        return (
            self.provider in (ANY, provider)
            and self.unit in (ANY, unit)
            and (self.model in (ANY, model) if prefix is None else model.startswith(prefix))
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How usage becomes a charge, in one form for all kinds.

    The charge of a month under one plan: `fee`, plus what is beyond `allowance_cost_usd` of its cost marked
    up tier by tier, plus usage under overrides marked up by these, but no less than `minimum`. A flat fee
    that includes all usage has no tiers. Fee and minimum are in the client's currency, the rest in USD.
    """

    kind: PlanKind
    tiers: tuple[Tier, ...] = ()
    """By ascending cost; the first begins at 0 (of what is beyond the allowance)."""
    fee: Decimal = Decimal(0)
    allowance_cost_usd: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    overrides: tuple[Override, ...] = ()
    """The most specific first: the first that matches wins."""

    def markup_override(self, provider: str, model: str, unit: str) -> Override | None:
        """The override in force for such usage."""
        return next((one for one in self.overrides if one.matches(provider, model, unit)), None)


@dataclass(frozen=True, slots=True)
class Tax:
    name: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Budget:
    """A client's limit for its month: in its currency on charge, in USD on cost. Never divided by days."""

    amount: Decimal
    basis: Basis = Basis.CHARGE
    thresholds_percent: tuple[Decimal, ...] = (Decimal(80), Decimal(100))
    """Ascending; each is alerted at."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A stretch of days under one set of terms."""

    from_day: date
    """The first day; begins at its local midnight."""
    until_day: date | None
    """The first day after it; None while it goes on."""
    timezone: str
    currency: str
    plan: Plan
    tax: Tax | None = None
    budget: Budget | None = None
    hide_cost: bool = False
    """Whether the client's statements leave out cost and markup."""
    incomplete_tolerance_percent: Decimal = Decimal(1)
    """The share of a month's calls that may be incomplete when it is closed."""

    def covers(self, day: date) -> bool:
        return self.from_day <= day and (self.until_day is None or day < self.until_day)


@dataclass(frozen=True, slots=True)
class Contact:
    name: str = ""
    email: str = ""
    address: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """Whom the agency bills."""

    id: str
    name: str
    terms: tuple[Terms, ...]
    """By ascending day; at least one; they never overlap."""
    contact: Contact = Contact()
    tax_id: str = ""
    reference: str = ""
    """What the client wants to read on its statement, such as an order's number."""

    @property
    def zones(self) -> tuple[ZoneFrom, ...]:
        """The client's zones, each with the day from which it holds."""
        changes: list[ZoneFrom] = []
        for terms in self.terms:
            if not changes or changes[-1].zone != terms.timezone:
                changes.append(ZoneFrom(terms.timezone, terms.from_day))
        return tuple(changes)

    def terms_on(self, day: date) -> Terms | None:
        """The terms in force on a local day."""
        return next((terms for terms in self.terms if terms.covers(day)), None)


@dataclass(frozen=True, slots=True)
class Agency:
    """Who bills."""

    name: str
    timezone: str = ""
    """Empty: the one that the ledger already has."""
    address: tuple[str, ...] = ()
    email: str = ""
    tax_id: str = ""
    logo: str = ""
    """Path of a picture; absolute where the file was read from a folder."""
    colour: str = ""
    """#rrggbb; empty: the template's own."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Words of the statement's template in place of its own."""


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """What one USD is in another currency from a day on, until the next rate of that currency."""

    currency: str
    from_day: date
    units_per_usd: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Roster:
    """All that `clients.yaml` says."""

    agency: Agency
    clients: tuple[Client, ...] = ()
    """By id."""
    exchange_rates: tuple[ExchangeRate, ...] = ()
    """By currency and day."""

    def client(self, client_id: str) -> Client | None:
        return next((client for client in self.clients if client.id == client_id), None)

    def rate_on(self, currency: str, day: date) -> ExchangeRate | None:
        """The rate in force on a day; None for USD, which needs none, and where none is in force yet."""
        found = [rate for rate in self.exchange_rates if rate.currency == currency and rate.from_day <= day]
        return found[-1] if found else None

    def __iter__(self) -> Iterator[Client]:
        return iter(self.clients)
