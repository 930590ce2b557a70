"""Clients and terms in the ledger: versions, each written whole and made visible by its last row.

The tables and their columns are those of `schema/migrations/0030_clients_and_terms.sql`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.clients.calendars import calendar_id
from spanledger_billing.clients.model import (
    USD,
    Agency,
    Basis,
    Budget,
    Client,
    Contact,
    ExchangeRate,
    Override,
    Plan,
    PlanKind,
    Roster,
    Tax,
    Terms,
    Tier,
)
from spanledger_billing.errors import RefusedError, UnreachableError
from spanledger_billing.money import currency_exponent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OPEN_END: Final = date(2149, 6, 6)
"""Stands for no end: the last day that a ClickHouse Date can be."""

_UNKNOWN_TABLE: Final = "Code: 60."

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Version:
    """What the ledger holds at one moment. Version 0 is before the first apply."""

    number: int
    applied_at: datetime | None
    roster: Roster | None


def current(ledger: Any) -> Version:
    """The version in force.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        UnreachableError: the ledger's schema is not there, or older than clients and terms.

    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        found = ledger.query("SELECT version, apply_id, applied_at FROM current_version").result_rows
    except ClickHouseError as failure:
        if _UNKNOWN_TABLE not in str(failure):
            raise
        raise UnreachableError(
            f"database {ledger.database!r} has no tables for clients and terms",
            next_step="run `spanledger migrate`, or name the ledger's database with SPANLEDGER_DATABASE",
        ) from failure
    if not found:
        return Version(0, None, None)
    number, apply_id, applied_at = found[0]
    # By id, not through the views: all of it is of one version, whatever is applied meanwhile.
    return Version(number, applied_at.replace(tzinfo=UTC), _roster(ledger, apply_id))


def write(
    ledger: Any,
    roster: Roster,
    *,
    version: int,
    file_sha256: str,
    changed_clients: Sequence[str] = (),
    reaches_closed: Sequence[tuple[str, str]] = (),
) -> None:
    """Make a roster the given version, the one after the current one.

    Raises:
        RefusedError: another apply became this version first; nothing of this one is visible.

    """
    apply_id = os.urandom(16).hex()
    for table, rows in _rows(roster).items():
        if rows:
            _insert(ledger, table, [{"apply_id": apply_id, **row} for row in rows])
    claim = {
        "version": version,
        "apply_id": apply_id,
        "applied_at": datetime.now(UTC),
        "file_sha256": file_sha256,
        "changed_clients": list(changed_clients),
        "reaches_closed": list(reaches_closed),
    }
    # Of two inserts with one token the second is ignored: exactly one apply becomes this version.
    _insert(
        ledger,
        "client_versions",
        [claim],
        {"insert_deduplication_token": f"clients-{version}", "async_insert": 0},
    )
    winners = ledger.query(
        "SELECT apply_id FROM client_versions WHERE version = {version:UInt32}",
        parameters={"version": version},
    ).result_rows
    if [winner for (winner,) in winners] != [apply_id]:
        raise RefusedError(
            f"another apply became version {version} of clients and terms first; nothing was changed",
            next_step="run spanledger clients apply again: it shows the difference to the new version",
        )


def _insert(
    ledger: Any, table: str, rows: Sequence[dict[str, Any]], settings: dict[str, Any] | None = None
) -> None:
    ledger.insert(
        table,
        [list(row.values()) for row in rows],
        column_names=list(rows[0]),
        settings=settings or {},
    )


# Writing --------------------------------------------------------------------------------------------


def _rows(roster: Roster) -> Rows:
    agency = roster.agency
    return {
        "agency": [
            {
                "name": agency.name,
                "timezone": agency.timezone,
                "address": list(agency.address),
                "email": agency.email,
                "tax_id": agency.tax_id,
                "logo": agency.logo,
                "colour": agency.colour,
                "texts": dict(agency.texts),
            }
        ],
        "clients": [_client_row(client) for client in roster],
        "terms": [_terms_row(client, terms) for client in roster for terms in client.terms],
        "budgets": [
            _budget_row(client, terms, terms.budget)
            for client in roster
            for terms in client.terms
            if terms.budget is not None
        ],
        "exchange_rates": [
            {
                "currency": rate.currency,
                "valid_from_day": rate.from_day,
                "units_per_usd": rate.units_per_usd,
                "source": rate.source,
            }
            for rate in roster.exchange_rates
        ],
    }


