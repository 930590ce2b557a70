"""Statements from the ledger: closed months as they were frozen, open ones filled from the views."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.close import adjustments, frozen
from spanledger_billing.errors import InvalidInputError, RefusedError
from spanledger_billing.statements.drafting import ClientMonth, draft
from spanledger_billing.statements.lines import SumError
from spanledger_billing.statements.model import Agency, Copy, Previous, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spanledger_billing.statements.drafting import Row
    from spanledger_billing.statements.rendering import Format

_READINGS: Final = 5


class LedgerSource:
    """Statements from a ledger.

    Args:
        connection: a client of clickhouse-connect, as `ledger.connect()` gives.

    """

    def __init__(self, connection: Any) -> None:
        self._ledger = connection
        self._whole: dict[str, dict[str, ClientMonth]] = {}
        self._totals: dict[str, dict[str, ClientMonth]] = {}
        """The months before, of which only the total is asked."""
        self._closed: dict[str, frozenset[str]] = {}
        self._known: tuple[Agency, Mapping[str, Row]] | None = None

    def clients(self, month: str) -> Sequence[str]:
        """Ids of the clients that are under terms in this month, or were when it was closed."""
        before = _month_before(month)
        self._whole[month] = self._read(month, None)
        self._closed = {each: self._closed_in(each) for each in (month, before)}
        if not self._whole[month].keys() <= self._closed[before]:
            self._totals[before] = self._read(before, None, total_only=True)
        return sorted({*self._whole[month], *self._closed[month]})

    def statement(self, client_id: str, month: str) -> Statement:
        """The client's month: as it was closed, or as the ledger has it now.

        Raises:
            InvalidInputError: there is no such client, or it has no terms in this month.
            RefusedError: no exchange rate is known for it.

        """
        return self._frozen(client_id, month) or self.reading(client_id, month)[0]

    def reading(self, client_id: str, month: str) -> tuple[Statement, ClientMonth]:
        """An open month as a document, and what the views said, of which alone it is made.

        Raises:
            InvalidInputError: there is no such client, or it has no terms in this month.
            RefusedError: no exchange rate is known for it, or calls came each time while it was read.

        """
        for _ in range(_READINGS):
            found = self._month(client_id, month)
            if found is None:
                raise self._refusal(client_id, month)
            try:
                if found.at_one_moment:
                    return self._statement(found), found
            except SumError as error:
                contradiction = str(error)
            else:
                contradiction = "its lines and its days have other calls"
            # The roll-up went on between two queries; what the views say at one moment adds up.
            self._whole.clear()
            self._totals.clear()
        raise RefusedError(
            f"{client_id} {month} cannot be read: {contradiction}",
            next_step="run it again; where it stays so, spanledger repair",
        )

    def frozen(self, client_id: str, month: str, copy: Copy, form: Format) -> bytes | None:
        """The document that was stored when the month was closed; None while it is open."""
        return frozen.document(self._ledger, client_id, month, copy, form)

    def _statement(self, found: ClientMonth) -> Statement:
        client_id, month = found.client_id, found.month
        agency, clients = self._known = self._known or self._parties()
        made = draft(found, agency, clients[client_id])
        previous = self._frozen(client_id, _month_before(month))
        if previous is None:
            before = self._total(client_id, _month_before(month))
            # Without a rate it has no total in the client's currency to compare with.
            if before is None or before.last["rate"] is None:
                return made
            previous = draft(before, agency, clients[client_id])
        return replace(
            made,
            previous=Previous(month=previous.period.month, total=previous.total, calls=previous.calls),
        )

    def _frozen(self, client_id: str, month: str) -> Statement | None:
        if month in self._closed and client_id not in self._closed[month]:
            return None
        return frozen.statement(self._ledger, client_id, month)

    def _closed_in(self, month: str) -> frozenset[str]:
        rows = self._query("SELECT client_id FROM closes WHERE month = {month:String}", {"month": month})
        return frozenset(row["client_id"] for row in rows)

    def _month(self, client_id: str, month: str) -> ClientMonth | None:
        whole = self._whole.get(month)
        return (self._read(month, client_id) if whole is None else whole).get(client_id)

    def _total(self, client_id: str, month: str) -> ClientMonth | None:
        whole = self._totals.get(month)
        return (self._read(month, client_id, total_only=True) if whole is None else whole).get(client_id)

    def _refusal(self, client_id: str, month: str) -> InvalidInputError:
        known = self._query("SELECT client_id FROM current_clients ORDER BY client_id", {})
        ids = [row["client_id"] for row in known]
        if client_id not in ids:
            return InvalidInputError(
                f"there is no client {client_id!r}",
                allowed=", ".join(ids[:12]) + (" …" if len(ids) > 12 else "")
                or "no client is under terms yet",
                next_step="spanledger clients list",
            )
        return InvalidInputError(
            f"{client_id} has no statement for {month}",
            allowed="a month that has begun and in which the client is under terms",
            next_step=f"spanledger clients show {client_id}",
        )

    def _parties(self) -> tuple[Agency, Mapping[str, Row]]:
        (agency,) = self._query("SELECT * FROM current_agency", {})
        clients = {row["client_id"]: row for row in self._query("SELECT * FROM current_clients", {})}
        return (
            Agency(
                name=agency["name"],
                address=tuple(agency["address"]),
                email=agency["email"],
                tax_id=agency["tax_id"],
                texts=dict(agency["texts"]),
                logo=agency["logo"],
                colour=agency["colour"],
            ),
            clients,
        )

    def _read(self, month: str, client_id: str | None, *, total_only: bool = False) -> dict[str, ClientMonth]:
        asked = {"month": month, "client_id": client_id or ""}
        one = "" if client_id is None else "AND client_id = {client_id:String}"

        def by_client(view: str, order: str, known: str = "") -> dict[str, list[Row]]:
            rows: dict[str, list[Row]] = defaultdict(list)
            where = f"WHERE month = {{month:String}} {one} {known}"
            for row in self._query(f"SELECT * FROM {view} {where} ORDER BY client_id, {order}", asked):  # noqa: S608 - constants
                rows[row["client_id"]].append(row)
            return rows

        of_client = "AND client_state = 'known'"
        stretches = by_client("month_stretches", "first_day")
        lines = by_client("month_lines", "kind, first_day, provider, model", of_client)
        days = {} if total_only else by_client("charges_by_day", "day", of_client)
        gaps = {} if total_only else by_client("month_gaps", "gap, reason", of_client)
        nobody = {} if total_only else by_client("month_unattributed", "client_state")
        due = adjustments.due(self._ledger, month, client_id)
        return {
            each: ClientMonth(
                client_id=each,
                month=month,
                stretches=stretches[each],
                lines=lines.get(each, ()),
                days=days.get(each, ()),
                gaps=[
                    *((row["gap"], row["reason"], row["calls"]) for row in gaps.get(each, ())),
                    *((row["client_state"], "", row["calls"]) for row in nobody.get(each, ())),
                ],
                due=due.get(each, ()),
            )
            for each in stretches
        }

    def _query(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        return list(self._ledger.query(query, parameters=dict(parameters)).named_results())


def _month_before(month: str) -> str:
    return (date.fromisoformat(f"{month}-01") - timedelta(days=1)).strftime("%Y-%m")
