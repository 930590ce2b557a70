"""Pricing stored calls again, by the list in force, on the operator's order.

Of the calls in a stretch of days those change that would cost otherwise: they are stored one revision higher,
their first arrival kept, and their quarter-hours are rolled up anew. Calls that the list leaves as they are
stay untouched, so a second order finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spanledger_billing import orders, turns
from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.money import EXACT
from spanledger_billing.prices import trial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from spanledger_billing.clients.reaching import ClientMonth
    from spanledger_billing.prices.trial import Days, Difference


@dataclass(frozen=True, slots=True)
class Total:
    """What a client's calls in these days cost together, in USD; None where no cost is known."""

    client_id: str
    calls: int
    before: Decimal | None
    after: Decimal | None
    changed: int
    """Calls that would cost otherwise."""
    losing: int
    """Those that have a cost and would have none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an order would change."""

    days: Days
    client_id: str | None
    version: str
    """The list in force."""
    differences: Sequence[Difference]
    totals: Sequence[Total]
    reaches_closed: Sequence[ClientMonth]
    turn: int
    """The last one before the calls were looked at."""

    @property
    def calls(self) -> int:
        """How many calls change."""
        return sum(difference.calls for difference in self.differences)


def plan(ledger: Any, days: Days, client_id: str | None = None) -> Plan:
    """What pricing again would change; nothing is changed.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        days: local days of whom the calls are billed to.
        client_id: only the calls billed to this client; empty for those that name nobody.

    Raises:
        InvalidInputError: the last day lies before the first.
        OperatorError: no price list is in force.
        RefusedError: another order is at work on the calls.

    """
    if days.last < days.first:
        raise InvalidInputError(
            f"the days go from {days.first} to {days.last}",
            allowed="a last day that is not before the first; both are included",
            next_step="for October: --from 2026-10-01 --to 2026-10-31",
        )
    turn = turns.seen(ledger)
    version = str(ledger.query("SELECT version FROM price_list_in_force").first_row[0])
    if not version:
        raise OperatorError("no price list is in force", next_step="spanledger prices sync")
    found = trial.differences(ledger, days, client_id)
    closed = closed_months(ledger)
    return Plan(
        days=days,
        client_id=client_id,
        version=version,
        differences=found,
        totals=_totals(ledger, days, client_id, found),
        reaches_closed=[one.of for one in found if one.of in closed],
        turn=turn,
    )


def carry_out(ledger: Any, plan: Plan, *, closed: bool = False) -> None:
    """Change what a plan says, and record it.

    Raises:
        RefusedError: it reaches into closed months without consent, or another order or a close came in
            between; nothing was changed.

    """
    orders.refuse_closed(
        plan.reaches_closed,
        closed=closed,
        command="name days or a client that are open, or add --closed",
    )
    if not plan.calls:
        return
    about = {
        "first_day": plan.days.first,
        "last_day": plan.days.last,
        "client_id": plan.client_id,
        "versions_before": sorted({version for one in plan.differences for version in one.versions}),
        "version": plan.version,
        "calls": plan.calls,
        "changes": [
            (one.client_id, one.month, one.calls, one.cost_now, one.cost_then) for one in plan.differences
        ],
        "reaches_closed": list(plan.reaches_closed),
    }
    months = [one.of for one in plan.differences]
    with turns.taken(ledger, "reprice", after=plan.turn) as turn:
        orders.refuse_closed_since(ledger, months, plan.reaches_closed)
        with orders.recorded(ledger, "reprices", "reprice_id", about):
            trial.carry_out(turn, plan.days, plan.client_id, months=months)


def _totals(ledger: Any, days: Days, client_id: str | None, differences: Sequence[Difference]) -> list[Total]:
    rows = ledger.query(
        "SELECT client_id, count(), sum(cost_usd) FROM calls "
        "WHERE bills AND day >= {first:Date} AND day <= {last:Date} "
        "AND ({everybody:Bool} OR client_id = {client:String}) GROUP BY client_id ORDER BY client_id",
        parameters={
            "first": days.first,
            "last": days.last,
            "client": client_id or "",
            "everybody": client_id is None,
        },
    ).result_rows
    return [
        Total(
            str(client),
            calls,
            before,
            _after(before, [one for one in differences if one.client_id == client]),
            sum(one.calls for one in differences if one.client_id == client),
            sum(one.losing for one in differences if one.client_id == client),
        )
        for client, calls, before in rows
    ]


def _after(before: Decimal | None, differences: Sequence[Difference]) -> Decimal | None:
    after = before
    for one in differences:
        if one.cost_then is not None:
            after = one.cost_then if after is None else EXACT.add(after, one.cost_then)
        if one.cost_now is not None and after is not None:
            after = EXACT.subtract(after, one.cost_now)
    return after
