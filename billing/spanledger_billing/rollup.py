"""The roll-up: what the calls of a quarter-hour, and of a client's day, add up to, and what that is charged.

The ledger keeps it up to date by itself, every quarter of a minute. Here is what a command or a test needs
beside that: to have it up to date now, to see where it is not what the calls add up to, and to mend that.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date
    from decimal import Decimal

_OF_USAGE: Final = (("usage_15m_mv", "due_quarters"), ("usage_day_mv", "due_days"))
_OF_CHARGES: Final = (("kept_lines_mv", "due_lines"), ("kept_days_mv", "due_line_days"))
VIEWS: Final = tuple(view for view, _ in (*_OF_USAGE, *_OF_CHARGES))
"""What the ledger refreshes by itself, each after the one before it."""
_PAUSE_SECONDS: Final = 0.05
_IDLE_TURNS: Final = 200


class RollUpStuckError(OperatorError):
    """Refreshing did not bring the roll-up any further."""


@dataclass(frozen=True, slots=True)
class RowDrift:
    """A row of the roll-up that is not what the calls add up to; None where it is missing on that side."""

    month: str
    client_id: str
    day: date
    client_state: str
    project: str
    provider: str
    model: str
    calls_in_rows: int
    calls_in_rollup: int
    cost_usd_in_rows: Decimal | None
    cost_usd_in_rollup: Decimal | None


@dataclass(frozen=True, slots=True)
class MissingCall:
    """A billing span that arrived and that no call stands for."""

    trace_id: str
    span_id: str
    client_id: str
    arrived_on: date


@dataclass(frozen=True, slots=True)
class Drift:
    """What both checks found; nothing where all is well."""

    rollup: tuple[RowDrift, ...] = ()
    rows: tuple[MissingCall, ...] = ()
    charges: tuple[str, ...] = ()
    """Months whose kept charges are not what their usage and terms come to."""

    def __bool__(self) -> bool:
        return bool(self.rollup or self.rows or self.charges)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did, or would do."""

    found: Drift
    fed_again: int
    """Calls made of the spans that had none."""
    days: tuple[date, ...]
    """Days rolled up again."""
    left_alone: tuple[RowDrift, ...]
    """In closed months, without consent to reach into them."""
    remaining: Drift
    """What is still wrong afterwards; of a dry run, all."""


def refresh(ledger: Any) -> None:
    """Bring the roll-up, and the charges kept of it, up to date with every call that can be read now.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        RollUpStuckError: it cannot be refreshed.

    """
    _bring_up_to_date(ledger, (*_OF_USAGE, *_OF_CHARGES))


def refresh_usage(ledger: Any) -> None:
    """Bring the roll-up up to date with every call that can be read now; its charges follow by themselves.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        RollUpStuckError: it cannot be refreshed.

    """
    _bring_up_to_date(ledger, _OF_USAGE)


def refresh_charges(ledger: Any) -> None:
    """Bring the kept charges up to date with the roll-up as it is, and with the terms and rates in force.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        RollUpStuckError: they cannot be refreshed.

    """
    _bring_up_to_date(ledger, _OF_CHARGES)


def _bring_up_to_date(ledger: Any, steps: Iterable[tuple[str, str]]) -> None:
    for view, due in steps:
        since = ledger.query("SELECT now64(3, 'UTC')").first_row[0]
        before, idle = -1, 0
        while remaining := _behind(ledger, due, since):
            # A refresh that the ledger runs by itself at this moment counts as well, and is waited for.
            idle = idle + 1 if remaining == before else 0
            if idle:
                time.sleep(_PAUSE_SECONDS)
            if idle > _IDLE_TURNS:
                raise RollUpStuckError(
                    f"the roll-up stays behind: {remaining} of {due} remain",
                    next_step="spanledger doctor",
                )
            before = remaining
            ledger.command(f"SYSTEM REFRESH VIEW {view}")
            ledger.command(f"SYSTEM WAIT VIEW {view}")


def _behind(ledger: Any, due: str, since: Any) -> int:
    """How many are due that were not done since an instant."""
    found = ledger.query(
        f"SELECT count() FROM {due} WHERE refreshed_at < {{since:DateTime64(3, 'UTC')}}",  # noqa: S608 - a constant
        parameters={"since": since},
    )
    return int(found.first_row[0])


