"""Why a month is not closed yet: causes, each with its count and its remedy.

Their names are stable: the operator overrides a cause by its name, and the close keeps it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from spanledger_billing import rollup
from spanledger_billing.close import pipeline
from spanledger_billing.prices import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

NAMES: Final = {
    "unpriced": "calls whose cost is not known for want of a price",
    "stale-prices": "calls priced otherwise than the newest price list would",
    "incomplete": "calls whose usage is missing or cut short, beyond the tolerance of the client's terms",
    "unattributed": "calls within the client's month that name no client",
    "unknown-clients": "calls within the client's month that name a client without terms",
    "drift": "spans, calls and roll-up disagree",
    "pipeline-behind": "spans or calls of the month may still be on their way",
    "month-not-over": "the month is not over by the client's clock",
}

_OF_NOBODY: Final = """
    SELECT if(rolled.client_id = '', 'unattributed', 'unknown-clients') AS cause, sum(rolled.counted)
    FROM
    (
        SELECT
            quarter,
            toString(client_id) AS client_id,
            -- Lines of a call that itself does not bill count as one.
            greatest(calls, toUInt64(notEmpty(units) OR notEmpty(unpriced) OR notEmpty(incomplete)))
                AS counted
        FROM usage_15m FINAL
        WHERE quarter >= {starts:DateTime('UTC')} AND quarter < {ends:DateTime('UTC')}
    ) AS rolled
    ASOF LEFT JOIN
    (
        SELECT client_id, starts_at, ends_at FROM local_days
        WHERE client_id != '' AND known
            AND ends_at > {starts:DateTime('UTC')} AND starts_at < {ends:DateTime('UTC')}
    ) AS own ON own.client_id = rolled.client_id AND rolled.quarter >= own.starts_at
    WHERE rolled.client_id = '' OR rolled.quarter >= own.ends_at
    GROUP BY cause
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason not to close."""

    name: str
    count: int
    found: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Month:
    """A client's month that can be closed."""

    client_id: str
    month: str
    starts_at: datetime
    ends_at: datetime
    timezone: str
    tolerance_percent: Decimal
    """Of the terms on the month's last day."""


