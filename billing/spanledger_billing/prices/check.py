"""What is wrong with prices: calls without one, and calls that cost otherwise by the list in force."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing import rollup
from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.prices import trial
from spanledger_billing.prices.trial import Days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spanledger_billing.clients.reaching import ClientMonth
    from spanledger_billing.prices.trial import Difference

_ONE_DAY: Final = timedelta(days=1)
# What an empty ledger answers is the first day that there is, and nothing lies before it.
_EARLIEST: Final = date(1971, 1, 1)

_UNPRICED: Final = """
    SELECT provider, model, reason, sum(counted) AS calls, min(day), max(day)
    FROM usage_day FINAL
    ARRAY JOIN mapKeys(unpriced) AS reason, mapValues(unpriced) AS counted
    WHERE ({month:String} = '' OR month = {month:String})
        AND ({everybody:Bool} OR client_id = {client_id:String})
    GROUP BY provider, model, reason
    ORDER BY calls DESC, provider, model, reason
"""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model that was called and has no price."""

    provider: str
    model: str
    reason: str
    calls: int
    first_day: date
    last_day: date

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return remedy(self.reason)


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found; nothing where all is well."""

    version: str
    """The list in force; empty where there is none yet."""
    unpriced: tuple[Unpriced, ...]
    stale: tuple[Difference, ...]
    closed: frozenset[ClientMonth]
    """Those of the stale ones' months that are closed."""

    def __bool__(self) -> bool:
        return bool(self.unpriced or self.stale)


def check(ledger: Any, month: str | None = None, client_id: str | None = None) -> Found:
    """Calls that have no price, and those that would have another by the list in force.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        month: YYYY-MM; all months where not given.
        client_id: only what is billed to this client; empty for calls that name nobody.

    """
    rollup.refresh_usage(ledger)
    unpriced = ledger.query(
        _UNPRICED,
        parameters={"month": month or "", "client_id": client_id or "", "everybody": client_id is None},
    ).result_rows
    found = _differences(ledger, month, client_id)
    closed = closed_months(ledger) if found else frozenset[tuple[str, str]]()
    return Found(
        str(ledger.query("SELECT version FROM price_list_in_force").first_row[0]),
        tuple(
            Unpriced(str(provider), str(model), str(reason), int(calls), first, last)
            for provider, model, reason, calls, first, last in unpriced
        ),
        tuple(found),
        closed.intersection(one.of for one in found),
    )


def stale(ledger: Any, month: str, client_id: str | None = None) -> dict[str, int]:
    """How many calls of a month cost otherwise by the list in force, by client; for clients under terms.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        month: YYYY-MM.
        client_id: only this client.

    """
    return {one.client_id: one.calls for one in _differences(ledger, month, client_id) if one.known}


def _differences(ledger: Any, month: str | None, client_id: str | None) -> list[Difference]:
    if month is None:
        first, last = ledger.query(
            "SELECT toDate(min(quarter)), toDate(max(quarter)) FROM touched_quarters"
        ).first_row
        return trial.differences(ledger, Days(max(first, _EARLIEST), last + _ONE_DAY), client_id)
    found = trial.differences(ledger, Days(*_ends(month)), client_id)
    return [one for one in found if one.month == month]


def _ends(month: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=31)).replace(day=1) - _ONE_DAY


_OVERRIDES: Final = "in the overrides, then: spanledger prices apply FILE"
_REMEDIES: Final = (
    ("no price list", "spanledger prices sync"),
    ("price changed between request and answer", "spanledger prices sync"),
    ("host unknown: ", f"map the host to a provider or to prices {_OVERRIDES}"),
    ("provider unknown: ", f"say by whose list it sells, or give its models prices, {_OVERRIDES}"),
    (
        "model unknown: ",
        f"install a newer genai-prices and run spanledger prices sync, or price it {_OVERRIDES}",
    ),
    ("no price for ", f"price it {_OVERRIDES}"),
    ("no price at that time", f"price it from that day on {_OVERRIDES}"),
)


def remedy(reason: str) -> str:
    """What to do about calls without a price for this reason."""
    for begins, said in _REMEDIES:
        if reason.startswith(begins):
            return said
    return "look at the calls in the view calls; their spans say what cannot be priced"


def commands(found: Found) -> Iterator[str]:
    """What to run so that the calls that cost otherwise cost what the list in force says.

    A command that reaches into a closed month does nothing without consent, so it stands apart from the rest.
    """
    for month in sorted({one.month for one in found.stale}):
        first, last = _ends(month)
        command = f"spanledger reprice --from {first} --to {last}"
        clients = [one.client_id for one in found.stale if one.month == month]
        closed = [client for client in clients if (client, month) in found.closed]
        if not closed:
            yield command
            continue
        for client in clients:
            consent = " --closed" if client in closed else ""
            yield f"{command} --client {shlex.quote(client)}{consent}"
