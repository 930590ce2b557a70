"""What stored calls would cost by the list in force, found without changing anything.

Calls are priced `again` some ten thousands at a time, and only those whose cost can have changed: `unchanged`
finds the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.money import EXACT
from spanledger_billing.prices import again, unchanged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from spanledger_billing.clients.reaching import ClientMonth
    from spanledger_billing.turns import Turn

    _Query = tuple[str, dict[str, Any]]
    """SQL and its parameters."""

MOST_AT_ONCE: Final = 50_000
"""Calls of one query: it holds them in memory, about 1 KB each."""

FEW: Final = 10_000
"""Calls that are all priced, without looking for what the list leaves as it is."""

# A local day begins at most 14 hours before, and ends at most 12 hours after, the UTC day of its date.
_REACH: Final = timedelta(days=1)

_ALONE: Final = """
    SELECT *, call_time AS asked_at, client_id AS payer, costs AS costs_now, cost_usd AS cost_now
    FROM llm_calls FINAL
    WHERE billing_key = '' AND bills AND {chosen}
"""
# Of several looks at a response the one that tells its usage, at the time of the request and for who asked.
_KEYED: Final = """
    SELECT
        looks.*, winners.call_time AS asked_at, winners.client_id AS payer, winners.costs AS costs_now,
        winners.cost_usd AS cost_now
    FROM keyed_calls AS looks FINAL
    ANY INNER JOIN (SELECT * FROM call_rows WHERE billing_key != '' AND bills) AS winners
        ON winners.trace_id = looks.trace_id AND winners.span_id = looks.span_id
    WHERE {chosen}
"""
_DIFFERENT: Final = """
    SELECT
        {columns},
        stored.payer AS payer,
        stored.cost_now AS cost_now,
        tried.cost_usd AS cost_then,
        stored.price_version AS version_now,
        {day} AS local_day,
        {month} AS local_month,
        {own} AS known
    FROM ({priced}) AS tried
    ANY INNER JOIN ({stored}) AS stored
        ON stored.trace_id = tried.trace_id AND stored.span_id = tried.span_id
        AND stored.hour = tried.hour AND stored.claimed_client_id = tried.claimed_client_id
    ASOF LEFT JOIN
    (
        SELECT client_id, day, month, starts_at, ends_at FROM local_days WHERE client_id != '' AND known
    ) AS own ON own.client_id = stored.payer AND stored.asked_second >= own.starts_at
    ASOF LEFT JOIN
    (
        SELECT client_id, day, month, starts_at, ends_at FROM local_days WHERE client_id = ''
    ) AS agency ON agency.client_id = stored.agency_id AND stored.asked_second >= agency.starts_at
    -- The same sum from other parts is another cost: terms may charge units apart.
    WHERE tried.costs != stored.costs_now OR isNull(tried.cost_usd) != isNull(stored.cost_now)
"""
_RUN: Final = "hour >= {from:DateTime('UTC')} AND hour <= {to:DateTime('UTC')}"
_OWN: Final = "(own.month != '' AND stored.asked_second < own.ends_at)"
_AGENCY: Final = "(agency.month != '' AND stored.asked_second < agency.ends_at)"


@dataclass(frozen=True, slots=True)
class Days:
    """Local days, both included; calls count in those of whom they are billed to."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Difference:
    """Calls of a client's month that would cost otherwise, and what they cost together."""

    client_id: str
    month: str
    known: bool
    """Whether the client is under terms then."""
    calls: int
    cost_now: Decimal | None
    """USD, of those that have a cost; None where none has."""
    cost_then: Decimal | None
    losing: int
    """Those that have a cost and would have none."""
    gaining: int
    """Those that have none and would have one."""
    versions: tuple[str, ...]
    """The lists that they are priced by."""

    @property
    def difference(self) -> Decimal | None:
        """USD by which they would cost more; None where there is no cost now and none then."""
        if self.cost_then is None:
            return None if self.cost_now is None else EXACT.minus(self.cost_now)
        return self.cost_then if self.cost_now is None else EXACT.subtract(self.cost_then, self.cost_now)

    @property
    def of(self) -> ClientMonth:
        """Whose month."""
        return self.client_id, self.month


def differences(ledger: Any, days: Days, client_id: str | None = None) -> list[Difference]:
    """The calls that would cost otherwise by the list in force, by client and month.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        days: local days of whom they are billed to.
        client_id: only those billed to this client; empty for those that name nobody.

    """
    return _summed(ledger, _queries(ledger, days, client_id))


def fillable(ledger: Any, months: Collection[ClientMonth]) -> list[Difference]:
    """The calls without a price in these months that the list in force has one for, by client and month.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        months: whose calls are looked at.

    """
    return _summed(ledger, _unpriced_queries(ledger, months)) if months else []


def _summed(ledger: Any, queries: Iterable[_Query]) -> list[Difference]:
    """What calls cost now and would cost, by client and month."""
    found: dict[tuple[str, str, bool], Difference] = {}
    for query, parameters in queries:
        rows = ledger.query(
            "SELECT payer, local_month, known, count(), sum(cost_now), sum(cost_then), "  # noqa: S608 - of the schema
            "countIf(isNotNull(cost_now) AND isNull(cost_then)), "
            "countIf(isNull(cost_now) AND isNotNull(cost_then)), groupUniqArray(version_now) "
            f"FROM ({query}) GROUP BY payer, local_month, known",
            parameters=parameters,
        ).result_rows
        for payer, month, known, calls, now, then, losing, gaining, versions in rows:
            key = (str(payer), str(month), bool(known))
            before = found.get(key, Difference(*key, 0, None, None, 0, 0, ()))
            found[key] = Difference(
                *key,
                before.calls + calls,
                _sum(before.cost_now, now),
                _sum(before.cost_then, then),
                before.losing + losing,
                before.gaining + gaining,
                tuple(sorted({*before.versions, *map(str, versions)})),
            )
    return [found[key] for key in sorted(found)]


