"""Giving calls that nobody pays for to a client, on the operator's order.

Calls that name no client, and calls of a client without terms, cost the agency money that nobody owes. Those
that fit a filter and are there when it runs are stored again with the client who pays, one revision higher;
what the span said (`claimed_client_id`), what was priced and when it first arrived stay as they were.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spanledger.attribution import shown
from spanledger_billing import orders, turns
from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError
from spanledger_billing.money import exact_sum
from spanledger_billing.prices import again

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from decimal import Decimal

    from spanledger_billing.call_filter import Filter
    from spanledger_billing.clients.reaching import ClientMonth

_CHOSEN: Final = """
    SELECT
        chosen.claimed_client_id AS claimed,
        chosen.client_id AS payer,
        chosen.cost_usd AS cost_usd,
        chosen.bills AS bills,
        chosen.billing_key AS billing_key,
        chosen.trace_id AS trace_id,
        chosen.span_id AS span_id,
        chosen.call_day AS call_day,
        own.month != '' AND chosen.call_second < own.ends_at AS under_terms,
        if(under_terms, own.month, '') AS own_month,
        if(under_terms, own.day, chosen.call_day) AS own_day,
        chosen.month AS payers_month
    FROM
    (
        SELECT
            *, toDateTime(call_time, 'UTC') AS call_second, toDate(call_time) AS call_day,
            {to:String} AS receiver
        FROM calls
        WHERE %(where)s
    ) AS chosen
    ASOF LEFT JOIN
    (
        SELECT client_id, day, month, starts_at, ends_at FROM local_days
        WHERE client_id = {to:String} AND known
    ) AS own ON own.client_id = chosen.receiver AND chosen.call_second >= own.starts_at
    WHERE %(days)s
"""
_ALONE: Final = """
    llm_calls FINAL
    WHERE billing_key = '' AND (toString(claimed_client_id), trace_id, span_id) IN
        (SELECT claimed, trace_id, span_id FROM ({chosen}) WHERE billing_key = '')
"""
# All looks at a response belong together: the one that began first says who pays for it.
_KEYED: Final = """
    keyed_calls FINAL
    WHERE billing_key IN (SELECT billing_key FROM ({chosen}) WHERE billing_key != '')
