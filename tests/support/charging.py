"""What a client owes, reckoned in Python: fractions that never round, a loop where the views have arrays.

It follows the words of the terms and nothing of the SQL. Where a share of a whole has to be cut to a decimal the
rule is the ledger's: a part's charge times the month's days to 8 decimals.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any

from spanledger_billing.clients.model import PlanKind
from spanledger_billing.money import EXPONENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from spanledger_billing.clients.model import Client, Plan, Terms

Key = tuple[str, str, str, str]
"""Kind, stretch's first day (empty for usage), provider, model."""


@dataclass(frozen=True)
class Used:
    """The cost of one unit of one model on one local day."""

    day: date
    provider: str
    model: str
    unit: str
    cost_usd: Decimal


@dataclass
class Line:
    """A line with its units, in the smallest coins of its measure."""

    amount: int
    units: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Owed:
    """A client's month."""

    currency: str
    lines: Mapping[str, Mapping[Key, Line]]
    """Measure (charge, cost, charge_usd, cost_usd) -> line -> amount."""
    totals: Mapping[str, int]
    days: Mapping[date, int]
    """Day -> charge; the stretches' first days and the days with usage."""


def charge_of(
    plan: Plan, share: Fraction, used: Sequence[Used], rate: Fraction
) -> tuple[Fraction, Fraction, Fraction]:
    """(fee, charge of usage, what the minimum adds) of a stretch, in the client's currency."""
    plain = overridden = Fraction(0)
    for one in used:
        override = plan.markup_override(one.provider, one.model, one.unit)
        if override is None:
            plain += Fraction(one.cost_usd)
        else:
            overridden += Fraction(one.cost_usd) * (1 + Fraction(override.markup_percent) / 100)
    usage = (tiered(plan, share, plain) + overridden) * rate
    fee = Fraction(plan.fee) * share
    return fee, usage, max(Fraction(plan.minimum) * share - fee - usage, Fraction(0))


def tiered(plan: Plan, share: Fraction, cost: Fraction) -> Fraction:
    """The cost beyond the allowance, each dollar of it marked up by the tier that it falls into."""
    left = max(cost - Fraction(plan.allowance_cost_usd) * share, Fraction(0))
    charge = Fraction(0)
    for tier in reversed(plan.tiers):
        above = max(left - Fraction(tier.from_cost_usd) * share, Fraction(0))
        charge += above * (1 + Fraction(tier.markup_percent) / 100)
        left -= above
    return charge


def owed(client: Client, days: Sequence[date], used: Sequence[Used], rate: Decimal) -> Owed:
    """The month of these local days."""
    per_usd = Fraction(rate)
    stretches: list[tuple[Terms, list[date]]] = []
    for terms in client.terms:
        covered = [day for day in days if terms.covers(day)]
        if covered:
            stretches.append((terms, covered))
    currency = stretches[-1][0].currency
    total, before = Fraction(0), Fraction(0)
    parts: dict[tuple[Key, str], Fraction] = defaultdict(Fraction)
    costs: dict[tuple[Key, str], Fraction] = defaultdict(Fraction)
    running: dict[date, Fraction] = {}
    for terms, covered in stretches:
        share = Fraction(len(covered), len(days))
        own = [one for one in used if terms.covers(one.day)]
        for day in sorted({covered[0], *(one.day for one in own)}):
            until = [one for one in own if one.day <= day]
            running[day] = before + sum(charge_of(terms.plan, share, until, per_usd))
        fee, usage, top_up = charge_of(terms.plan, share, own, per_usd)
        before += fee + usage + top_up
        total = before
        _allocate(terms.plan, covered[0], own, share=share, rate=per_usd, month_days=len(days), parts=parts)
        for one in own:
            costs[("usage", "", one.provider, one.model), one.unit] += Fraction(one.cost_usd)
    coins = 10 ** EXPONENTS[currency]
    for key in parts:
        costs[key] += 0
    measures = {
        "charge": (total * coins, {key: part / len(days) * coins for key, part in parts.items()}),
        "charge_usd": (
            total / per_usd * 100,
            {key: part / len(days) / per_usd * 100 for key, part in parts.items()},
        ),
        "cost": _scaled(costs, per_usd * coins),
        "cost_usd": _scaled(costs, Fraction(100)),
    }
    totals = {measure: half_up(exact) for measure, (exact, _) in measures.items()}
    rounded = {day: half_up(amount * coins) for day, amount in sorted(running.items())}
    return Owed(
        currency=currency,
        lines={measure: told_apart(totals[measure], exact) for measure, (_, exact) in measures.items()},
        totals=totals,
        days={
            day: amount - earlier
            for (day, amount), earlier in zip(rounded.items(), [0, *list(rounded.values())[:-1]], strict=True)
        },
    )


