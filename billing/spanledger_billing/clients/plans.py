"""From what the file says of a plan to its one form."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from spanledger_billing.clients.model import ANY, Override, Plan, PlanKind, Tier
from spanledger_billing.clients.shapes import check_ascending

if TYPE_CHECKING:
    from spanledger_billing.clients.documents import Problems
    from spanledger_billing.clients.shapes import Found


def resolve(found: Found, problems: Problems) -> Plan | None:
    """The plan in its one form; None where it is none."""
    ways = [key for key in ("markup_percent", "tiers", "flat_fee") if key in found]
    if not ways and found.broken & {"markup_percent", "tiers", "flat_fee"}:
        return None
    if len(ways) != 1:
        problems.add(
            found.line,
            f"plan has {' and '.join(ways) or 'no way to charge usage'}",
            "one of markup_percent, tiers and flat_fee",
            "keep one of them" if ways else "add one of them",
        )
        return None
    flat, allowance = "flat_fee" in found, "allowance_cost_usd" in found
    _check_companions(found, problems, flat=flat, allowance=allowance)
    if found.broken:
        return None
    tiers: tuple[Tier, ...]
    if flat:
        kind = PlanKind.ALLOWANCE if allowance else PlanKind.FLAT_FEE
        tiers = (Tier(Decimal(0), found.get("overage_markup_percent", Decimal(0))),) if allowance else ()
    elif "tiers" in found:
        kind, tiers = PlanKind.TIERS, _tiers(found, problems)
    else:
        kind, tiers = PlanKind.MARKUP, (Tier(Decimal(0), found.get("markup_percent")),)
    return Plan(
        kind=kind,
        tiers=tiers,
        fee=found.get("flat_fee", found.get("fixed_fee", Decimal(0))),
        allowance_cost_usd=found.get("allowance_cost_usd", Decimal(0)),
        minimum=found.get("minimum", Decimal(0)),
        overrides=_overrides(found.get("overrides", ()), problems),
    )


def _check_companions(found: Found, problems: Problems, *, flat: bool, allowance: bool) -> None:
    def refuse(key: str, why: str, next_step: str) -> None:
        problems.add(found.line_of(key), f"plan has {key} {why}", next_step=next_step)

    if flat and "fixed_fee" in found:
        refuse("fixed_fee", "beside flat_fee", "add both fees up in flat_fee")
    for key, other in (
        ("allowance_cost_usd", "overage_markup_percent"),
        ("overage_markup_percent", "allowance_cost_usd"),
    ):
        if key in found and not flat:
            refuse(key, "without flat_fee", "add flat_fee, or remove it")
        elif key in found and other not in found and other not in found.broken:
            refuse(key, f"without {other}", f"add {other}")
    if flat and not allowance and "allowance_cost_usd" not in found.broken:
        for key in ("minimum", "overrides"):
            if key in found:
                refuse(
                    key,
                    "beside a flat_fee that includes all usage",
                    "remove it, or give the fee an allowance",
                )


def _tiers(found: Found, problems: Problems) -> tuple[Tier, ...]:
    given: tuple[Found, ...] = found.get("tiers")
    tiers = tuple(
        Tier(one.get("from_cost_usd"), one.get("markup_percent")) for one in given if not one.broken
    )
    if given and not given[0].broken and tiers[0].from_cost_usd != 0:
        problems.add(
            given[0].line_of("from_cost_usd"),
            f"the first tier begins at {tiers[0].from_cost_usd:f}",
            "from_cost_usd: 0 in the first tier",
            "add the tier for the cost below it",
        )
    starts = tuple(tier.from_cost_usd for tier in tiers)
    check_ascending(found.line_of("tiers"), "from_cost_usd", starts, problems)
    return tiers


def _overrides(given: tuple[Found, ...], problems: Problems) -> tuple[Override, ...]:
    seen: dict[tuple[str, str, str], int] = {}
    made = []
    for found in given:
        if found.broken:
            continue
        override = Override(
            markup_percent=found.get("markup_percent"),
            provider=found.get("provider", ANY),
            model=found.get("model", ANY),
            unit=found.get("unit", ANY),
        )
        if override.key == (ANY, ANY, ANY):
            problems.add(
                found.line,
                "an override of everything",
                "provider, model or unit",
                "add one, or change the plan",
            )
        elif seen.setdefault(override.key, found.line) != found.line:
            problems.add(
                found.line,
                f"a second override of the same usage; the first is on line {seen[override.key]}",
                "each provider, model and unit once",
                "remove one of them",
            )
        made.append(override)
    return tuple(sorted(made, key=lambda one: (*(-int(part) for part in one.rank), one.key)))
