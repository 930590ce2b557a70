"""The check: does the ledger say what the providers' books say, for every client, model and unit?

What a provider used but never stated on the wire (a reader who left, a connection that broke) nobody can
know from outside. Of such a call the ledger must hold exactly what was stated, and say that it is incomplete.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from .clients import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

CALLS: Final = "calls"
INCOMPLETE: Final = "incomplete calls"
UNBILLED: Final = "calls that bill nothing"
COUNTS: Final = (CALLS, INCOMPLETE, UNBILLED)
"""Counted like units, beside the units of the calls that bill."""

_BOOKS_NAME: Final = {"gcp.gemini": "google"}
"""The ledger's name of a provider -> the books', where they differ."""


@dataclass(frozen=True, order=True)
class Place:
    """What a figure is about."""

    client_id: str
    """Empty for nobody's."""
    provider: str
    """The host, where it is no provider's."""
    model: str
    unit: str


Tally = dict[Place, Decimal]


@dataclass(frozen=True)
class Difference:
    place: Place
    books: Decimal
    ledger: Decimal


def tally_of_books(entries: Iterable[Mapping[str, Any]]) -> Tally:
    """What the books, as `GET /books` gives them, say that the ledger must hold."""
    tally: Counter[Place] = Counter()
    for entry in entries:
        about = (client_of(entry["api_key"]) or "", entry["provider"], entry["model"])
        if entry["outcome"] != "answered":
            tally[Place(*about, UNBILLED)] += 1
            continue
        if not entry["line"]:
            tally[Place(*about, CALLS)] += 1
        if entry["shown"] is None or not entry["complete"]:
            tally[Place(*about, INCOMPLETE)] += 1
        for unit, quantity in (entry["shown"] or {}).items():
            tally[Place(*about, unit)] += quantity
    return {place: Decimal(quantity) for place, quantity in tally.items() if quantity}


_LEDGER = """
SELECT
    client_id, provider, host, model,
    countIf(bills AND line = '') AS calls_,
    countIf(bills AND incomplete_reason != '') AS incomplete_,
    countIf(NOT bills AND line = '') AS unbilled_,
    sumMapIf(units, bills) AS units_
FROM calls
WHERE call_time >= {since:DateTime64(9, 'UTC')}
    AND (empty({services:Array(String)}) OR has({services:Array(String)}, service))
GROUP BY client_id, provider, host, model
"""


def tally_of_ledger(ledger: Any, since: datetime, services: Sequence[str] = ()) -> Tally:
    """What the ledger holds of calls that began at or after an instant.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        since: with a timezone.
        services: the apps whose calls they are; by default any.

    """
    tally: Tally = {}
    names = set(_BOOKS_NAME.values()) | {"openai", "anthropic"}
    for client_id, provider, host, model, *counts, units in ledger.query(
        _LEDGER, parameters={"since": since, "services": list(services)}
    ).result_rows:
        name = _BOOKS_NAME.get(provider, provider)
        about = (client_id, name if name in names else host, model)
        quantities = dict(zip(COUNTS, counts, strict=True)) | units
        for unit, quantity in quantities.items():
            if quantity:
                tally[Place(*about, unit)] = tally.get(Place(*about, unit), Decimal(0)) + Decimal(quantity)
    return tally


def differences(books: Tally, ledger: Tally) -> list[Difference]:
    """Every figure that is not the same on both sides, in the order of its place."""
    zero = Decimal(0)
    return [
        Difference(place, books.get(place, zero), ledger.get(place, zero))
        for place in sorted({*books, *ledger})
        if books.get(place, zero) != ledger.get(place, zero)
    ]


def wait_until_they_agree(
    ledger: Any, books: Tally, since: datetime, seconds: float, services: Sequence[str] = ()
) -> list[Difference]:
    """Look again until every call is there or the time is over; what differs at the last look."""
    deadline = time.monotonic() + seconds
    while True:
        found = differences(books, tally_of_ledger(ledger, since, services))
        if _all_there(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.25)


def _all_there(found: Sequence[Difference]) -> bool:
    """Whether the two sides differ at most in whose the calls are: that does not change by waiting."""
    missing: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for difference in found:
        missing[replace(difference.place, client_id="")] += difference.books - difference.ledger
    return not any(missing.values())
