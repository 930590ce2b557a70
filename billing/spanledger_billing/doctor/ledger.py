"""Checks of the ledger: schema, prices, clock, and what the views say about the calls in it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from spanledger_billing import resources
from spanledger_billing.doctor.report import Check, State
from spanledger_billing.migrate import load

COMPONENT: Final = "ledger"
CALLS: Final = "calls"

LOOK_BACK_DAYS: Final = 35
"""Findings older than the last month and its closing are history: doctor is about what goes wrong now."""

SKEW_SECONDS: Final = 5.0
"""Beyond this the clocks of two machines may put a call into the wrong minute of a price or month."""

PRICES_AGE_DAYS: Final = 45
"""Providers change prices every few weeks; genai-prices publishes them within days."""


LAG_SECONDS: Final = 300
"""Longer than almost any call takes, so beyond it spans wait somewhere."""


def reachable(ledger: Any) -> list[Check]:
    began = time.monotonic()
    (version,) = ledger.query("SELECT version()").result_rows[0]
    took = (time.monotonic() - began) * 1000
    engine = Check(COMPONENT, "reachable", State.OK, f"ClickHouse {version}, answers in {took:.0f} ms")
    return [engine, schema(ledger)]


def schema(ledger: Any) -> Check:
    files = {
        migration.name: migration.checksum for migration in load(resources.folder("schema") / "migrations")
    }
    if not ledger.query("EXISTS TABLE schema_migrations").result_rows[0][0]:
        return Check(COMPONENT, "schema", State.PROBLEM, "the database is empty", "spanledger migrate")
    applied = dict(ledger.query("SELECT name, checksum FROM schema_migrations FINAL").result_rows)
    found = f"{len(applied)} of {len(files)} migrations applied, the last is {max(applied, default='none')}"
    if applied == files:
        return Check(COMPONENT, "schema", State.OK, found)
    unknown = applied.keys() - files.keys()
    if unknown:
        found = f"{found}; this release does not know {max(unknown)}"
        next_step = "install the release of spanledger that applied it, or a newer one"
        return Check(COMPONENT, "schema", State.PROBLEM, found, next_step)
    return Check(COMPONENT, "schema", State.PROBLEM, found, "spanledger migrate")


def contents(ledger: Any) -> Iterator[Check]:
    """What there is to say about a ledger whose schema is up to date."""
    yield clock(ledger)
    yield price_list(ledger)
    yield lag(ledger)
    yield from findings(ledger)
    yield duplicates(ledger)


def clock(ledger: Any) -> Check:
    before = datetime.now(UTC)
    (stated,) = ledger.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0]
    after = datetime.now(UTC)
    # Half the exchange is the best guess of when the other clock was read.
    skew = abs(stated / 1000 - (before.timestamp() + after.timestamp()) / 2)
    found = f"{skew:.1f} s apart from this machine's"
    if skew <= SKEW_SECONDS:
        return Check(COMPONENT, "clock", State.OK, found)
    next_step = "run a time service (chrony, systemd-timesyncd) on both machines"
    return Check(COMPONENT, "clock", State.PROBLEM, found, next_step)


def price_list(ledger: Any) -> Check:
    query = """
        SELECT version, source, source_version, dateDiff('day', imported_at, now64(3))
        FROM price_imports ORDER BY imported_at DESC LIMIT 1
    """
    rows = ledger.query(query).result_rows
    if not rows:
        return Check("prices", "list", State.PROBLEM, "none was imported", "spanledger prices sync")
    version, source, source_version, age = rows[0]
    found = f"version {version} ({source} {source_version}), imported {age} days ago"
    if age <= PRICES_AGE_DAYS:
        return Check("prices", "list", State.OK, found)
    next_step = "pip install --upgrade genai-prices, then spanledger prices sync"
    return Check("prices", "list", State.PROBLEM, found, next_step)


_FINDINGS: Final = {
    "unparsed": "look at the reasons in the view unparsed; an update of spanledger in that app may read them",
    "unpriced": "spanledger prices show MODEL; a newer genai-prices may know it, then spanledger prices sync",
    "unattributed": 'name the client where these apps make their calls: with bill_to("…") or its middleware',
    "sender_refusals": "spanledger senders list; let senders.yaml name these clients, or find out who sends",
    "incomplete": "their costs are lower bounds: ask those apps to read streams to the end",
}
"""View of calls -> next step where it has rows."""


def findings(ledger: Any) -> list[Check]:
    return [_finding(ledger, view, next_step) for view, next_step in _FINDINGS.items()]


def _finding(ledger: Any, view: str, next_step: str) -> Check:
    query = f"""
        SELECT sum(v.calls), max(v.last_call) FROM {view} AS v
        WHERE v.last_call > now() - INTERVAL {LOOK_BACK_DAYS} DAY
    """  # noqa: S608 - the names above
    calls, last_call = ledger.query(query).result_rows[0]
    if not calls:
        return Check(CALLS, view, State.OK, f"none in {LOOK_BACK_DAYS} days")
    found = f"{calls:,} calls, the last on {last_call:%Y-%m-%d %H:%M} UTC"
    return Check(CALLS, view, State.PROBLEM, found, next_step)


def duplicates(ledger: Any) -> Check:
    """Never a problem: whatever sends at least once sends some twice, and the ledger counts them once."""
    row = ledger.query("SELECT arrivals, calls, duplicates FROM duplicates").result_rows[0]
    arrivals, calls, found_twice = row
    found = f"{found_twice:,} of {arrivals:,} arrivals were repeats; {calls:,} calls count once each"
    return Check(CALLS, "duplicates", State.OK, found)


def lag(ledger: Any) -> Check:
    query = """
        SELECT count(), quantileExact(0.5)(seconds), max(seconds)
        FROM (SELECT dateDiff('second', call_time, first_arrival) AS seconds FROM calls
              WHERE call_time > now() - INTERVAL 1 DAY AND first_arrival > now() - INTERVAL 1 HOUR
                  AND operation != 'probe')
    """
    calls, median, most = ledger.query(query).result_rows[0]
    if not calls:
        spans, last = ledger.query("SELECT spans, last_arrival FROM pipeline_freshness").result_rows[0]
        found = (
            f"no call in the last hour; the last span came {last:%Y-%m-%d %H:%M} UTC"
            if spans
            else "no call yet"
        )
        return Check(CALLS, "lag", State.OK, found)
    found = f"{calls:,} calls in the last hour, {median} s (at most {most} s) from their start to the ledger"
    if median <= LAG_SECONDS:
        return Check(CALLS, "lag", State.OK, found)
    next_step = "see whether the collector's queue drains, and whether the apps reach the collector"
    return Check(CALLS, "lag", State.PROBLEM, found, next_step)