class Inspection:
    """Looks for causes in one month of any clients; what several clients share is asked once."""

    def __init__(
        self, ledger: Any, month: str, *, now: datetime | None = None, data: Path | None = None
    ) -> None:
        """Take a ledger to look into, and where its pipeline runs.

        Args:
            ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
            month: YYYY-MM.
            now: the present, which is given in tests only.
            data: the data folder of `spanledger up`; if not given, the environment says.

        """
        self._ledger = ledger
        self._month = month
        self._now = now or datetime.now(UTC)
        self._data = data
        self._drift: rollup.Drift | None = None
        self._stale: dict[str, int] | None = None
        self._waiting: str | None = None
        self._unowned: dict[tuple[datetime, datetime], dict[str, int]] = {}

    def causes(self, month: Month) -> list[Cause]:
        """Every cause against closing this month now, in the order of `NAMES`."""
        drift = self._drifted()
        found = [
            *self._of_the_calls(month),
            *self._of_nobody(month),
            *_drift(drift),
            *self._pipeline(month),
            *self._not_over(month),
        ]
        return sorted(found, key=lambda cause: list(NAMES).index(cause.name))

    def _of_the_calls(self, month: Month) -> Iterator[Cause]:
        calls, unpriced, incomplete = self._ledger.query(
            """
            SELECT sum(calls), sum(arraySum(mapValues(unpriced))), sum(arraySum(mapValues(incomplete)))
            FROM usage_day FINAL
            WHERE month = {month:String} AND client_id = {client_id:String} AND client_state = 'known'
            """,
            parameters={"month": month.month, "client_id": month.client_id},
        ).first_row
        if unpriced:
            yield Cause(
                "unpriced",
                unpriced,
                f"{_calls(unpriced)} without a price",
                f"spanledger prices check --month {month.month} --client {shlex.quote(month.client_id)} "
                "names the models and what to run for each",
            )
        stale = self._stale_prices().get(month.client_id, 0)
        if stale:
            first, last = _ends(month.month)
            yield Cause(
                "stale-prices",
                stale,
                f"{_calls(stale)} priced otherwise than the newest price list would",
                f"spanledger reprice --client {shlex.quote(month.client_id)} --from {first} --to {last}",
            )
        if incomplete * 100 > month.tolerance_percent * calls:
            yield Cause(
                "incomplete",
                incomplete,
                f"{incomplete:,} of {_calls(calls)} incomplete; "
                f"the terms tolerate {month.tolerance_percent.normalize():f} %",
                "the view incomplete names the apps; cut streams are billed at what was proven, "
                "so close with --accept incomplete, or raise incomplete_tolerance_percent in the terms",
            )

    def _of_nobody(self, month: Month) -> Iterator[Cause]:
        found = self._within(month.starts_at, month.ends_at)
        first, last = _ends(month.month)
        of_the_month = f"since={first} until={last} --to CLIENT"
        remedies = {
            "unattributed": f"spanledger attribute unattributed {of_the_month}; "
            "app=NAME narrows it to those of one app, which the view unattributed names",
            "unknown-clients": "spanledger clients apply with their terms, "
            f"or spanledger attribute unknown {of_the_month}",
        }
        said = {"unattributed": "name no client", "unknown-clients": "name a client without terms"}
        for name, remedy in remedies.items():
            if count := found.get(name, 0):
                yield Cause(name, count, f"{_calls(count)} within the month that {said[name]}", remedy)

    def _within(self, starts_at: datetime, ends_at: datetime) -> dict[str, int]:
        """Calls in this time that nobody pays for, by cause."""
        if (starts_at, ends_at) not in self._unowned:
            found = self._ledger.query(
                _OF_NOBODY,
                parameters={"starts": starts_at, "ends": ends_at},
            ).result_rows
            self._unowned[starts_at, ends_at] = {str(cause): int(count) for cause, count in found if count}
        return self._unowned[starts_at, ends_at]

    def _drifted(self) -> rollup.Drift:
        """Brings the roll-up up to date, which all else here reads."""
        if self._drift is None:
            self._drift = rollup.drift(self._ledger, [self._month])
        return self._drift

    def _stale_prices(self) -> dict[str, int]:
        if self._stale is None:
            self._stale = check.stale(self._ledger, self._month)
        return self._stale

    def _pipeline(self, month: Month) -> Iterator[Cause]:
        behind = pipeline.not_rolled_up(self._ledger, month.starts_at, month.ends_at)
        if behind:
            found = f"{behind:,} quarter-hours of the month are not rolled up"
            yield Cause(
                "pipeline-behind", behind, found, "close again in a minute; if it stays so, spanledger doctor"
            )
            return
        if self._waiting is None:
            self._waiting = pipeline.waiting(self._data)
        if self._waiting:
            yield Cause("pipeline-behind", 1, self._waiting, "spanledger doctor")
        elif not pipeline.anything_since(self._ledger, month.ends_at):
            yield Cause(
                "pipeline-behind",
                1,
                "nothing has arrived since the month ended, so what was sent before may be on its way",
                "spanledger doctor sends a span through the pipeline; once it has arrived, close again",
            )

    def _not_over(self, month: Month) -> Iterator[Cause]:
        if self._now < month.ends_at:
            ends = month.ends_at.astimezone(ZoneInfo(month.timezone))
            yield Cause(
                "month-not-over",
                1,
                f"{month.month} goes on in {month.timezone}",
                f"close it after {ends:%Y-%m-%d %H:%M} there ({month.ends_at:%Y-%m-%d %H:%M} UTC)",
            )


def _drift(drift: rollup.Drift) -> Iterator[Cause]:
    count = len(drift.rollup) + len(drift.rows)
    if count:
        yield Cause(
            "drift",
            count,
            f"{len(drift.rows):,} spans without a call, "
            f"{len(drift.rollup):,} rows of the roll-up that differ from the calls",
            "spanledger repair",
        )


def _ends(month: str) -> tuple[date, date]:
    """Its first day and its last."""
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"
