"""What `clients list` and `clients show` tell: for people in words, for programs as the file has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from spanledger.attribution import shown
from spanledger_billing.clients import describing
from spanledger_billing.clients.writing import client_content, terms_content
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spanledger_billing.clients.model import Client, Roster, Terms


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands on its own today."""

    client: Client
    state: str
    """Since when it is under terms, when it begins, when it ended."""
    terms: Terms
    """Those in force; else the next ones, else the last ones."""


def standings(roster: Roster | None, now: datetime | None = None) -> list[Standing]:
    """All clients, by id."""
    instant = now or datetime.now(UTC)
    return [_standing(client, instant) for client in roster or ()]


def _standing(client: Client, now: datetime) -> Standing:
    today = _today(client, now)
    terms = client.terms_on(today)
    if terms is not None:
        return Standing(client, f"since {terms.from_day}", terms)
    coming = next((one for one in client.terms if one.from_day > today), None)
    if coming is None:
        return Standing(client, f"ended {client.terms[-1].until_day}", client.terms[-1])
    return Standing(client, f"begins {coming.from_day}", coming)


def _today(client: Client, now: datetime) -> date:
    """The client's own date, in the zone of the last terms that have begun by their own clock."""
    dates = [(terms, now.astimezone(ZoneInfo(terms.timezone)).date()) for terms in client.terms]
    begun = [today for terms, today in dates if terms.from_day <= today]
    return begun[-1] if begun else dates[0][1]


def client_of(roster: Roster | None, client_id: str) -> Client:
    """The client of this id.

    Raises:
        InvalidInputError: there is none.

    """
    client = roster.client(client_id) if roster else None
    if client is None:
        raise InvalidInputError(
            f"there is no client {shown(client_id)}",
            allowed="an id that spanledger clients list shows",
            next_step="add it to clients.yaml and apply that, or correct the id",
        )
    return client


def as_json(standing: Standing) -> dict[str, Any]:
    """A client's standing, with decimals and days as text."""
    content = {
        "id": standing.client.id,
        "name": standing.client.name,
        "state": standing.state,
        "terms": terms_content(standing.terms),
    }
    found: dict[str, Any] = _jsonable(content)
    return found


def details_as_json(client: Client) -> dict[str, Any]:
    """Everything about a client, with decimals and days as text."""
    found: dict[str, Any] = _jsonable(client_content(client))
    return found


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else value


def lines(client: Client) -> Iterator[str]:
    """Everything about a client, for people."""
    yield f"{client.id}  {client.name}"
    contact = client.contact
    for key, text in (
        ("contact", contact.name),
        ("email", contact.email),
        ("address", ", ".join(contact.address)),
        ("tax id", client.tax_id),
        ("reference", client.reference),
    ):
        if text:
            yield f"  {key}: {text}"
    for terms in client.terms:
        until = "" if terms.until_day is None else f" until {terms.until_day}"
        yield f"  terms from {terms.from_day}{until}"
        for key, text in describing.terms(terms).items():
            if text != describing.NONE:
                yield f"    {key}: {text}"