def _allocate(
    plan: Plan,
    first_day: date,
    own: Sequence[Used],
    *,
    share: Fraction,
    rate: Fraction,
    month_days: int,
    parts: dict[tuple[Key, str], Fraction],
) -> None:
    """Add a stretch's charge to its parts, times the month's days."""
    fee, _, top_up = charge_of(plan, share, own, rate)
    by_unit: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for one in own:
        by_unit[one.provider, one.model, one.unit] += Fraction(one.cost_usd)
    plain = {key: cost for key, cost in by_unit.items() if plan.markup_override(*key) is None}
    whole = sum(plain.values())
    included = plan.kind is PlanKind.FLAT_FEE and whole > 0
    pool = cut((fee if included else tiered(plan, share, whole) * rate) * month_days, 8)
    for (provider, model, unit), cost in by_unit.items():
        override = plan.markup_override(provider, model, unit)
        if override is None:
            amount = cut(pool * cost / whole, 8) if whole else Fraction(0)
        else:
            amount = cut(cost * (1 + Fraction(override.markup_percent) / 100) * rate * month_days, 8)
        parts[("usage", "", provider, model), unit] += amount
    for kind, amount in (("fee", Fraction(0) if included else fee), ("minimum", top_up)):
        if amount > 0:
            parts[(kind, first_day.isoformat(), "", ""), ""] += cut(amount * month_days, 8)


def _scaled(
    costs: Mapping[tuple[Key, str], Fraction], factor: Fraction
) -> tuple[Fraction, dict[tuple[Key, str], Fraction]]:
    return sum(costs.values(), Fraction(0)) * factor, {key: cost * factor for key, cost in costs.items()}


def told_apart(total: int, parts: Mapping[tuple[Key, str], Fraction]) -> dict[Key, Line]:
    """The total among lines, and each line among its units, by largest remainder."""
    lines: dict[Key, dict[str, Fraction]] = defaultdict(dict)
    for (key, unit), amount in parts.items():
        lines[key][unit] = amount
    # Of equal remainders: by kind, provider, model, and the stretch's first day.
    order = {(key[0], key[2], key[3], key[1]): sum(units.values()) for key, units in lines.items()}
    amounts = largest_remainder(total, order)
    return {
        key: Line(
            amounts[key[0], key[2], key[3], key[1]],
            largest_remainder(amounts[key[0], key[2], key[3], key[1]], units),
        )
        for key, units in lines.items()
    }


def largest_remainder(total: int, parts: Mapping[Any, Fraction]) -> dict[Any, int]:
    """Whole numbers that add up to the total."""
    down = {key: floor(part) for key, part in parts.items()}
    missing = total - sum(down.values())
    by_remainder = sorted(parts, key=lambda key: (down[key] - parts[key], key))
    return {key: down[key] + (key in by_remainder[:missing]) for key in parts}


def half_up(amount: Fraction) -> int:
    """Of an amount that is not negative."""
    return floor(amount + Fraction(1, 2))


def cut(amount: Fraction, places: int) -> Fraction:
    return Fraction(floor(amount * 10**places), 10**places)
