"""What a seller sells: its models, the names and patterns by which they go, and what they cost.

Sellers are the providers of the published list and those that the operator adds: hosts and providers whose
calls are priced as another's, or by the operator's own prices alone. Where overrides are about some of a
model's names only, these names mean a model of their own: the published one with other prices on top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from genai_prices import types as published

from spanledger_billing.prices import cards as card_making
from spanledger_billing.prices import naming
from spanledger_billing.prices.errors import PriceListError
from spanledger_billing.prices.naming import Rule
from spanledger_billing.prices.overrides import BEGINNING, END

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from genai_prices.units import UnitRegistry

    from spanledger_billing.prices.cards import Card
    from spanledger_billing.prices.overrides import Override


@dataclass(frozen=True, slots=True)
class Model:
    """A model as one seller sells it."""

    provider: str
    """Who sells it."""
    owner: str
    key: str
    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Sold:
    """All that a seller sells."""

    seller: str
    models: Sequence[Model]
    names: Mapping[str, str]
    """Name, in lower case -> the model's key."""
    rules: Sequence[Rule]


@dataclass(frozen=True, slots=True)
class Market:
    """The published list."""

    providers: Sequence[published.Provider]
    registry: UnitRegistry
    places: Mapping[str, Mapping[str, str]]


@dataclass(slots=True)
class _Stall:
    """What one seller sells, while it is put together."""

    market: Market
    seller: str
    lister: published.Provider | None
    """Whose list it sells by; None where only overrides say what there is."""
    overrides: Sequence[Override]
    """From the lowest to the highest: of several prices of a unit the last one counts."""
    within: tuple[date, date]
    models: dict[str, Model] = field(default_factory=dict)

    def listed(self) -> list[tuple[str, published.Provider, published.ModelInfo]]:
        """(key, owner, model) of each model that the list has."""
        if self.lister is None:
            return []
        sold = naming.sold_by(self.lister, self.market.providers)
        return [(naming.key(self.lister, owner, model), owner, model) for owner, model in sold]

    def covering(self, *names: str) -> list[Override]:
        """The overrides of a model with these names."""
        return [one for one in self.overrides if any(one.covers(name.lower()) for name in names)]

    def add(
        self,
        key: str,
        base: tuple[published.Provider, published.ModelInfo] | None,
        overrides: Sequence[Override],
    ) -> str:
        """The key of the model that has a published one's prices, or none, with these overrides on top."""
        if key not in self.models:
            owner, model = base or (None, _NOTHING)
            try:
                made = card_making.cards(
                    owner or _NOBODY,
                    model,
                    registry=self.market.registry,
                    places=self.market.places,
                    circumstances=owner is not None and owner is self.lister,
                    overrides=overrides,
                    within=self.within if base else (BEGINNING, BEGINNING),
                )
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as failure:
                name = f"{owner.id}/{model.id}" if owner else f"{self.seller}/{key}"
                raise PriceListError(f"{name}: {failure}") from failure
            self.models[key] = Model(self.seller, owner.id if owner else self.seller, key, made)
        return key


_NOBODY = published.Provider(id="", name="", api_pattern="", models=[])
_NOTHING = published.ModelInfo(id="", match=published.ClauseEquals(equals=""), prices=published.ModelPrice())


def sell(
    market: Market,
    seller: str,
    lister: published.Provider | None,
    overrides: Iterable[Override] = (),
    within: tuple[date, date] = (BEGINNING, END),
    *,
    over: Iterable[Override] = (),
) -> Sold:
    """All that a seller sells.

    Args:
        market: the published list.
        seller: what the ledger calls it.
        lister: the provider by whose list it sells, itself where it is one; None where there is none.
        overrides: what the operator states of its models.
        within: the days on which it sells by that list.
        over: what the operator states of its models above these.

    Raises:
        PriceListError: an entry is not as expected; it is named.

    """
    ordered = [*sorted(overrides, key=_rank), *sorted(over, key=_rank)]
    stall = _Stall(market, seller, lister, ordered, within)
    listed = {key: (owner, model) for key, owner, model in stall.listed()}
    for key, (owner, model) in listed.items():
        stall.add(key, (owner, model), stall.covering(model.id))

    names = dict(naming.names(lister, market.providers)) if lister else {}
    keys = {id(model): key for key, (_, model) in listed.items()}
    for one in ordered:
        if one.prefix is None and one.model not in names:
            found = lister.find_model(one.model, all_providers=list(market.providers)) if lister else None
            names[one.model] = keys[id(found)] if found is not None else ""
    for name, key in names.items():
        base = listed.get(key)
        own = stall.covering(name, *([base[1].id] if base else []))
        if base is None:
            names[name] = stall.add(name, None, own)
        elif own != stall.covering(base[1].id):
            names[name] = stall.add(f"{key} as {name}", base, own)
    rules = _rules(stall, listed)
    return Sold(seller, list(stall.models.values()), names, rules)


def _rank(one: Override) -> tuple[bool, int, date]:
    """What is about one model counts before what is about many, and what begins later before the earlier."""
    return one.prefix is None, len(one.model), one.from_day


def _rules(stall: _Stall, listed: Mapping[str, tuple[published.Provider, published.ModelInfo]]) -> list[Rule]:
    """The patterns, in the order in which they are tried."""
    try:
        rules = naming.rules(stall.lister, stall.market.providers) if stall.lister else []
    except ValueError as failure:
        raise PriceListError(str(failure)) from failure
    prefixes = sorted(
        {one.prefix for one in stall.overrides if one.prefix is not None}, key=lambda each: (-len(each), each)
    )
    narrowed, unlisted = [], []
    for prefix in prefixes:
        begins = f"^{re.escape(prefix)}"
        for rule in rules:
            base = listed[rule.model]
            own = stall.covering(prefix, base[1].id)
            if own != stall.covering(base[1].id) and naming.may_meet((begins,), rule.must):
                key = stall.add(f"{rule.model} as {prefix}*", base, own)
                narrowed.append(replace(rule, must=(begins, *rule.must), model=key))
        own = stall.covering(prefix)
        if any(one.prices for one in own):
            unlisted.append(Rule((begins,), (), stall.add(f"{prefix}*", None, own)))
    return [*narrowed, *rules, *unlisted]
