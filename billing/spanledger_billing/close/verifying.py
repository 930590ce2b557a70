"""`spanledger verify`: every closed month recomputed from what is stored, and whatever is not as it was
closed.

Nothing in the ledger can show that the end of the chain was cut off, or that the whole of it was made anew:
that takes a head that was kept elsewhere, such as the one that every close prints.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.close import chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_AT_A_TIME: Final = 25
"""Closes whose documents are held in memory together."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found."""

    closes: int
    head: chain.Head
    findings: tuple[str, ...]
    """What is not as it was closed, each naming its row; empty where all is well."""
    after_head: int | None = None
    """Closes since the head that was given; None where none was."""
    orphans: int = 0
    """Lines that belong to no close: of closes that broke off, or of one that was taken away from the end."""


def verify(ledger: Any, head: str | None = None) -> Verified:
    """Recompute all hashes.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        head: a hash that a close printed; the chain must have it.

    """
    closes = [
        dict(row)
        for row in ledger.query("SELECT * FROM closes ORDER BY number, closed_at, close_id").named_results()
    ]
    findings = [*_order(closes), *_twice(closes)]
    for some in _batches(closes, _AT_A_TIME):
        findings += _contents(ledger, some)
    hashes = [close["hash"] for close in closes]
    after_head = None
    if head is not None:
        if head in hashes:
            after_head = len(hashes) - 1 - hashes.index(head)
        else:
            findings.append(
                f"no close has the hash {head}: closes were taken away from the end, or all were made anew"
                if closes
                else f"there is no close, and one had the hash {head}"
            )
    end = chain.Head(closes[-1]["number"], closes[-1]["hash"]) if closes else chain.Head()
    orphans = ledger.query(
        "SELECT count() FROM closed_lines WHERE close_id NOT IN (SELECT close_id FROM closes)"
    ).first_row[0]
    return Verified(len(closes), end, tuple(findings), after_head, orphans)


def _order(closes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows themselves: each once, none missing, each naming the one before it."""
    first: Mapping[str, Any] = {"number": 0, "hash": chain.FIRST}
    for before, close in pairwise([first, *closes]):
        if close["number"] == before["number"]:
            yield f"{_name(close)}: its number is there twice"
        elif close["number"] != before["number"] + 1:
            missing = range(before["number"] + 1, close["number"])
            yield f"{'closes' if len(missing) > 1 else 'close'} {_numbers(missing)}: missing"
        elif close["prev_hash"] != before["hash"]:
            yield f"{_name(close)}: names another close before it than close {before['number']} as it is"


def _numbers(missing: Sequence[int]) -> str:
    return str(missing[0]) if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"


def _twice(closes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    seen: dict[tuple[str, str], int] = {}
    for close in closes:
        month = close["client_id"], close["month"]
        if month in seen:
            yield f"{_name(close)}: closed before, by close {seen[month]}"
        seen.setdefault(month, close["number"])


def _contents(ledger: Any, closes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ids = [close["close_id"] for close in closes]
    parts = {part: chain.rows(ledger, part, ids) for part in chain.PARTS}
    documents = chain.documents(ledger, ids)
    for close in closes:
        name = _name(close)
        if chain.digest(close["content"].encode()) != close["hash"]:
            yield f"{name}: its content and its hash are not those that belong together"
        try:
            said = json.loads(close["content"])
            named, kept = said["close"], said["documents"]
            lists = {part: (said[part]["columns"], said[part]["sha256"]) for part in chain.PARTS}
        except (ValueError, KeyError, TypeError):
            yield f"{name}: its content is none that a close writes"
            continue
        yield from (
            f"{name}: column {column} says {chain.canonical(close[column])!r}, "
            f"closed with {named.get(column)!r}"
            for column in chain.COLUMNS
            if chain.canonical(close[column]) != named.get(column)
        )
        for part, (columns, digests) in lists.items():
            yield from _rows(name, part, columns, digests, parts[part].get(close["close_id"], []))
        yield from _documents(name, kept, documents.get(close["close_id"], []))


def _rows(
    name: str, part: str, columns: Sequence[str], digests: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Each row by its own place: a line has its number, a day its date."""
    table, order = chain.PARTS[part], chain.ORDER[part]
    expected, there = Counter(digests), Counter(chain.row_digest(row, columns) for row in rows)
    for row in rows:
        found = chain.row_digest(row, columns)
        if not expected[found]:
            yield f"{name}: {table}, {order} {row[order]} ({_words(row)}) is not as it was closed"
        elif there[found] > expected[found]:
            there[found] -= 1
            yield f"{name}: {table}, {order} {row[order]} ({_words(row)}) is there more than once"
    gone = (Counter(digests) - Counter(chain.row_digest(row, columns) for row in rows)).total()
    if gone and len(rows) < len(digests):
        yield f"{name}: {table} has {len(rows)} of {len(digests)} rows, {len(digests) - len(rows)} missing"


def _words(row: Mapping[str, Any]) -> str:
    return " ".join(str(row[name]) for name in ("kind", "provider", "model") if row.get(name)) or "day"


def _documents(
    name: str, said: Sequence[Mapping[str, str]], documents: Sequence[tuple[str, str, bytes]]
) -> Iterator[str]:
    expected = {(each["copy"], each["format"]): each["sha256"] for each in said}
    seen = Counter((copy, form) for copy, form, _ in documents)
    for copy, form, kept in documents:
        if (copy, form) not in expected:
            yield f"{name}: closed_documents, {copy} {form} was not closed with it"
        elif chain.digest(kept) != expected[copy, form]:
            yield f"{name}: closed_documents, {copy} {form} has other bytes than those that were closed"
    yield from (
        f"{name}: closed_documents, {copy} {form} is there {count} times"
        for (copy, form), count in sorted(seen.items())
        if count > 1
    )
    yield from (
        f"{name}: closed_documents, {copy} {form} is missing"
        for copy, form in sorted(expected.keys() - seen.keys())
    )


def _name(close: Mapping[str, Any]) -> str:
    return f"close {close['number']} ({close['client_id']} {close['month']})"


def _batches(closes: Sequence[Mapping[str, Any]], size: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    for start in range(0, len(closes), size):
        yield closes[start : start + size]
