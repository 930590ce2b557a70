"""The whole price list: what the installed genai-prices has, the ledger's facts, the operator's overrides."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.prices import joining, selling, units
from spanledger_billing.prices.errors import PriceListError
from spanledger_billing.prices.joining import Part
from spanledger_billing.prices.overrides import HOST, Overrides
from spanledger_billing.prices.selling import Market, Model, Sold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from genai_prices import types as published

    from spanledger_billing.prices.cards import Card
    from spanledger_billing.prices.naming import Rule

SOURCE = "genai-prices"


@dataclass(frozen=True, slots=True)
class PriceList:
    """Everything that decides what a call costs."""

    source_version: str
    models: Sequence[Model]
    names: Sequence[tuple[str, str, str]]
    """(provider, name, model)"""
    rules: Sequence[tuple[str, Sequence[Rule]]]
    """(provider, its rules)"""
    facts: Sequence[tuple[str, str, str]]
    """(kind, subject, value)"""
    overrides: Overrides
    """What of it the operator stated."""

    @property
    def content_sha256(self) -> str:
        """Of all that is in it, whatever the package's version says."""
        content = [
            [
                [
                    model.provider,
                    model.owner,
                    model.key,
                    [
                        [*_text(card), sorted(card.rates.items()), sorted(card.sources.items())]
                        for card in model.cards
                    ],
                ]
                for model in self.models
            ],
            self.names,
            [
                [provider, [[rule.must, rule.must_not, rule.model] for rule in own]]
                for provider, own in self.rules
            ],
            sorted(self.facts),
        ]
        return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()

    @property
    def version(self) -> str:
        """What a call names that was priced by it."""
        return f"{SOURCE}-{self.source_version}-{self.content_sha256[:8]}"


def _text(card: Card) -> list[str]:
    return [
        str(part)
        for part in (
            card.valid_from, card.valid_until, card.minute_from, card.minute_until, card.processing,
            card.service_tier, card.speed, card.input_tokens_above,
        )
    ]  # fmt: skip


def installed(
    facts: Sequence[tuple[str, str, str]], overrides: Callable[[Mapping[str, str]], Overrides] | None = None
) -> PriceList:
    """The list of the installed package, with the operator's overrides on top.

    Args:
        facts: the ledger's, as (kind, subject, value).
        overrides: gives them, if told under which names the list knows its providers; None: there are none.

    Raises:
        PriceListError: the package is missing, or something in it is not as expected.
        InvalidInputError: the overrides do not fit the list.

    """
    try:
        import genai_prices
        from genai_prices.data import providers
        from genai_prices.data_units import unit_data
        from genai_prices.units import UnitRegistry

        stated = overrides(_known(providers, facts)) if overrides else Overrides()
        return read(providers, UnitRegistry(unit_data), genai_prices.__version__, facts, stated)
    except OperatorError:
        raise
    except Exception as failure:
        raise PriceListError(f"genai-prices cannot be read: {type(failure).__name__}: {failure}") from failure


def _known(providers: Sequence[published.Provider], facts: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Names of providers, as the list has them and as spans do -> as the list has them."""
    listed = {provider.id for provider in providers}
    return {provider: provider for provider in listed} | {
        subject: value for kind, subject, value in facts if kind == "provider" and value in listed
    }


def read(
    providers: Sequence[published.Provider],
    registry: object,
    source_version: str,
    facts: Sequence[tuple[str, str, str]],
    overrides: Overrides | None = None,
) -> PriceList:
    """A price list from genai-prices' providers and units.

    Raises:
        PriceListError: an entry is not as expected; it is named.

    """
    from genai_prices.units import UnitRegistry

    if not isinstance(registry, UnitRegistry) or not providers:
        raise PriceListError("genai-prices holds no providers")
    stated = overrides or Overrides()
    market = Market(providers, registry, units.dimensions(registry.units))
    sold = [selling.sell(market, provider.id, provider, stated.of(provider.id)) for provider in providers]
    more = list(facts)
    for seller in stated.sellers:
        added, about = _added(market, seller, stated, facts)
        sold.append(added)
        more += about
    return PriceList(
        source_version=source_version,
        models=[model for each in sold for model in each.models],
        names=[(each.seller, name, model) for each in sold for name, model in each.names.items()],
        rules=[(each.seller, each.rules) for each in sold if each.rules],
        facts=more,
        overrides=stated,
    )


def _added(
    market: Market, seller: str, stated: Overrides, facts: Sequence[tuple[str, str, str]]
) -> tuple[Sold, list[tuple[str, str, str]]]:
    """What a seller sells that no list knows, and the facts that hold for it."""
    name = seller if seller.startswith(HOST) else f"provider:{seller}"
    mappings = stated.mappings_of(seller)
    own = stated.of(seller)
    parts: list[Part] = []
    about: dict[str, frozenset[tuple[str, str, str]]] = {}
    for lister in market.providers:
        days = [(each.from_day, each.until_day) for each in mappings if each.provider == lister.id]
        if not days:
            continue
        within = (min(begins for begins, _ in days), max(ends for _, ends in days))
        listers = [
            replace(one, from_day=max(one.from_day, within[0]), until_day=min(one.until_day, within[1]))
            for one in stated.of(lister.id)
            if one.from_day < within[1] and one.until_day > within[0]
        ]
        parts.append(Part(days, selling.sell(market, name, lister, listers, within, over=own)))
        about[lister.id] = frozenset(_beside_prices(lister.id, seller, facts))
    if len(set(about.values())) > 1:
        raise InvalidInputError(
            f"{seller} is priced as {' and as '.join(about)}, for whose calls different things hold beside "
            "prices (whose figure counts, what is free, factors), and these are not dated",
            allowed="providers for which the same holds",
            next_step="map it to one of them, and state its prices for the other days under prices",
        )
    holds = [("provider", seller, name), *sorted(next(iter(about.values()), ()))]
    if len(parts) == 1 and len(parts[0].days) == 1:
        return parts[0].sold, holds
    # On all other days its own prices are the only ones.
    rest = joining.between(stretch for part in parts for stretch in part.days)
    parts.append(Part(rest, selling.sell(market, name, None, own)))
    return joining.join(parts) if len(parts) > 1 else parts[0].sold, holds


def _beside_prices(
    provider: str, seller: str, facts: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, str, str]]:
    """What holds for a seller's calls beside prices, because it does for a provider's."""
    said_of = {subject for kind, subject, value in facts if kind == "provider" and value == provider}
    for kind, subject, value in facts:
        if kind in {"authority", "free", "multiplier"} and subject.split("/")[0] in said_of:
            yield kind, "/".join([seller, *subject.split("/")[1:]]), value
