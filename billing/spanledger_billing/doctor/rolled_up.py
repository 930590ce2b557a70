"""Checks of the roll-up: whether it keeps up with the calls, and whether it is what they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.doctor.report import Check, State

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENT: Final = "roll-up"

BEHIND_SECONDS: Final = 300
"""It is refreshed every quarter of a minute; a backlog of a month takes a few refreshes."""

_WHAT: Final = {
    "roll-up": "rows of the roll-up are not what their calls add up to",
    "calls": "spans arrived that no call stands for",
    "charges": "kept lines and days are not what usage and terms come to",
}


def checks(ledger: Any) -> Iterator[Check]:
    """What there is to say about a ledger whose schema is up to date."""
    yield lag(ledger)
    yield drift(ledger)


def lag(ledger: Any) -> Check:
    query = "SELECT quarters_behind, days_behind, months_behind, lag_seconds FROM rollup_freshness"
    quarters, days, months, seconds = ledger.query(query).first_row
    if not quarters and not days and not months:
        return Check(COMPONENT, "lag", State.OK, "it holds every call that arrived")
    waiting = f"{quarters:,} quarter-hours, {days:,} days and the charges of {months:,} months wait"
    found = f"{waiting}, the first for {max(seconds, 0):,} s"
    if seconds <= BEHIND_SECONDS:
        return Check(COMPONENT, "lag", State.OK, found)
    next_step = "see the exceptions in system.view_refreshes; then spanledger repair"
    return Check(COMPONENT, "lag", State.PROBLEM, found, next_step)


def drift(ledger: Any) -> Check:
    """What the ledger's own last check found; `spanledger repair --dry-run` looks now, which takes longer."""
    found = ledger.query("SELECT check_name, rows_found, last_checked_at FROM drift_found").result_rows
    checked_at = max((at for *_, at in found), default=None)
    if checked_at is None or checked_at.year < 2000:
        return Check(COMPONENT, "drift", State.OK, "not checked yet; it is, every six hours")
    wrong = [f"{rows:,} {_WHAT[name]}" for name, rows, _ in sorted(found) if rows]
    when = f"checked on {checked_at:%Y-%m-%d %H:%M} UTC"
    if not wrong:
        return Check(COMPONENT, "drift", State.OK, f"none, {when}")
    return Check(COMPONENT, "drift", State.PROBLEM, f"{'; '.join(wrong)}; {when}", "spanledger repair")