def carry_out(turn: Turn, days: Days, client_id: str | None = None, *, months: Sequence[ClientMonth]) -> None:
    """Store those calls anew, as they would be priced.

    Args:
        turn: in which they are.
        days: local days of whom they are billed to.
        client_id: only those billed to this client; empty for those that name nobody.
        months: only those that count in these, so that a call which arrived since then reaches into no other.

    """
    columns = ", ".join(again.columns(turn.ledger, "llm_calls"))
    for query, parameters in _queries(turn.ledger, days, client_id):
        turn.run(
            f"INSERT INTO llm_calls ({columns}) SELECT {columns} FROM ({query}) "  # noqa: S608 - of the schema
            "WHERE (payer, local_month) IN {months:Array(Tuple(String, String))}",
            parameters | {"months": list(months)},
        )


def _queries(ledger: Any, days: Days, client_id: str | None) -> Iterator[_Query]:
    """Queries of the calls that would cost otherwise, each of so many calls that it stays small."""
    parameters: dict[str, Any] = {
        "first": days.first,
        "last": days.last,
        "begins": datetime.combine(days.first - _REACH, time()),
        "ends": datetime.combine(days.last + 2 * _REACH, time()),
        "payer": client_id or "",
        "everybody": client_id is None,
    }
    changeable = ledger.query(
        f"SELECT count() FROM llm_calls WHERE hour IN ({unchanged.HOURS}) AND {unchanged.CHANGEABLE}",  # noqa: S608 - constants
        parameters=parameters,
    ).first_row[0]
    # To price a few is quicker than to find out which need not be. The empty kind is none; an empty array has
    # no type.
    skipped = unchanged.kinds(ledger, parameters) if changeable > FEW else []
    parameters["skipped"] = [*skipped, ("", "", "", "")]
    chosen = (
        f"{unchanged.CHANGEABLE} AND {unchanged.KIND} NOT IN "
        "{skipped:Array(Tuple(String, String, String, String))}"
    )
    chosen = f"hour IN ({unchanged.HOURS}) AND {chosen}"
    alone = _within(_different(ledger, _ALONE, f"{_RUN} AND {chosen}"))
    for run in _runs(ledger, chosen, parameters):
        yield alone, parameters | run
    if not ledger.query(f"SELECT count() FROM keyed_calls WHERE {unchanged.OTHERWISE_PRICED}").first_row[0]:  # noqa: S608 - constants
        return
    asked = "asked_at >= {begins:DateTime('UTC')} AND asked_at < {ends:DateTime('UTC')}"
    yield _within(_different(ledger, _KEYED, asked)), parameters


def _unpriced_queries(ledger: Any, months: Collection[ClientMonth]) -> Iterator[_Query]:
    """Queries of the calls in these months that have no price and would have one, each of not too many."""
    parameters: dict[str, Any] = {"months": sorted(months)}
    within = "SELECT * FROM ({}) WHERE (payer, local_month) IN {{months:Array(Tuple(String, String))}}"
    chosen = "bills AND unpriced_reason != '' AND price_version != (SELECT version FROM price_list_in_force)"
    alone = within.format(_different(ledger, _ALONE, f"{_RUN} AND {chosen}"))
    for run in _runs(ledger, chosen, parameters):
        yield alone, parameters | run
    yield within.format(_different(ledger, _KEYED, "winners.unpriced_reason != ''")), parameters


def _runs(ledger: Any, chosen: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, datetime]]:
    """First and last hour of stretches that hold so many calls that they can be priced at once."""
    hours = ledger.query(
        "SELECT hour, count() FROM llm_calls "  # noqa: S608 - constants
        f"WHERE billing_key = '' AND {chosen} GROUP BY hour ORDER BY hour",
        parameters=parameters,
    ).result_rows
    run: list[datetime] = []
    held = 0
    for hour, calls in hours:
        if run and held + calls > MOST_AT_ONCE:
            yield {"from": run[0], "to": run[-1]}
            run, held = [], 0
        run.append(hour)
        held += calls
    if run:
        yield {"from": run[0], "to": run[-1]}


def _different(ledger: Any, source: str, chosen: str) -> str:
    """The query of those of the chosen calls that would cost otherwise."""
    stored = (
        "SELECT *, toDateTime(asked_at, 'UTC') AS asked_second, '' AS agency_id "  # noqa: S608 - of the schema
        f"FROM ({source.format(chosen=chosen)})"
    )
    return _DIFFERENT.format(
        columns=", ".join(f"tried.{name} AS {name}" for name in again.columns(ledger, "llm_calls")),
        priced=again.priced(ledger, stored),
        stored=stored,
        own=_OWN,
        day=f"multiIf({_OWN}, own.day, {_AGENCY}, agency.day, toDate(stored.asked_at))",
        month=(
            f"multiIf({_OWN}, own.month, {_AGENCY}, agency.month, "
            "formatDateTime(stored.asked_at, '%Y-%m', 'UTC'))"
        ),
    )


def _within(query: str) -> str:
    """Of a query's calls those within the days, and of the client."""
    return (
        f"SELECT * FROM ({query}) WHERE local_day >= {{first:Date}} AND local_day <= {{last:Date}} "  # noqa: S608
        "AND ({everybody:Bool} OR payer = {payer:String})"
    )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else EXACT.add(one, other)
