"""A statement: a client's month as a document, draft until closed, then frozen.

It holds all that is written about the month and where it adds up it is checked at construction, so no
format can show figures that contradict each other:

    total       = charges of the models + fees + minimum + adjustments + taxes
    the days    = charges of the models + fees + minimum
    markup      = charge - cost

Same document, same bytes in every format: nothing is read from the clock, the machine or its settings.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Self

from spanledger_billing.money import Money, checked, currency_exponent, exact_sum, percent_change
from spanledger_billing.statements.lines import (
    Adjustment,
    FeeLine,
    Gap,
    ModelLine,
    SumError,
    Tax,
    checked_month,
    without_cost,
)


class Status(StrEnum):
    DRAFT = "draft"
    CLOSED = "closed"


class Copy(StrEnum):
    """What a copy of a statement shows."""

    FULL = "full"
    """Cost and markup too."""
    CHARGES = "charges"
    """What is charged, and nothing of what it cost the agency."""


@dataclass(frozen=True)
class Agency:
    """Who bills. `texts` replaces words of the template; its keys stand at the template's head."""

    name: str
    address: tuple[str, ...] = ()
    email: str = ""
    tax_id: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    logo: str = ""
    """Path of a PNG, JPEG, GIF, WebP or SVG file; empty for none."""
    colour: str = ""
    """#rrggbb; empty for the template's own."""

    def __post_init__(self) -> None:
        if not re.fullmatch("(#[0-9a-fA-F]{6})?", self.colour):
            raise ValueError(f"the agency's colour is {self.colour!r}; allowed: # and six hexadecimal digits")


@dataclass(frozen=True)
class Client:
    """Who is billed."""

    id: str
    name: str
    contact: str = ""
    email: str = ""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    reference: str = ""
    """What the client wants to read on its statement."""
    copy: Copy = Copy.CHARGES
    """The copy that the terms let this client see."""


@dataclass(frozen=True)
class Period:
    """The month by the client's clock. `end` is the first instant that is not part of it."""

    month: str
    start: datetime
    end: datetime
    timezone: str

    DERIVED: ClassVar = ("first_day", "last_day")

    def __post_init__(self) -> None:
        checked_month(self.month)
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"the period of {self.month} has no offset from UTC; allowed: aware times")
        if self.first_day.strftime("%Y-%m") != self.month or self.last_day.strftime("%Y-%m") != self.month:
            raise ValueError(
                f"the period {self.start.isoformat()} to {self.end.isoformat()} is not {self.month}; "
                "allowed: the start and end of that month in the client's timezone"
            )

    @property
    def first_day(self) -> date:
        return self.start.date()

    @property
    def last_day(self) -> date:
        return (self.end - timedelta(microseconds=1)).date()


@dataclass(frozen=True)
class Rate:
    """What one USD is in the client's currency, in force at the month's end."""

    per_usd: Decimal
    day: date
    source: str

    def __post_init__(self) -> None:
        if checked(self.per_usd) <= 0:
            raise ValueError(f"the exchange rate is {self.per_usd}; allowed: more than 0")


@dataclass(frozen=True)
class Day:
    """The charge of one local day."""

    day: date
    charge: Money


@dataclass(frozen=True)
class Previous:
    """The month before, as its statement has it."""

    month: str
    total: Money
    calls: int

    def __post_init__(self) -> None:
        checked_month(self.month)