def _client_row(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "name": client.name,
        "contact_name": client.contact.name,
        "contact_email": client.contact.email,
        "address": list(client.contact.address),
        "tax_id": client.tax_id,
        "reference": client.reference,
        "calendar_id": calendar_id(client.zones),
        "terms_days": [(terms.from_day, terms.until_day or OPEN_END) for terms in client.terms],
    }


def _terms_row(client: Client, terms: Terms) -> dict[str, Any]:
    plan, tax = terms.plan, terms.tax
    return {
        "client_id": client.id,
        "valid_from_day": terms.from_day,
        "valid_to_day": terms.until_day or OPEN_END,
        "timezone": terms.timezone,
        "currency": terms.currency,
        "currency_exponent": currency_exponent(terms.currency),
        "plan": plan.kind.value,
        "fee": plan.fee,
        "allowance_cost_usd": plan.allowance_cost_usd,
        "tiers": [(tier.from_cost_usd, tier.markup_percent) for tier in plan.tiers],
        "minimum": plan.minimum,
        "overrides": [
            (
                one.provider,
                one.model if one.prefix is None else one.prefix,
                one.prefix is not None,
                one.unit,
                one.markup_percent,
            )
            for one in plan.overrides
        ],
        "tax_name": "" if tax is None else tax.name,
        "tax_percent": Decimal(0) if tax is None else tax.percent,
        "hide_cost": terms.hide_cost,
        "incomplete_tolerance_percent": terms.incomplete_tolerance_percent,
    }


def _budget_row(client: Client, terms: Terms, budget: Budget) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "valid_from_day": terms.from_day,
        "valid_to_day": terms.until_day or OPEN_END,
        "amount": budget.amount,
        "currency": USD if budget.basis is Basis.COST else terms.currency,
        "basis": budget.basis.value,
        "thresholds_percent": list(budget.thresholds_percent),
    }


# Reading --------------------------------------------------------------------------------------------


def _roster(ledger: Any, apply_id: str) -> Roster:
    def rows(table: str, order: str) -> list[dict[str, Any]]:
        found = ledger.query(
            f"SELECT * EXCEPT apply_id FROM {table} WHERE apply_id = {{apply_id:String}} ORDER BY {order}",  # noqa: S608 - two constants
            parameters={"apply_id": apply_id},
        )
        return list(found.named_results())

    (agency,) = rows("agency", "name")
    budgets = {
        (row["client_id"], row["valid_from_day"]): _budget(row) for row in rows("budgets", "valid_from_day")
    }
    terms: dict[str, list[Terms]] = {}
    for row in rows("terms", "client_id, valid_from_day"):
        budget = budgets.get((row["client_id"], row["valid_from_day"]))
        terms.setdefault(row["client_id"], []).append(_terms(row, budget))
    return Roster(
        agency=Agency(**{**agency, "address": tuple(agency["address"])}),
        clients=tuple(_client(row, terms[row["client_id"]]) for row in rows("clients", "client_id")),
        exchange_rates=tuple(
            ExchangeRate(row["currency"], row["valid_from_day"], row["units_per_usd"], row["source"])
            for row in rows("exchange_rates", "currency, valid_from_day")
        ),
    )


def _client(row: dict[str, Any], terms: Iterable[Terms]) -> Client:
    return Client(
        id=row["client_id"],
        name=row["name"],
        terms=tuple(terms),
        contact=Contact(row["contact_name"], row["contact_email"], tuple(row["address"])),
        tax_id=row["tax_id"],
        reference=row["reference"],
    )


def _terms(row: dict[str, Any], budget: Budget | None) -> Terms:
    return Terms(
        from_day=row["valid_from_day"],
        until_day=None if row["valid_to_day"] == OPEN_END else row["valid_to_day"],
        timezone=row["timezone"],
        currency=row["currency"],
        plan=Plan(
            kind=PlanKind(row["plan"]),
            tiers=tuple(Tier(**tier) for tier in row["tiers"]),
            fee=row["fee"],
            allowance_cost_usd=row["allowance_cost_usd"],
            minimum=row["minimum"],
            overrides=tuple(_override(**one) for one in row["overrides"]),
        ),
        tax=Tax(row["tax_name"], row["tax_percent"]) if row["tax_name"] else None,
        budget=budget,
        hide_cost=row["hide_cost"],
        incomplete_tolerance_percent=row["incomplete_tolerance_percent"],
    )


def _override(*, model: str, is_prefix: bool, **rest: Any) -> Override:
    return Override(model=f"{model}*" if is_prefix else model, **rest)


def _budget(row: dict[str, Any]) -> Budget:
    return Budget(row["amount"], Basis(row["basis"]), tuple(row["thresholds_percent"]))
