"""`spanledger clients apply`: from the version in force to what a file says, all or nothing.

First everything is checked and the difference made; nothing is written until the operator's consent covers
all that it harms.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spanledger.attribution import shown
from spanledger_billing.clients import calendars, reaching, tables
from spanledger_billing.clients.differences import Line, differences
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from spanledger_billing.clients.model import Roster
    from spanledger_billing.clients.reaching import ClientMonth

_NAMED_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What an apply would do."""

    roster: Roster
    file_sha256: str
    before: tables.Version
    lines: tuple[Line, ...]
    """The difference, for people; empty where there is none."""
    reaches_closed: tuple[ClientMonth, ...]
    reaches_open: tuple[ClientMonth, ...]
    """Months so far that are not closed and are charged otherwise after it."""
    refusals: tuple[OperatorError, ...]
    """Why it is refused, each with its remedy; empty where it is not."""


def plan(
    ledger: Any,
    roster: Roster,
    content: bytes,
    *,
    closed: bool = False,
    remove: Collection[str] = (),
    now: datetime | None = None,
) -> Change:
    """What applying a roster changes. Writes nothing.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        roster: what the file says.
        content: the file's bytes, by which its version is found again.
        closed: the operator consents to reaching into closed months.
        remove: ids that the operator consents to take out of the terms.
        now: the present, which is given in tests only.

    """
    before = tables.current(ledger)
    reached: tuple[ClientMonth, ...] = ()
    reached_open: tuple[ClientMonth, ...] = ()
    if before.roster is not None and before.roster != roster:
        months_closed = reaching.closed_months(ledger)
        so_far = set(reaching.months_so_far(before.roster, roster, now or datetime.now(UTC)))
        reached = reaching.reached(before.roster, roster, months_closed)
        reached_open = reaching.reached(before.roster, roster, so_far - months_closed)
    refusals = [
        *_another_zone(ledger, roster),
        *_removed(before.roster, roster, remove),
        *([] if closed else _reached(reached)),
    ]
    return Change(
        roster=roster,
        file_sha256=hashlib.sha256(content).hexdigest(),
        before=before,
        lines=() if before.roster == roster else tuple(differences(before.roster, roster)),
        reaches_closed=reached,
        reaches_open=reached_open,
        refusals=tuple(refusals),
    )


def carry_out(ledger: Any, change: Change, *, now: datetime | None = None) -> int:
    """Apply a change, and extend the calendars; the version in force then.

    Raises:
        RefusedError: the change is refused, or another apply came first.

    """
    if change.refusals:
        raise change.refusals[0]
    # Days first: a client is never visible without them. Days of a version that does not come to be are never
    # looked at.
    calendars.extend(ledger, [client.zones for client in change.roster], now=now)
    if not change.lines:
        return change.before.number
    version = change.before.number + 1
    tables.write(
        ledger,
        change.roster,
        version=version,
        file_sha256=change.file_sha256,
        changed_clients=reaching.changed_clients(change.before.roster, change.roster),
        reaches_closed=change.reaches_closed,
    )
    return version


def _another_zone(ledger: Any, roster: Roster) -> list[OperatorError]:
    zone = roster.agency.timezone
    ((in_ledger,),) = ledger.query(
        "SELECT argMax(timezone, day) FROM calendar FINAL WHERE client_id = ''"
    ).result_rows
    if not zone or zone == in_ledger:
        return []
    return [
        InvalidInputError(
            f"the agency's timezone is {zone} in the file, and the ledger's days are in {in_ledger}",
            allowed="the same zone in both",
            next_step=f"write timezone: {in_ledger} under agency; or, while the ledger has no calls, run "
            f"SPANLEDGER_TIMEZONE={zone} spanledger migrate",
        )
    ]


def _removed(old: Roster | None, new: Roster, consent: Collection[str]) -> list[OperatorError]:
    before = {client.id for client in old or ()}
    after = {client.id for client in new}
    refusals: list[OperatorError] = [
        InvalidInputError(
            f"--remove names {shown(client_id)}, who stands in the file",
            allowed="clients that are no longer in the file",
            next_step="take the client out of the file, or leave --remove out",
        )
        for client_id in sorted(after.intersection(consent))
    ]
    missing = sorted(before - after - set(consent))
    if missing:
        options = " ".join(f"--remove {shlex.quote(one)}" for one in missing[:_NAMED_AT_MOST])
        refusals.append(
            RefusedError(
                f"under terms, but not in the file: {_named(missing)}. All their calls, past ones too, "
                "would be an unknown client's",
                next_step=f"who left: put back, with until: in the last terms; who never was one: {options}",
            )
        )
    return refusals


def _reached(reached: Collection[ClientMonth]) -> list[OperatorError]:
    if not reached:
        return []
    months = _named([f"{client_id} {month}" for client_id, month in reached])
    return [
        RefusedError(
            f"the change reaches into closed months: {months}",
            next_step="let the terms begin later; or add --closed: what was closed stays as it is, and the "
            "difference becomes an adjustment of the next statement",
        )
    ]


def _named(names: Collection[str]) -> str:
    listed = list(names)[:_NAMED_AT_MOST]
    more = len(names) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")
