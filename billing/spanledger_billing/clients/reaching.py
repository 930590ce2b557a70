"""Which months a change of terms reaches into, and which of these are closed.

It does where a month would be charged otherwise now: other terms on one of its days, another rate on
its last one, other boundaries. Names, addresses, budgets, tolerances and what statements show change nothing
that is owed: a closed statement's bytes are stored and stay as they are.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from spanledger_billing.clients.days import start_under

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spanledger_billing.clients.model import Client, Roster, Terms

ClientMonth = tuple[str, str]
"""A client's id and its month, YYYY-MM."""


def closed_months(ledger: Any) -> frozenset[ClientMonth]:
    """The months that are closed, of all clients; none before the ledger knows closing."""
    if not ledger.query("EXISTS TABLE closes").first_row[0]:
        return frozenset()
    return frozenset(ledger.query("SELECT DISTINCT client_id, month FROM closes").result_rows)


def changed_clients(old: Roster | None, new: Roster) -> tuple[str, ...]:
    """Ids of the clients added, removed or with anything changed, rates of their currencies included."""
    before = {client.id: client for client in old or ()}
    after = {client.id: client for client in new}
    currencies = {
        rate.currency
        for rate in set(old.exchange_rates if old else ()).symmetric_difference(new.exchange_rates)
    }
    return tuple(
        client_id
        for client_id in sorted({*before, *after})
        if before.get(client_id) != after.get(client_id)
        or currencies.intersection(terms.currency for terms in after[client_id].terms)
    )


def months_so_far(old: Roster, new: Roster, now: datetime) -> Iterator[ClientMonth]:
    """The months, the present one included, of clients that both have and the change is about."""
    for client_id in changed_clients(old, new):
        before, after = old.client(client_id), new.client(client_id)
        if before is None or after is None:
            continue
        month = min(before.terms[0].from_day, after.terms[0].from_day).replace(day=1)
        while month <= now.date():
            yield client_id, f"{month:%Y-%m}"
            month = (month + timedelta(days=31)).replace(day=1)


def reached(old: Roster, new: Roster, months: Iterable[ClientMonth]) -> tuple[ClientMonth, ...]:
    """Those of the months that the change reaches into."""
    return tuple(
        (client_id, month)
        for client_id, month in sorted(months)
        if _owed_by(old, client_id, month) != _owed_by(new, client_id, month)
    )


def _owed_by(roster: Roster, client_id: str, month: str) -> Any:
    """All that decides what a month owes, in a form that can be compared."""
    client = roster.client(client_id)
    if client is None:
        return None
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    stretches: list[tuple[date, date, Any]] = []
    for terms in client.terms:
        begins, ends = max(terms.from_day, first), min(terms.until_day or following, following)
        if begins >= ends:
            continue
        owed = _owed_under(terms)
        if stretches and stretches[-1][1:] == (begins, owed):
            begins = stretches.pop()[0]
        stretches.append((begins, ends, owed))
    bounds = (start_under(client.zones, first), start_under(client.zones, following))
    return stretches, bounds, _rate(roster, client, following - timedelta(days=1))


def _owed_under(terms: Terms) -> Any:
    return (terms.timezone, terms.currency, terms.plan, terms.tax)


def _rate(roster: Roster, client: Client, last: date) -> Any:
    under = [terms for terms in client.terms if terms.from_day <= last]
    rate = roster.rate_on(under[-1].currency, last) if under else None
    return None if rate is None else rate.units_per_usd