def drift(ledger: Any, months: Collection[str] | None = None) -> Drift:
    """Where roll-up, calls and spans disagree.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        months: of the roll-up, compare only these (YYYY-MM), and no charges: whoever names months closes
            them, by the views that reckon anew.

    """
    if months is None:
        refresh(ledger)
    else:
        refresh_usage(ledger)
    where = "" if months is None else "WHERE month IN {months:Array(String)}"
    rollup = ledger.query(
        "SELECT month, client_id, day, client_state, project, provider, model, "  # noqa: S608 - constants
        "calls_in_rows, calls_in_rollup, cost_usd_in_rows, cost_usd_in_rollup "
        f"FROM drift_rollup {where} ORDER BY ALL",
        parameters={} if months is None else {"months": sorted(months)},
    )
    rows = ledger.query(
        "SELECT trace_id, span_id, client_id, arrived_on FROM drift_rows "
        "ORDER BY arrived_on, trace_id, span_id"
    )
    charges = ledger.query("SELECT month FROM drift_charges ORDER BY month") if months is None else None
    return Drift(
        rollup=tuple(RowDrift(*row) for row in rollup.result_rows),
        rows=tuple(MissingCall(*row) for row in rows.result_rows),
        # Where the usage is wrong, what it comes to is reckoned again with it.
        charges=tuple(
            month
            for (month,) in (charges.result_rows if charges else ())
            if month not in {row[0] for row in rollup.result_rows}
        ),
    )


def repair(ledger: Any, *, dry_run: bool = False, closed: bool = False) -> Repaired:
    """Mend what the drift checks find: feed missing calls again, roll days up again, reckon months again.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        dry_run: only look.
        closed: reach into closed months too; what was closed stays as it is, and what the repair changes
            becomes an adjustment of the next statement.

    """
    found = drift(ledger)
    shut = frozenset() if closed else closed_months(ledger)
    left_alone = tuple(row for row in found.rollup if (row.client_id, row.month) in shut)
    days = tuple(sorted({row.day for row in found.rollup} - {row.day for row in left_alone}))
    if dry_run or not found:
        return Repaired(found, len(found.rows), days, left_alone, found)
    if found.rows:
        _feed_again(ledger)
    mark(ledger, days)
    _forget_charges(ledger, found.charges)
    return Repaired(found, len(found.rows), days, left_alone, drift(ledger))


def mark(ledger: Any, days: Iterable[date]) -> None:
    """Have these days rolled up again, by whatever clock they are a client's days.

    All their quarter-hours are marked, whether calls are known in them or not, and with them wherever their
    calls are sorted; so it also mends a mark that got lost.
    """
    wanted = sorted(days)
    if not wanted:
        return
    ledger.command(
        """
        INSERT INTO touched_quarters (quarter, hour, touched_at)
        WITH arrayJoin({days:Array(Date)}) AS day
        SELECT
            toDateTime(day, 'UTC') + 900 * (toInt32(number) - 56) AS quarter,
            toStartOfHour(quarter),
            now64(3, 'UTC')
        FROM numbers(208)
        """,
        parameters={"days": wanted},
    )
    ledger.command(
        """
        INSERT INTO touched_quarters (quarter, hour, touched_at)
        SELECT DISTINCT toStartOfFifteenMinutes(call_time) AS quarter, hour, now64(3, 'UTC')
        FROM llm_calls
        WHERE toDate(call_time) IN (SELECT arrayJoin({days:Array(Date)}) + arrayJoin([-1, 0, 1]))
        """,
        parameters={"days": wanted},
    )


def _forget_charges(ledger: Any, months: Iterable[str]) -> None:
    """Have what these months are charged kept anew: of no inputs it is due, whatever stands there."""
    wanted = sorted(months)
    for table in ("kept_lines", "kept_days"):
        if wanted:
            ledger.command(
                f"INSERT INTO {table} (month, refreshed_at, is_deleted) "  # noqa: S608 - a constant
                f"SELECT arrayJoin({{months:Array(String)}}), max(refreshed_at) + INTERVAL 1 MILLISECOND, 1 "
                f"FROM {table}",
                parameters={"months": wanted},
            )


def _feed_again(ledger: Any) -> None:
    """Send the spans that no call stands for through the view that makes calls of spans."""
    (text,) = ledger.query(
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'call_arrivals_mv'"
    ).first_row
    columns = [
        str(name)
        for (name,) in ledger.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'call_arrivals' "
            "ORDER BY position"
        ).result_rows
    ]
    missing = """
        (
            SELECT * FROM otel_traces
            WHERE (toValidUTF8(substring(TraceId, 1, 64)), toValidUTF8(substring(SpanId, 1, 64)))
                IN (SELECT trace_id, span_id FROM drift_rows)
        ) AS spans"""
    made, replaced = re.subn(r"\bFROM\s+(?:`?\w+`?\.)?`?otel_traces`?", lambda _: f"FROM {missing}", text)
    if replaced != 1:
        raise OperatorError(
            "call_arrivals_mv does not read otel_traces once, so spans cannot be sent through it again",
            next_step="spanledger migrate",
        )
    names = ", ".join(columns)
    ledger.command(f"INSERT INTO call_arrivals ({names}) SELECT {names} FROM ({made})")  # noqa: S608 - of the schema
