"""The comparison of calls in the ledger with the providers' books, call by call and to the token."""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from spanledger_billing.demo.clients import client_of

Call = tuple[str, str, dict[str, Decimal]]
"""Whose it is, its model, its units."""

LEDGER = """
SELECT response_id, client_id, model, units, incomplete_reason
FROM calls WHERE bills AND first_arrival >= {since:DateTime64(3, 'UTC')}
"""


@dataclass
class Found:
    """How the ledger differs from the books: by calls that are not in it as they were, and by calls too many."""

    lost: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    why: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice)


def as_calls(entries: Iterable[Mapping[str, Any]]) -> dict[str, Call]:
    """The books' entries by their answers' ids."""
    return {
        entry["response_id"]: (
            client_of(entry["api_key"]) or "",
            entry["model"],
            {unit: Decimal(amount) for unit, amount in entry["units"].items()},
        )
        for entry in entries
    }


def compare(rows: Iterable[tuple[Any, ...]], books: Mapping[str, Call], finished: AbstractSet[str]) -> Found:
    """What differs.

    Args:
        rows: of `LEDGER`.
        books: what the providers wrote down.
        finished: ids of the answers that an app has read to their end. Of others, whose app was killed
            meanwhile, the ledger may have nothing; what it has must be right.

    """
    found = Found()
    seen: Counter[str] = Counter()
    for response_id, client_id, model, units, incomplete in rows:
        seen[response_id] += 1
        stated = (client_id, model, {unit: amount for unit, amount in units.items() if amount})
        if response_id not in books:
            found.twice.add(response_id)
            found.why.append(f"{response_id} is in no book")
        elif stated != books[response_id] or incomplete:
            found.lost.add(response_id)
            found.why.append(f"{response_id} is {stated} {incomplete}, in the books {books[response_id]}")
    for response_id, times in seen.items():
        if times > 1:
            found.twice.add(response_id)
            found.why.append(f"{response_id} counts {times} times")
    missing = finished - seen.keys()
    found.lost |= missing
    found.why += [f"{response_id} is missing" for response_id in sorted(missing)]
    return found
