"""What changes from one roster to the next, as lines that an operator reads before consenting."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from spanledger_billing.clients import describing
from spanledger_billing.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spanledger_billing.clients.model import Agency, Client, ExchangeRate, Roster, Terms


class Mark(StrEnum):
    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that changes; `depth` says what it is part of."""

    mark: Mark
    text: str
    depth: int = 0


def differences(old: Roster | None, new: Roster) -> list[Line]:
    """All that changes; empty where nothing does."""
    lines = list(_agency(old.agency if old else None, new.agency))
    lines += _rates(old.exchange_rates if old else (), new.exchange_rates)
    before = {client.id: client for client in old or ()}
    after = {client.id: client for client in new}
    for client_id in sorted({*before, *after}):
        lines += _client(before.get(client_id), after.get(client_id))
    return lines


def _agency(old: Agency | None, new: Agency) -> Iterator[Line]:
    if old is None:
        yield Line(Mark.ADDED, f"agency {new.name}")
    elif old != new:
        yield Line(Mark.CHANGED, "agency")
        yield from _values(_texts(old), _texts(new))


def _texts(value: Any) -> dict[str, str]:
    """The fields of a dataclass as texts, mappings by their keys."""
    texts: dict[str, str] = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if isinstance(content, str):
            texts[field.name] = content
        elif isinstance(content, tuple):
            texts[field.name] = ", ".join(content)
        else:
            texts.update({f"{field.name}.{key}": text for key, text in content.items()})
    return texts


def _values(old: Mapping[str, str], new: Mapping[str, str], depth: int = 1) -> Iterator[Line]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key) or describing.NONE, new.get(key) or describing.NONE
        if before != after:
            yield Line(Mark.CHANGED, f"{key}: {before} → {after}", depth)


def _rates(old: Iterable[ExchangeRate], new: Iterable[ExchangeRate]) -> Iterator[Line]:
    before = {(rate.currency, rate.from_day): rate for rate in old}
    after = {(rate.currency, rate.from_day): rate for rate in new}
    for key in sorted({*before, *after}):
        was, is_now = before.get(key), after.get(key)
        if was == is_now:
            continue
        name = f"exchange rate of {key[0]} from {key[1]}"
        if was is None or is_now is None:
            mark, only = (Mark.ADDED, is_now) if was is None else (Mark.REMOVED, was)
            yield Line(mark, f"{name}: {_rate(only)}")
        else:
            yield Line(Mark.CHANGED, f"{name}: {_rate(was)} → {_rate(is_now)}")


def _rate(rate: ExchangeRate | None) -> str:
    return "" if rate is None else f"{plain(rate.units_per_usd)} per USD ({rate.source})"


def _client(old: Client | None, new: Client | None) -> Iterator[Line]:
    if old == new:
        return
    if new is None or old is None:
        mark, client = (Mark.ADDED, new) if old is None else (Mark.REMOVED, old)
        if client is not None:
            yield Line(mark, f"client {client.id} ({client.name})")
            yield from _stretches((), client.terms) if old is None else ()
        return
    yield Line(Mark.CHANGED, f"client {new.id}")
    yield from _values(_details(old), _details(new))
    yield from _stretches(old.terms, new.terms)


def _details(client: Client) -> dict[str, str]:
    contact = {f"contact {key}": text for key, text in _texts(client.contact).items()}
    return {"name": client.name, **contact, "tax_id": client.tax_id, "reference": client.reference}


def _stretches(old: tuple[Terms, ...], new: tuple[Terms, ...]) -> Iterator[Line]:
    before, after = dict(_described(old)), dict(_described(new))
    previous: dict[str, str] = {}
    for day in sorted({*before, *after}):
        was, is_now = before.get(day), after.get(day)
        if is_now is None:
            yield Line(Mark.REMOVED, f"terms from {day}: {was['plan'] if was else ''}", 1)
            continue
        if was is None:
            # A stretch says what it changes, as in the file; the first one says everything.
            told = {key: text for key, text in is_now.items() if text != previous.get(key, describing.NONE)}
            yield Line(Mark.ADDED, f"terms from {day}", 1)
            yield from (Line(Mark.ADDED, f"{key}: {text}", 2) for key, text in told.items())
        elif was != is_now:
            yield Line(Mark.CHANGED, f"terms from {day}", 1)
            yield from _values(was, is_now, 2)
        previous = is_now


def _described(stretches: tuple[Terms, ...]) -> Iterator[tuple[Any, dict[str, str]]]:
    for position, terms in enumerate(stretches):
        following = stretches[position + 1].from_day if position + 1 < len(stretches) else None
        # Where the next stretch follows at once, its own line says when.
        until = describing.NONE if terms.until_day == following else str(terms.until_day)
        yield terms.from_day, {**describing.terms(terms), "until": until}
