"""What `clients list` and `clients show` tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from spanledger.attribution import shown
from spanledger_billing.clients import describing
from spanledger_billing.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spanledger_billing.clients.model import Client, Roster, Terms


def overview(roster: Roster | None, now: datetime | None = None) -> list[dict[str, str]]:
    """One row a client, with the terms in force on its own today, else the first or last ones."""
    instant = now or datetime.now(UTC)
    return [_row(client, instant) for client in roster or ()]


def _row(client: Client, now: datetime) -> dict[str, str]:
    first, last = client.terms[0], client.terms[-1]
    today = now.astimezone(ZoneInfo(_zone(client, now))).date()
    terms = client.terms_on(today)
    if terms is not None:
        state = f"since {terms.from_day}"
    elif today < first.from_day:
        terms, state = first, f"begins {first.from_day}"
    elif last.until_day is not None and last.until_day <= today:
        terms, state = last, f"ended {last.until_day}"
    else:
        terms = next(one for one in client.terms if one.from_day > today)
        state = f"pauses until {terms.from_day}"
    return {"id": client.id, "name": client.name, "state": state, **describing.terms(terms)}


def _zone(client: Client, now: datetime) -> str:
    """The zone of the client's today: that of the last terms which have begun by their own clock."""
    begun = [
        terms.timezone
        for terms in client.terms
        if terms.from_day <= now.astimezone(ZoneInfo(terms.timezone)).date()
    ]
    return begun[-1] if begun else client.terms[0].timezone


def details(roster: Roster | None, client_id: str) -> dict[str, Any]:
    """Everything about one client.

    Raises:
        InvalidInputError: there is no such client.

    """
    client = roster.client(client_id) if roster else None
    if client is None:
        raise InvalidInputError(
            f"there is no client {shown(client_id)}",
            allowed="an id that spanledger clients list shows",
            next_step="add it to clients.yaml and apply that, or correct the id",
        )
    return {
        "id": client.id,
        "name": client.name,
        "contact": client.contact.name,
        "email": client.contact.email,
        "address": list(client.contact.address),
        "tax_id": client.tax_id,
        "reference": client.reference,
        "terms": [_stretch(terms) for terms in client.terms],
    }


def _stretch(terms: Terms) -> dict[str, str | None]:
    until = None if terms.until_day is None else terms.until_day.isoformat()
    return {"from": terms.from_day.isoformat(), "until": until, **describing.terms(terms)}


def lines(content: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{content['id']}  {content['name']}"
    for key in ("contact", "email", "tax_id", "reference"):
        if content[key]:
            yield f"  {key.replace('_', ' ')}: {content[key]}"
    if content["address"]:
        yield f"  address: {', '.join(content['address'])}"
    for stretch in content["terms"]:
        until = f" until {stretch['until']}" if stretch["until"] else ""
        yield f"  terms from {stretch['from']}{until}"
        for key, text in stretch.items():
            if key not in {"from", "until"} and text != describing.NONE:
                yield f"    {key}: {text}"
