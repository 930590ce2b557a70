"""The whole price list as the installed genai-prices has it, with the ledger's facts beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spanledger_billing.prices import cards as card_making
from spanledger_billing.prices import naming, units
from spanledger_billing.prices.errors import PriceListError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genai_prices import types as published

    from spanledger_billing.prices.cards import Card
    from spanledger_billing.prices.naming import Rule

SOURCE = "genai-prices"


@dataclass(frozen=True, slots=True)
class Model:
    """A model as one provider sells it."""

    provider: str
    owner: str
    key: str
    cards: Sequence[Card]


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

    @property
    def content_sha256(self) -> str:
        """Of all that is in it, whatever the package's version says."""
        content = [
            [
                [
                    model.provider,
                    model.owner,
                    model.key,
                    [[*_text(card), sorted(card.rates.items())] for card in model.cards],
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


def installed(facts: Sequence[tuple[str, str, str]]) -> PriceList:
    """The list of the installed package.

    Raises:
        PriceListError: the package is missing, or something in it is not as expected.

    """
    try:
        import genai_prices
        from genai_prices.data import providers
        from genai_prices.data_units import unit_data
        from genai_prices.units import UnitRegistry

        return read(providers, UnitRegistry(unit_data), genai_prices.__version__, facts)
    except PriceListError:
        raise
    except Exception as failure:
        raise PriceListError(f"genai-prices cannot be read: {type(failure).__name__}: {failure}") from failure


def read(
    providers: Sequence[published.Provider],
    registry: object,
    source_version: str,
    facts: Sequence[tuple[str, str, str]],
) -> PriceList:
    """A price list from genai-prices' providers and units.

    Raises:
        PriceListError: an entry is not as expected; it is named.

    """
    from genai_prices.units import UnitRegistry

    if not isinstance(registry, UnitRegistry) or not providers:
        raise PriceListError("genai-prices holds no providers")
    places = units.dimensions(registry.units)
    models = []
    for provider in providers:
        for owner, model in naming.sold_by(provider, providers):
            try:
                made = card_making.cards(
                    owner, model, registry=registry, places=places, circumstances=owner is provider
                )
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as failure:
                raise PriceListError(f"{owner.id}/{model.id}: {failure}") from failure
            models.append(Model(provider.id, owner.id, naming.key(provider, owner, model), made))
    try:
        rules = [(provider.id, naming.rules(provider, providers)) for provider in providers]
    except ValueError as failure:
        raise PriceListError(str(failure)) from failure
    return PriceList(
        source_version=source_version,
        models=models,
        names=[
            (provider.id, name, model)
            for provider in providers
            for name, model in naming.names(provider, providers).items()
        ],
        rules=[(provider, own) for provider, own in rules if own],
        facts=facts,
    )
