"""`spanledger close`: a month of each client, frozen unless something speaks against it.

Clients are closed one by one: a cause against one keeps no other from its statement. Whatever arrives, is
repriced or changed later becomes an adjustment of the next statement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing import turns
from spanledger_billing.close import causes, chain
from spanledger_billing.close.causes import Cause, Inspection, Month
from spanledger_billing.close.freezing import Figures, figures, freeze
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError
from spanledger_billing.statements.load import LedgerSource
from spanledger_billing.statements.model import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from spanledger_billing.statements.model import Statement

_TRIES: Final = 20
"""How often another close may come first."""

LOOKING: Final = "looking for what speaks against it"
CLOSING: Final = "closing"

Reading = tuple["Statement", Figures]
"""A month as a document, and as the rows that it is made of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one client's month."""

    client_id: str
    month: str
    causes: tuple[Cause, ...] = ()
    """Against closing it, accepted or not."""
    refused: bool = False
    """Some of the causes were not accepted."""
    already: bool = False
    """It was closed before, and nothing was done."""
    statement: Statement | None = None
    """As it was closed, or would be; None where it was refused or closed before."""
    head: chain.Head | None = None
    """The chain's end after it; None where nothing was closed."""


def close(
    ledger: Any,
    month: str,
    clients: Collection[str] = (),
    *,
    accept: Collection[str] = (),
    dry_run: bool = False,
    now: datetime | None = None,
    data: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Close a month, client by client.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        month: YYYY-MM.
        clients: their ids; all that are under terms in the month where none is given.
        accept: names of causes that are to be overridden.
        dry_run: only look.
        now: the present, which is given in tests only.
        data: the data folder of `spanledger up`; if not given, the environment says.
        progress: is told a step, how many clients it is done for, and how many there are.

    Raises:
        InvalidInputError: there is no such cause, or such a client in that month.
        RefusedError: an order that stores calls anew (a reprice, an attribution) is at work.
        OperatorError: some could not be closed, after all others were; for one, since such an order came in
            between.

    """
    unknown = sorted(set(accept) - set(causes.NAMES))
    if unknown:
        raise InvalidInputError(
            f"{unknown[0]!r} is no cause",
            allowed=", ".join(causes.NAMES),
            next_step="spanledger close --help",
        )
    tell = progress or (lambda *_: None)
    months = _months(ledger, month, clients)
    inspection = Inspection(ledger, month, now=now, data=data)
    # Before all else is read: what another close, or an order that stores calls anew, does from here on is
    # seen by it.
    head, turn = chain.head(ledger), turns.seen(ledger)
    shut = _closed(ledger, month)
    ready: list[Month] = []
    found: dict[str, tuple[Cause, ...]] = {}
    for done, each in enumerate(months):
        tell(LOOKING, done, len(months))
        if each.client_id in shut:
            yield Outcome(each.client_id, month, already=True)
            continue
        found[each.client_id] = tuple(inspection.causes(each))
        if any(cause.name not in accept for cause in found[each.client_id]):
            yield Outcome(each.client_id, month, causes=found[each.client_id], refused=True)
        else:
            ready.append(each)
    tell(LOOKING, len(months), len(months))
    if not ready:
        return
    tell(CLOSING, 0, len(ready))
    source = LedgerSource(ledger)
    if len(ready) > 1:
        source.clients(month)  # reads all of them at once
    failed: dict[str, OperatorError] = {}
    for done, each in enumerate(ready, start=1):
        outcome = Outcome(each.client_id, month, causes=found[each.client_id])
        try:
            reading = _read(source, each.client_id, month)
            if dry_run:
                outcome = replace(outcome, statement=reading[0])
            else:
                turns.refuse_since(ledger, turn)
                outcome = _close_one(ledger, outcome, reading, head)
        except OperatorError as error:
            failed[each.client_id] = error
        else:
            yield outcome
        tell(CLOSING, done, len(ready))
    if failed:
        raise _together(failed, len(ready))


def _together(failed: Mapping[str, OperatorError], of: int) -> OperatorError:
    """One fault as it is; several as one that tells them all."""
    if len(failed) == 1:
        return next(iter(failed.values()))
    return OperatorError(
        f"{len(failed)} of {of} months could not be closed",
        next_step="\n".join(f"{client_id}: {error}" for client_id, error in failed.items()),
    )


def _months(ledger: Any, month: str, clients: Collection[str]) -> list[Month]:
    found = ledger.query(
        """
        SELECT
            client_id,
            month,
            any(month_starts_at),
            any(month_ends_at),
            any(timezone),
            argMax(incomplete_tolerance_percent, first_day)
        FROM month_stretches
        WHERE month = {month:String}
        GROUP BY client_id, month
        ORDER BY client_id
        """,
        parameters={"month": month},
    ).result_rows
    there = {row[0]: Month(row[0], row[1], _aware(row[2]), _aware(row[3]), row[4], row[5]) for row in found}
    for client_id in clients:
        if client_id not in there:
            raise InvalidInputError(
                f"{client_id!r} has no month {month} to close",
                allowed=", ".join(list(there)[:12]) + (" …" if len(there) > 12 else "")
                or "a month that has begun, of a client under terms",
                next_step="spanledger clients list",
            )
    if not there:
        raise InvalidInputError(
            f"no client has a month {month} to close",
            allowed="a month that has begun, with clients under terms",
            next_step="spanledger clients list",
        )
    return [each for client_id, each in there.items() if not clients or client_id in clients]


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _close_one(ledger: Any, outcome: Outcome, reading: Reading, read_after: chain.Head) -> Outcome:
    client_id, month = outcome.client_id, outcome.month
    for _ in range(_TRIES):
        head = chain.head(ledger)
        since = _closed_since(ledger, client_id, read_after)
        if month in since:
            return replace(outcome, causes=(), already=True)
        if since:
            # Another month of this client was closed meanwhile, and may have taken adjustments.
            read_after = head
            reading = _read(LedgerSource(ledger), client_id, month)
        draft, frozen = reading
        statement = replace(draft, number=_number(month, head.number + 1), status=Status.CLOSED)
        accepted = [(cause.name, cause.count) for cause in outcome.causes]
        became = freeze(ledger, statement, frozen, after=head, accepted=accepted)
        if became is not None:
            return replace(outcome, statement=statement, head=became)
    raise RefusedError(
        f"{client_id} {month}: other closes came first {_TRIES} times; it was not closed",
        next_step="run spanledger close again",
    )


def _number(month: str, close: int) -> str:
    """Unique, since the close's number is, and without gaps over all statements."""
    return f"{month}-{close:05d}"


def _closed(ledger: Any, month: str) -> set[str]:
    found = ledger.query(
        "SELECT client_id FROM closes WHERE month = {month:String}", parameters={"month": month}
    )
    return {client_id for (client_id,) in found.result_rows}


def _closed_since(ledger: Any, client_id: str, head: chain.Head) -> set[str]:
    """The months of a client that were closed after a head of the chain."""
    found = ledger.query(
        "SELECT month FROM closes WHERE client_id = {client_id:String} AND number > {number:UInt32}",
        parameters={"client_id": client_id, "number": head.number},
    )
    return {month for (month,) in found.result_rows}


def _read(source: LedgerSource, client_id: str, month: str) -> Reading:
    """Document and rows, both made of the same answers of the views."""
    statement, found = source.reading(client_id, month)
    rows = figures(found)
    if statement.net.amount != rows.net:
        raise OperatorError(
            f"{client_id} {month}: the statement's net is {statement.net}, its lines add up to {rows.net}; "
            "it was not closed",
            next_step="spanledger repair, and report it if it stays so",
        )
    return statement, rows
