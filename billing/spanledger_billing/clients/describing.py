"""Terms in words, for people: what `clients show` prints and a difference is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spanledger_billing.clients.model import ANY, USD, Basis, Budget, Override, Plan, PlanKind, Tax, Terms
from spanledger_billing.money import plain

if TYPE_CHECKING:
    from decimal import Decimal

NONE: Final = "none"


def figure(number: Decimal) -> str:
    """A number with its thousands apart."""
    whole, point, fraction = plain(number).partition(".")
    return f"{int(whole):,}{point}{fraction}"


def percent(number: Decimal) -> str:
    return f"{figure(number)} %"


def plan(terms_plan: Plan, currency: str) -> str:
    """A plan on one line, overrides left out."""
    fee = f"{figure(terms_plan.fee)} {currency}"
    if terms_plan.kind is PlanKind.FLAT_FEE:
        return f"{fee} for all usage"
    usage = _usage(terms_plan)
    if terms_plan.kind is PlanKind.ALLOWANCE:
        allowance = f"{figure(terms_plan.allowance_cost_usd)} {USD}"
        text = f"{fee} for {allowance} of cost, beyond it {usage}"
    elif terms_plan.fee:
        text = f"{fee} and {usage}"
    else:
        text = usage
    return f"{text}, at least {figure(terms_plan.minimum)} {currency}" if terms_plan.minimum else text


def _usage(terms_plan: Plan) -> str:
    first, *rest = terms_plan.tiers
    steps = [f"{percent(tier.markup_percent)} from {figure(tier.from_cost_usd)} {USD}" for tier in rest]
    return f"cost + {', '.join([percent(first.markup_percent), *steps])}"


def override(one: Override) -> str:
    named = " ".join(text for text in one.key if text != ANY)
    return f"{named}: {percent(one.markup_percent)}"


def tax(given: Tax | None) -> str:
    return NONE if given is None else f"{given.name} {percent(given.percent)}"


def budget(given: Budget | None, currency: str) -> str:
    if given is None:
        return NONE
    unit = USD if given.basis is Basis.COST else currency
    thresholds = ", ".join(figure(one) for one in given.thresholds_percent)
    return f"{figure(given.amount)} {unit} of {given.basis}, alerts at {thresholds} %"


def terms(given: Terms) -> dict[str, str]:
    """What holds in a stretch, by what it is called; the days are not in it."""
    return {
        "plan": plan(given.plan, given.currency),
        "overrides": "; ".join(override(one) for one in given.plan.overrides) or NONE,
        "currency": given.currency,
        "timezone": given.timezone,
        "tax": tax(given.tax),
        "budget": budget(given.budget, given.currency),
        "statements": "without cost and markup" if given.hide_cost else "with cost and markup",
        "incomplete tolerance": percent(given.incomplete_tolerance_percent),
    }