@dataclass(frozen=True)
class Statement:
    """One client's month.

    Raises:
        SumError: the lines do not add up to the total, or the days not to the month's charge.
        ValueError: an amount in another currency, or whatever else contradicts itself.

    """

    agency: Agency
    client: Client
    number: str
    period: Period
    status: Status
    currency: str
    total: Money
    models: tuple[ModelLine, ...] = ()
    fees: tuple[FeeLine, ...] = ()
    minimum: FeeLine | None = None
    adjustments: tuple[Adjustment, ...] = ()
    taxes: tuple[Tax, ...] = ()
    rate: Rate | None = None
    """None where the currency is USD."""
    gaps: tuple[Gap, ...] = ()
    previous: Previous | None = None
    days: tuple[Day, ...] = ()
    """In order; of an open month those so far. Empty where there is nothing to draw."""
    copy: Copy = Copy.FULL
    """Which copy this is. In a client's copy, None for a cost says nothing."""

    DERIVED: ClassVar = (
        "currency_exponent",
        "calls",
        "usage_charge",
        "usage_markup",
        "charge",
        "net",
        "cost",
        "cost_usd",
        "margin",
        "change",
        "change_percent",
    )

    def __post_init__(self) -> None:
        for money in self._amounts():
            if money.currency != self.currency:
                raise ValueError(f"found {money} in a statement in {self.currency}; allowed: one currency")
        if (self.rate is None) != (self.currency == "USD"):
            raise ValueError(
                f"the statement is in {self.currency} and its rate is {self.rate}; "
                "allowed: a rate where the currency is not USD, and only there"
            )
        if self.copy is Copy.CHARGES and any(
            getattr(self, name) != shown for name, shown in self._without_cost().items()
        ):
            raise ValueError(f"a client's copy of {self.number} has cost in it; use Statement.for_client")
        expected = Money.total((self.net, *(tax.amount for tax in self.taxes)), self.currency)
        if self.total != expected:
            raise SumError(f"the lines of {self.number} do not add up to its total", expected, self.total)
        self._check_days()

    def _check_days(self) -> None:
        days = [day.day for day in self.days]
        if days != sorted(set(days)) or any(
            not self.period.first_day <= day <= self.period.last_day for day in days
        ):
            raise ValueError(f"the days of {self.number} are not days of {self.period.month} in their order")
        if self.days:
            found = Money.total((day.charge for day in self.days), self.currency)
            if found != self.charge:
                raise SumError(f"the days of {self.number} do not add up to its charge", self.charge, found)

    def _amounts(self) -> Iterator[Money]:
        yield self.total
        for line in self.models:
            yield from (money for money in (line.charge, line.cost) if money is not None)
        for fee in self._fees():
            yield fee.amount
        for adjustment in self.adjustments:
            yield adjustment.amount
        for tax in self.taxes:
            yield from (tax.base, tax.amount)
        for day in self.days:
            yield day.charge

    @property
    def currency_exponent(self) -> int:
        return currency_exponent(self.currency)

    @property
    def calls(self) -> int:
        return sum(line.calls for line in self.models)

    @property
    def usage_charge(self) -> Money:
        """Of the models whose charge is known."""
        return self._sum(line.charge for line in self.models)

    @property
    def usage_markup(self) -> Money | None:
        """Of the models whose charge and cost are known; None where the cost is."""
        return None if self.cost is None else self._sum(line.markup for line in self.models)

    @property
    def charge(self) -> Money:
        """What the month itself comes to: models, fees and minimum."""
        return self._sum((self.usage_charge, *(line.amount for line in self._fees())))

    @property
    def net(self) -> Money:
        """The charge with its adjustments, before tax."""
        return Money.total((self.charge, *(line.amount for line in self.adjustments)), self.currency)

    @property
    def cost(self) -> Money | None:
        """Of the models whose cost is known; None where it is hidden, or known of none of them."""
        known = any(line.cost is not None for line in self.models)
        return self._sum(line.cost for line in self.models) if known or self._costs_nothing else None

    @property
    def cost_usd(self) -> Decimal | None:
        known = [line.cost_usd for line in self.models if line.cost_usd is not None]
        return exact_sum(known) if known or self._costs_nothing else None

    @property
    def _costs_nothing(self) -> bool:
        return self.copy is Copy.FULL and not self.models

    @property
    def margin(self) -> Money | None:
        """Charge of the month less its cost; None where the cost is."""
        return None if self.cost is None else self.charge - self.cost

    @property
    def change(self) -> Money | None:
        """Total less the previous month's; None where there is none to compare with."""
        if self.previous is None or self.previous.total.currency != self.currency:
            return None
        return self.total - self.previous.total

    @property
    def change_percent(self) -> Decimal | None:
        """Of the previous month's total, to a tenth, half-up; None where that is not above zero."""
        if self.previous is None or self.change is None or self.previous.total.amount <= 0:
            return None
        return percent_change(self.previous.total.amount, self.total.amount)

    def _fees(self) -> tuple[FeeLine, ...]:
        return (*self.fees, self.minimum) if self.minimum else self.fees

    def _sum(self, amounts: Iterable[Money | None]) -> Money:
        return Money.total((amount for amount in amounts if amount is not None), self.currency)

    def for_client(self) -> Self:
        """The document with what the client should see: no cost, no markup, nothing of other clients."""
        return replace(self, copy=Copy.CHARGES, **self._without_cost())

    def _without_cost(self) -> dict[str, Any]:
        return {
            "models": tuple(without_cost(line) for line in self.models),
            "fees": tuple(without_cost(fee) for fee in self.fees),
            "minimum": without_cost(self.minimum) if self.minimum else None,
            "adjustments": tuple(without_cost(line) for line in self.adjustments),
            "gaps": tuple(without_cost(gap) for gap in self.gaps if gap.kind.of_this_client),
        }
