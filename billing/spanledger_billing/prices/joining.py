"""A seller that sells by one list for some days and by another for others: what it sells in all.

A name has one model, and a model's cards are dated. So what a name means by each list becomes one model, with
the cards of each for the days on which it counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spanledger_billing.prices import naming
from spanledger_billing.prices.naming import Rule
from spanledger_billing.prices.overrides import BEGINNING, END
from spanledger_billing.prices.selling import Model, Sold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from spanledger_billing.prices.cards import Card

_NONE = Rule((), (), "")


@dataclass(frozen=True, slots=True)
class Part:
    """What a seller sells by one list, and the days on which it does."""

    days: Sequence[tuple[date, date]]
    """Stretches, half-open."""
    sold: Sold

    def model(self, key: str) -> Model | None:
        return next((each for each in self.sold.models if each.key == key), None)

    def named(self, name: str) -> str:
        """The key of the model that a name means, as the ledger finds it; empty where it means none."""
        if name in self.sold.names:
            return self.sold.names[name]
        return next((rule.model for rule in self.sold.rules if _fits(rule, name)), "")


@dataclass(slots=True)
class _Joint:
    """The models that several parts have together, while they are made."""

    parts: Sequence[Part]
    models: dict[str, Model] = field(default_factory=dict)

    def add(self, keys: Sequence[str]) -> str:
        """The key of the model that is these parts' ones, in their order; empty where a part has none."""
        key = " | ".join(each or "-" for each in keys).removesuffix(" | -")
        if key not in self.models:
            found = [part.model(each) for part, each in zip(self.parts, keys, strict=True)]
            some = next(each for each in found if each is not None)
            cards = [
                card
                for model, part in zip(found, self.parts, strict=True)
                for stretch in part.days
                for card in _clipped(model.cards if model else (), stretch)
            ]
            self.models[key] = Model(some.provider, some.owner, key, cards)
        return key


def join(parts: Sequence[Part]) -> Sold:
    """What a seller sells in all.

    Args:
        parts: at least one; their days do not overlap.

    """
    joint = _Joint(parts)
    stated = dict.fromkeys(name for part in parts for name in part.sold.names)
    names = {name: joint.add([part.named(name) for part in parts]) for name in stated}
    rules = [replace(rule, model=joint.add(keys)) for rule, keys in _combined(parts) if any(keys)]
    return Sold(parts[0].sold.seller, list(joint.models.values()), names, rules)


def _combined(parts: Sequence[Part]) -> list[tuple[Rule, list[str]]]:
    """Patterns, and the model of each part that a name means which fits them; empty for none of a part's.

    In an order in which the first that fits a name has of each part the first that fits it there.
    """
    if not parts:
        return [(_NONE, [])]
    rest = _combined(parts[1:])
    return [
        (Rule(_both(rule.must, more.must), _both(rule.must_not, more.must_not), ""), [rule.model, *keys])
        for rule in (*parts[0].sold.rules, _NONE)
        for more, keys in rest
        if naming.may_meet(rule.must, more.must)
    ]


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _fits(rule: Rule, name: str) -> bool:
    return all(re.search(each, name) for each in rule.must) and not any(
        re.search(each, name) for each in rule.must_not
    )


def _clipped(cards: Sequence[Card], stretch: tuple[date, date]) -> Iterator[Card]:
    for card in cards:
        begins, ends = max(card.valid_from, stretch[0]), min(card.valid_until, stretch[1])
        if begins < ends:
            yield replace(card, valid_from=begins, valid_until=ends)


def between(stretches: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    """The days of none of these stretches, which do not overlap."""
    edges = [BEGINNING, *(day for stretch in sorted(stretches) for day in stretch), END]
    return [(begins, ends) for begins, ends in zip(edges[::2], edges[1::2], strict=True) if begins < ends]
