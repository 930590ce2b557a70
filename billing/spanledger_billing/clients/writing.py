"""From a roster back to the file: what `clients export` prints, and reading it gives the same roster."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from spanledger_billing.clients.model import (
    Agency,
    Budget,
    Client,
    Override,
    Plan,
    PlanKind,
    Roster,
    Tax,
    Terms,
)
from spanledger_billing.clients.shapes import NOTHING
from spanledger_billing.money import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Dumper(yaml.SafeDumper):
    """Decimals stand as they are: PyYAML's own floats would lose digits."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _decimal(dumper: yaml.SafeDumper, number: Decimal) -> yaml.Node:
    text = plain(number)
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_representer(Decimal, _decimal)


def write(roster: Roster) -> str:
    """The roster as YAML; every stretch of terms says everything."""
    content = {
        "agency": _given(roster.agency),
        "exchange_rates": [
            {
                "currency": rate.currency,
                "from": rate.from_day,
                "units_per_usd": rate.units_per_usd,
                "source": rate.source,
            }
            for rate in roster.exchange_rates
        ],
        "clients": [client_content(client) for client in roster],
    }
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _given(value: Agency | Any) -> dict[str, Any]:
    """The fields that are not empty."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: list(one) if isinstance(one, tuple) else dict(one) if name == "texts" else one
        for name, one in found.items()
        if one or name == "name"
    }


def client_content(client: Client) -> dict[str, Any]:
    """A client as the file has it; every stretch of terms says everything."""
    first = client.terms[0]
    contact = {key: value for key, value in _given(client.contact).items() if value}
    optional = {"contact": contact, "tax_id": client.tax_id, "reference": client.reference}
    return {
        "id": client.id,
        "name": client.name,
        **{key: value for key, value in optional.items() if value},
        "timezone": first.timezone,
        "currency": first.currency,
        "terms": [terms_content(terms) for terms in client.terms],
    }


def terms_content(terms: Terms) -> dict[str, Any]:
    """A stretch of terms as the file has it, whole."""
    return {
        "from": terms.from_day,
        **({} if terms.until_day is None else {"until": terms.until_day}),
        "timezone": terms.timezone,
        "currency": terms.currency,
        "plan": _plan(terms.plan),
        "tax": _tax(terms.tax),
        "budget": _budget(terms.budget),
        "hide_cost": terms.hide_cost,
        "incomplete_tolerance_percent": terms.incomplete_tolerance_percent,
    }


def _tax(tax: Tax | None) -> Mapping[str, Any] | str:
    return NOTHING if tax is None else {"name": tax.name, "percent": tax.percent}


def _budget(budget: Budget | None) -> Mapping[str, Any] | str:
    if budget is None:
        return NOTHING
    return {
        "amount": budget.amount,
        "basis": budget.basis.value,
        "alert_at_percent": list(budget.thresholds_percent),
    }


def _plan(plan: Plan) -> dict[str, Any]:
    if plan.kind is PlanKind.FLAT_FEE:
        return {"flat_fee": plan.fee}
    if plan.kind is PlanKind.ALLOWANCE:
        content: dict[str, Any] = {
            "flat_fee": plan.fee,
            "allowance_cost_usd": plan.allowance_cost_usd,
            "overage_markup_percent": plan.tiers[0].markup_percent,
        }
    elif plan.kind is PlanKind.TIERS:
        content = {
            "tiers": [
                {"from_cost_usd": tier.from_cost_usd, "markup_percent": tier.markup_percent}
                for tier in plan.tiers
            ]
        }
    else:
        content = {"markup_percent": plan.tiers[0].markup_percent}
    if plan.fee and plan.kind is not PlanKind.ALLOWANCE:
        content["fixed_fee"] = plan.fee
    if plan.minimum:
        content["minimum"] = plan.minimum
    if plan.overrides:
        content["overrides"] = [_override(one) for one in plan.overrides]
    return content


def _override(one: Override) -> dict[str, Any]:
    named = {"provider": one.provider, "model": one.model, "unit": one.unit}
    return {**{key: value for key, value in named.items() if value}, "markup_percent": one.markup_percent}
