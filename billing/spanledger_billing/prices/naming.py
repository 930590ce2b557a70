"""Which model a name means, as lookups that SQL can make.

genai-prices tries a provider's models in order, each with its own rule, then those of the providers whose
models it also sells. A name that a rule states outright is resolved here, once; what rules say by pattern
is kept as patterns, in the same order, for the names that nobody listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_prices import types as published

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOT = re.compile(r"\^\(\?!\.\*(.+)\)")
_DASHED_DATE = re.compile(r"-(20\d{2})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?=-|:|$)")


@dataclass(frozen=True, slots=True)
class Rule:
    """The model is meant where all of `must` match (RE2, anywhere) and none of `must_not` does."""

    must: tuple[str, ...]
    must_not: tuple[str, ...]
    model: str


def sold_by(
    provider: published.Provider, providers: Sequence[published.Provider]
) -> list[tuple[published.Provider, published.ModelInfo]]:
    """The provider's own models, then those of others that it sells: the order in which names are tried."""
    others = [
        other
        for identifier in provider.fallback_model_providers or ()
        for other in providers
        if other.id == identifier
    ]
    return [(owner, model) for owner in (provider, *others) for model in owner.models]


def key(provider: published.Provider, owner: published.Provider, model: published.ModelInfo) -> str:
    """What the ledger calls the model among those that the provider sells."""
    return model.id if owner is provider else f"{owner.id}/{model.id}"


def names(provider: published.Provider, providers: Sequence[published.Provider]) -> dict[str, str]:
    """Each name that is stated outright, in lower case, and the model that it means."""
    sold = sold_by(provider, providers)
    keys = {id(model): key(provider, owner, model) for owner, model in sold}
    stated = {name.lower() for _, model in sold for name in (model.id, *_stated(model.match))}
    # `x-20251211` is tried as `x-2025-12-11` where it means nothing itself.
    stated |= {_DASHED_DATE.sub(r"-\1\2\3", name) for name in stated}
    meant = {name: provider.find_model(name, all_providers=list(providers)) for name in sorted(stated)}
    return {name: keys[id(model)] for name, model in meant.items() if model is not None}


def rules(provider: published.Provider, providers: Sequence[published.Provider]) -> list[Rule]:
    """The patterns, in the order in which they are tried.

    Raises:
        ValueError: a pattern is one that RE2 does not know.

    """
    return [
        Rule(must, must_not, key(provider, owner, model))
        for owner, model in sold_by(provider, providers)
        for must, must_not in _patterns(model.match)
        # A name stated outright is looked up.
        if must_not or not all(_states(each) for each in must)
    ]


def _stated(clause: published.MatchLogic) -> Iterator[str]:
    if isinstance(clause, published.ClauseEquals):
        yield clause.equals
    elif isinstance(clause, published.ClauseOr):
        for each in clause.or_:
            yield from _stated(each)


def _patterns(clause: published.MatchLogic) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Alternatives, each as (must, must_not)."""
    match clause:
        case published.ClauseEquals():
            yield (f"^{re.escape(clause.equals.lower())}$",), ()
        case published.ClauseStartsWith():
            yield (f"^{re.escape(clause.starts_with.lower())}",), ()
        case published.ClauseEndsWith():
            yield (f"{re.escape(clause.ends_with.lower())}$",), ()
        case published.ClauseContains():
            yield (re.escape(clause.contains.lower()),), ()
        case published.ClauseRegex():
            yield _translated(clause.regex)
        case published.ClauseOr():
            for each in clause.or_:
                yield from _patterns(each)
        case published.ClauseAnd():
            combined: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((), ())]
            for each in clause.and_:
                combined = [
                    (must + more, must_not + less)
                    for must, must_not in combined
                    for more, less in _patterns(each)
                ]
            yield from combined


def _translated(regex: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    refused = _NOT.fullmatch(regex)
    if refused:
        return (), (_without_look_around(refused[1]),)
    return (_without_look_around(regex),), ()


def _without_look_around(regex: str) -> str:
    if re.search(r"\(\?(?!:)|\\[1-9]", regex):
        raise ValueError(f"the pattern {regex!r} is more than ClickHouse can match")
    return regex


def _states(pattern: str) -> bool:
    return pattern.startswith("^") and pattern.endswith("$") and is_escaped(pattern[1:-1])


def is_escaped(pattern: str) -> bool:
    """Whether a pattern is plain text."""
    return re.escape(re.sub(r"\\(.)", r"\1", pattern)) == pattern


def may_meet(these: Sequence[str], those: Sequence[str]) -> bool:
    """Whether some name may fit all of both; where a pattern is no plain beginning, it may."""
    begins = [each for each in map(_beginning, (*these, *those)) if each is not None]
    for text, whole in begins:
        for other, other_whole in begins:
            if not (text.startswith(other) or (other.startswith(text) and not whole)) or (
                whole and other_whole and text != other
            ):
                return False
    return True


def _beginning(pattern: str) -> tuple[str, bool] | None:
    """The text that a name must begin with, and whether that is all of it; None where it is no plain text."""
    if not pattern.startswith("^"):
        return None
    whole = pattern.endswith("$") and is_escaped(pattern[1:-1])
    text = pattern[1:-1] if whole else pattern[1:]
    return (re.sub(r"\\(.)", r"\1", text), whole) if is_escaped(text) else None