"""
_CHANGED: Final = {
    "revision": "toUInt16(revision + 1)",
    "client_id": "{to:String}",
    "project": "if({project:String} = '', project, {project:String})",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """Calls of one claimed client in one month of who is to pay."""

    claimed_client_id: str
    client_id: str
    """Who paid so far; empty for nobody."""
    month: str
    calls: int
    cost_usd: Decimal | None
    """Of those whose cost is known; None where it is known of none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an order would give to whom."""

    chosen: Filter
    to: str
    project: str
    moved: Sequence[Moved]
    months: Collection[ClientMonth]
    """Whose charges it changes: those that get the calls, and those that have them now."""
    reaches_closed: Sequence[ClientMonth]
    turn: int
    """The last one before the calls were looked at."""

    @property
    def calls(self) -> int:
        """How many calls are given."""
        return sum(one.calls for one in self.moved)

    @property
    def cost_usd(self) -> Decimal | None:
        """What they cost, as far as it is known."""
        known = [one.cost_usd for one in self.moved if one.cost_usd is not None]
        return exact_sum(known) if known else None


def plan(ledger: Any, chosen: Filter, to: str, *, project: str = "") -> Plan:
    """What giving the calls that fit would change; nothing is changed.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        chosen: which calls.
        to: who is to pay; a client with terms at the time of each call.
        project: what their project is to be; empty where each keeps its own.

    Raises:
        InvalidInputError: there is no such client.
        RefusedError: some calls lie at a time when the client has no terms, or another order is at work.

    """
    _check_client(ledger, to)
    turn = turns.seen(ledger)
    rows = ledger.query(
        "SELECT claimed, payer, own_month, payers_month, under_terms, countIf(bills), "  # noqa: S608 - of the schema
        "sumOrNullIf(cost_usd, bills), min(call_day), max(call_day) "
        f"FROM ({_query(chosen)}) GROUP BY ALL ORDER BY ALL",
        parameters=_parameters(chosen, to, project),
    ).result_rows
    outside = [row for row in rows if not row[4]]
    if outside:
        calls = sum(row[5] for row in outside)
        first, last = min(row[7] for row in outside), max(row[8] for row in outside)
        raise RefusedError(
            f"{shown(to)} has no terms when {calls:,} of these calls were made, from {first} to {last}; "
            "nothing was changed",
            next_step="let the client's terms cover these days with spanledger clients apply, "
            "or leave the calls out with since=DAY or until=DAY",
        )
    closed = closed_months(ledger)
    months = {(to, str(row[2])) for row in rows} | {(str(row[1]), str(row[3])) for row in rows}
    totals: dict[tuple[str, str, str], tuple[int, list[Decimal]]] = {}
    for claimed, payer, month, _, _, calls, cost, _, _ in rows:
        counted, costs = totals.get((str(claimed), str(payer), str(month)), (0, []))
        totals[str(claimed), str(payer), str(month)] = (
            counted + calls,
            costs if cost is None else [*costs, cost],
        )
    return Plan(
        chosen,
        to,
        project,
        [
            Moved(*key, calls, exact_sum(costs) if costs else None)
            for key, (calls, costs) in sorted(totals.items())
        ],
        months,
        sorted(months & closed),
        turn,
    )


def carry_out(ledger: Any, plan: Plan, *, closed: bool = False) -> None:
    """Give the calls of a plan, and record it.

    Raises:
        RefusedError: it reaches into closed months without consent, or another order or a close came in
            between; nothing was changed.

    """
    orders.refuse_closed(
        plan.reaches_closed, closed=closed, command="leave the calls out with since=DAY, or add --closed"
    )
    if not plan.moved:
        return
    about = {
        "filter": plan.chosen.words,
        "client_id": plan.to,
        "project": plan.project,
        "calls": plan.calls,
        "cost_usd": plan.cost_usd,
        "moved": [
            (one.claimed_client_id, one.client_id, one.month, one.calls, one.cost_usd) for one in plan.moved
        ],
        "reaches_closed": list(plan.reaches_closed),
    }
    columns = again.columns(ledger, "llm_calls")
    changed = ", ".join(f"{_CHANGED[name]} AS {name}" if name in _CHANGED else name for name in columns)
    # A call that arrived since then may reach into no other month.
    chosen = (
        f"SELECT * FROM ({_query(plan.chosen)}) WHERE under_terms AND own_month IN {{months:Array(String)}}"  # noqa: S608 - of the schema
    )
    parameters = _parameters(plan.chosen, plan.to, plan.project) | {
        "months": sorted({one.month for one in plan.moved})
    }
    with turns.taken(ledger, "attribute", after=plan.turn) as turn:
        orders.refuse_closed_since(ledger, plan.months, plan.reaches_closed)
        with orders.recorded(ledger, "attributions", "attribution_id", about):
            for source in (_ALONE, _KEYED):
                turn.run(
                    f"INSERT INTO llm_calls ({', '.join(columns)}) SELECT {changed} "  # noqa: S608 - of the schema
                    f"FROM {source.format(chosen=chosen)}",
                    parameters,
                )


def _query(chosen: Filter) -> str:
    return _CHOSEN % {"where": " AND ".join(chosen.where), "days": " AND ".join(chosen.days)}


def _parameters(chosen: Filter, to: str, project: str) -> dict[str, Any]:
    return chosen.parameters | {"to": to, "project": project}


def _check_client(ledger: Any, client_id: str) -> None:
    clients = [
        str(one)
        for (one,) in ledger.query("SELECT client_id FROM current_clients ORDER BY client_id").result_rows
    ]
    if client_id in clients:
        return
    if not clients:
        raise OperatorError(
            "the ledger has no clients yet", next_step="spanledger clients apply clients.yaml"
        )
    near = difflib.get_close_matches(client_id[:60], clients, n=1)
    raise InvalidInputError(
        f"--to is {shown(client_id)}, and no client has that id",
        allowed=", ".join(clients[:12]) + (" …" if len(clients) > 12 else ""),
        next_step=f"write {near[0]}, if that is meant" if near else "spanledger clients list",
    )
