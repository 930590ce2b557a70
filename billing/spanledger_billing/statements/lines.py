"""What a statement's total is made of: one class for each kind of line.

All money is `Money` in the client's currency, already rounded to it; nothing here rounds or converts. A
label, like everything else that `OF_THE_AGENCY` does not name, is for the client's eyes.

What is not known is None, never zero.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeVar

from spanledger_billing.money import Money, checked, percentage_of
from spanledger_billing.usage import input_tokens, output_tokens

OF_THE_AGENCY: Final = frozenset(
    {"cost", "cost_usd", "markup", "markup_percent", "usage_markup", "margin", "detail", "reasons"}
)
"""What no client's copy holds, whatever line it stands in."""

Line = TypeVar("Line", "ModelLine", "FeeLine", "Adjustment", "Gap")


def without_cost(line: Line) -> Line:
    """The line with its defaults for all that is the agency's."""
    return replace(line, **{f.name: _default(f) for f in fields(line) if f.name in OF_THE_AGENCY})


def _default(of: Field[Any]) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


@dataclass(frozen=True)
class ModelLine:
    """The usage of one model."""

    provider: str
    model: str
    calls: int
    units: Mapping[str, Decimal] = field(default_factory=dict)
    """Billable unit -> quantity; they never overlap."""
    charge: Money | None = None
    """None where no part of the usage has a price yet."""
    cost: Money | None = None
    """What the providers charge the agency, in the client's currency at the statement's rate."""
    cost_usd: Decimal | None = None
    """The same, exact, before conversion and rounding: the figure that `spanledger usage` shows."""
    markup_percent: Decimal | None = None
    """Where the terms have one percentage for all of this line's usage."""
    unpriced_calls: int = 0
    incomplete_calls: int = 0

    DERIVED: ClassVar = ("input_tokens", "output_tokens", "markup")

    def __post_init__(self) -> None:
        for quantity in (*self.units.values(), self.cost_usd, self.markup_percent):
            if quantity is not None:
                checked(quantity)
        if self.charge is None and not (self.unpriced_calls or self.incomplete_calls):
            raise ValueError(
                f"{self.provider} {self.model} has no charge, and none of its {self.calls} calls is unpriced "
                "or incomplete; allowed: a charge, or the number of calls for which it is not known"
            )

    @property
    def input_tokens(self) -> Decimal:
        return input_tokens(self.units)

    @property
    def output_tokens(self) -> Decimal:
        return output_tokens(self.units)

    @property
    def markup(self) -> Money | None:
        """Charge less cost; negative where the terms bill less than the usage cost."""
        return None if self.charge is None or self.cost is None else self.charge - self.cost


@dataclass(frozen=True)
class FeeLine:
    """A fee of the terms: flat, beside usage, or overage; or what a monthly minimum adds."""

    label: str
    amount: Money
    detail: str = ""
    """How it was reckoned; may speak of cost and markup."""


@dataclass(frozen=True)
class Adjustment:
    """A correction of a closed month: what that month comes to now, less everything billed for it."""

    corrects: str
    """The closed month, YYYY-MM."""
    reason: str
    """Why, for the client: late calls, new prices."""
    amount: Money
    detail: str = ""

    def __post_init__(self) -> None:
        checked_month(self.corrects)


@dataclass(frozen=True)
class Tax:
    """A percentage of what stands above it."""

    label: str
    percent: Decimal
    base: Money
    amount: Money

    def __post_init__(self) -> None:
        expected = Money.rounded(percentage_of(self.percent, self.base.amount), self.base.currency)
        if self.amount != expected:
            raise SumError(f"{self.label}: {self.percent} % of {self.base}", expected, self.amount)


class GapKind(StrEnum):
    """Why a total is not the whole truth."""

    UNPRICED = "unpriced"
    """Usage is known, its price is not: not in the total."""
    INCOMPLETE = "incomplete"
    """Usage is missing or was cut short: in the total with what was proven."""
    REFUSED = "refused"
    """The provider refused before any output: never billed."""
    UNATTRIBUTED = "unattributed"
    """Calls inside the month that name no client: the agency's to settle, nothing of this client's."""
    UNKNOWN_CLIENT = "unknown_client"
    """Calls inside the month that name a client without terms."""

    @property
    def of_this_client(self) -> bool:
        return self not in (GapKind.UNATTRIBUTED, GapKind.UNKNOWN_CLIENT)


@dataclass(frozen=True)
class Gap:
    """Calls that the total leaves out or knows only in part; shown beside it."""

    kind: GapKind
    calls: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reason -> calls, in the ledger's words."""


class SumError(ValueError):
    """Figures that do not add up: what they are, what was expected, what was found, the difference."""

    def __init__(self, what: str, expected: Money, found: Money) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}, difference {found - expected}")
        self.expected = expected
        self.found = found


def checked_month(month: str) -> str:
    """The month itself.

    Raises:
        ValueError: it is not written YYYY-MM.

    """
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise ValueError(f"found the month {month!r}; allowed: YYYY-MM")
    return month
