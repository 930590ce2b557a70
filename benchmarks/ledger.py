"""How fast the ledger answers and how much room it takes, beside the same questions asked of the raw spans.

    python benchmarks/ledger.py --calls 10000000

makes a month of calls of a hundred clients in an engine in this process, rolls them up, asks every view, and makes
every client's statement. The reference is the same question put to `otel_traces`, where every attribute is text
and every span may be there twice, or to `llm_calls`. Times are of CPU, all threads together, the best of several:
they mean the same on a busy machine; the clock's stand beside them. It asserts nothing.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import clickhouse_connect
from harness import filled
from harness.filled import END, MONTH, START
from harness.report import Report, Row, Target, arguments, finish, say

from spanledger_billing import migrate, rollup
from spanledger_billing.clients import applying
from spanledger_billing.clients.reading import read
from spanledger_billing.prices import sync
from spanledger_billing.statements.load import LedgerSource
from spanledger_billing.statements.rendering import Format, render

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.rolled_up import by_hand, settle

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = "client_id = 'client-007'"
COST = "toDecimal128OrNull(SpanAttributes['spanledger.usage.provider_cost_usd'], 18)"
ONCE = f"SELECT any(SpanAttributes['client_id']) AS client, argMin({COST}, inserted_at) AS cost"
GROUPED = "GROUP BY TraceId, SpanId"
MODEL = "any(SpanAttributes['gen_ai.response.model']) AS model"
OF_ONE = "WHERE SpanAttributes['client_id'] = 'client-007'"

REFERENCES = {
    "spans: cost by client and model": f"SELECT client, model, sum(cost) FROM ({ONCE}, {MODEL} FROM otel_reference {GROUPED}) "
    "GROUP BY client, model",
    "spans: one client's cost by model": f"SELECT model, sum(cost) FROM ({ONCE}, {MODEL} FROM otel_reference {OF_ONE} {GROUPED}) "
    "GROUP BY model",
    "spans: one client's cost by day": f"SELECT day, sum(cost) FROM ({ONCE}, toDate(any(Timestamp)) AS day FROM otel_reference "
    f"{OF_ONE} {GROUPED}) GROUP BY day",
    "spans: cost by client and day": f"SELECT client, day, sum(cost) FROM ({ONCE}, toDate(any(Timestamp)) AS day "
    f"FROM otel_reference {GROUPED}) GROUP BY client, day",
    "spans: calls without a client": "SELECT uniqExact(TraceId, SpanId) FROM otel_reference WHERE SpanAttributes['client_id'] = ''",
    "calls: cost by client": "SELECT client_id, sum(cost_usd) FROM llm_calls FINAL WHERE bills GROUP BY client_id",
    "calls: cost by client, model and unit": "SELECT client_id, response_model, sumMap(costs) FROM llm_calls FINAL WHERE bills "
    "GROUP BY client_id, response_model",
    "calls: one client's by day": "SELECT toDate(call_time) AS day, sum(cost_usd) FROM llm_calls FINAL "
    f"WHERE {ONE} GROUP BY day",
    "calls: count, duplicates gone": "SELECT count() FROM llm_calls FINAL",
}
"""The same questions without a roll-up, by name."""
BOUNDED = " SETTINGS max_memory_usage = 8000000000, max_bytes_before_external_group_by = 3000000000"

OF_MONTH = f"WHERE month = '{MONTH}'"
QUESTIONS = {
    "usage_day: a month by client": (
        f"SELECT client_id, sum(cost_usd) FROM usage_day FINAL {OF_MONTH} GROUP BY client_id",
        "calls: cost by client",
    ),
    "usage_day: a client's days": (
        f"SELECT day, sum(cost_usd) FROM usage_day FINAL {OF_MONTH} AND {ONE} GROUP BY day",
        "calls: one client's by day",
    ),
    "month_lines: all clients": (f"SELECT * FROM month_lines {OF_MONTH}", "spans: cost by client and model"),
    "month_lines: one client": (
        f"SELECT * FROM month_lines {OF_MONTH} AND {ONE}",
        "spans: one client's cost by model",
    ),
    "charges: all clients": (f"SELECT * FROM charges {OF_MONTH}", "calls: cost by client, model and unit"),
    "charges: one client": (
        f"SELECT * FROM charges {OF_MONTH} AND {ONE}",
        "spans: one client's cost by model",
    ),
    "charges_by_day: all clients": (
        f"SELECT * FROM charges_by_day {OF_MONTH}",
        "spans: cost by client and day",
    ),
    "charges_by_day: one client": (
        f"SELECT * FROM charges_by_day {OF_MONTH} AND {ONE}",
        "spans: one client's cost by day",
    ),
    "margins: all clients": (f"SELECT * FROM margins {OF_MONTH}", "spans: cost by client and model"),
    "margins: one client": (
        f"SELECT * FROM margins {OF_MONTH} AND {ONE}",
        "spans: one client's cost by model",
    ),
    "budget_status: all clients": (
        f"SELECT * FROM budget_status {OF_MONTH}",
        "spans: cost by client and day",
    ),
    "budget_status: one client": (
        f"SELECT * FROM budget_status {OF_MONTH} AND {ONE}",
        "spans: one client's cost by day",
    ),
    "trend: all clients": (f"SELECT * FROM trend {OF_MONTH}", "spans: cost by client and model"),
    "month_gaps: all clients": (f"SELECT * FROM month_gaps {OF_MONTH}", "calls: cost by client"),
    "month_unattributed: all clients": (
        f"SELECT * FROM month_unattributed {OF_MONTH}",
        "spans: calls without a client",
    ),
    "calls: one client's month": (
        f"SELECT count() FROM calls {OF_MONTH} AND {ONE}",
        "calls: one client's by day",
    ),
    "rollup_freshness": ("SELECT * FROM rollup_freshness", "calls: count, duplicates gone"),
    "drift_rollup: all months": ("SELECT * FROM drift_rollup", "calls: count, duplicates gone"),
}
"""What is measured: the query, and what it stands beside."""

MERGED = {
    "a month by client": (QUESTIONS["usage_day: a month by client"][0], 5.0),
    "a client's days": (QUESTIONS["usage_day: a client's days"][0], 3.0),
    "a quarter-hour added up": (
        """
        SELECT client_id, project, provider, response_model, sumMapIf(units, bills), sumMapIf(costs, bills),
            sumOrNullIf(cost_usd, bills), countIf(bills AND line = ''),
            countIf(NOT bills AND billable = 'no_if_refused_before_output'),
            sumMapIf(map(unpriced_reason, toUInt64(1)), bills AND unpriced_reason != ''),
            sumMapIf(units, bills AND unpriced_reason != ''),
            sumMapIf(map(incomplete_reason, toUInt64(1)), bills AND incomplete_reason != '')
        FROM llm_calls FINAL
        WHERE billing_key = '' AND hour = toDateTime('2026-10-15 12:00:00', 'UTC')
            AND toStartOfFifteenMinutes(call_time) = toDateTime('2026-10-15 12:00:00', 'UTC')
        GROUP BY client_id, project, provider, response_model""",
        34.0,
    ),
}
"""What is asked while the parts of every table are merged: the query alone, without what a refresh has to do besides, and the
milliseconds that it may take."""


class Took(NamedTuple):
    """Milliseconds."""

    cpu: float
    clock: float


def timed(action: Callable[[], Any], times: int = 1) -> Took:
    """The best of several."""
    found = []
    for _ in range(times):
        cpu, clock = time.process_time(), time.perf_counter()
        action()
        found.append(Took((time.process_time() - cpu) * 1000, (time.perf_counter() - clock) * 1000))
    return min(found)


def row(what: str, took: Took, name: str = "", reference: Took | None = None) -> Row:
    note = f"({took.clock:,.0f} ms by the clock)"
    return Row(what, took.cpu, "ms CPU", name, reference.cpu if reference else None, note)


def ask(ledger: Any, rows: list[Row], *, spans: bool) -> dict[str, Took]:
    """Every question, beside its reference; what each reference took."""
    beside: dict[str, Took] = {}
    for what, (query, name) in QUESTIONS.items():
        if name not in beside and (spans or not name.startswith("spans")):
            reference = REFERENCES[name] + BOUNDED
            beside[name] = timed(lambda query=reference: ledger.query(query))  # type: ignore[misc]
        took = timed(lambda query=query: ledger.query(query), 5)  # type: ignore[misc]
        rows.append(row(what, took, name, beside.get(name)))
        say(f"{what}: {took.cpu:,.0f} ms CPU, {took.clock:,.0f} ms")
    return beside


def again(ledger: Any, rows: list[Row]) -> None:
    """One quarter-hour touched by a call that comes late."""
    settle(ledger)
    ledger.command(
        "INSERT INTO touched_quarters SELECT toDateTime('2026-10-15 12:00:00', 'UTC') AS quarter, quarter, now64(3, 'UTC')"
    )

    def step(view: str) -> None:
        ledger.command(f"SYSTEM REFRESH VIEW {view}")
        ledger.command(f"SYSTEM WAIT VIEW {view}")

    rows.append(
        row("a quarter-hour rolled up again, to find it included", timed(lambda: step("usage_15m_mv")))
    )
    rows.append(row("its days, of all clients, made again", timed(lambda: step("usage_day_mv"))))
    rows.append(
        row("the month's lines, of all clients, reckoned again", timed(lambda: step("kept_lines_mv")))
    )
    rows.append(row("the month's charges by day, likewise", timed(lambda: step("kept_days_mv"))))
    rows.append(
        row("a look whether a month's lines are due, which none is", timed(lambda: step("kept_lines_mv")))
    )


def lag(ledger: Any, rows: list[Row], seconds: int) -> None:
    """How far the roll-up is behind while a thousand spans arrive every second, each through the whole schema."""
    for view, every in (
        ("usage_15m_mv", "15 SECOND"),
        ("usage_day_mv", "15 SECOND DEPENDS ON usage_15m_mv"),
        ("kept_lines_mv", "30 SECOND"),
        ("kept_days_mv", "30 SECOND DEPENDS ON kept_lines_mv"),
    ):
        ledger.command(f"ALTER TABLE {view} MODIFY REFRESH EVERY {every} APPEND")
    before = _rolled_up(ledger)
    began, lags, took = time.perf_counter(), [], []
    for second in range(seconds):
        at = time.perf_counter()
        ledger.command(filled.ARRIVING.format(second=second, clients=filled.CLIENTS))
        took.append(time.perf_counter() - at)
        # Counted: rollup_freshness tells since when a quarter-hour waits, and here one is touched all the time.
        lags.append(second + 1 - (_rolled_up(ledger) - before) / 1000)
        time.sleep(max(0.0, began + second + 1 - time.perf_counter()))
    whole = time.perf_counter() - began
    rate = f"({seconds * 1000 / whole:,.0f} spans a second came through)"
    rows.append(Row("roll-up behind its calls, at most", max(lags), "s", note=rate))
    rows.append(
        Row("a thousand spans inserted, priced and marked", sorted(took)[len(took) // 2] * 1000, "ms")
    )


def _rolled_up(ledger: Any) -> int:
    return int(ledger.query("SELECT sum(d.calls) FROM usage_day AS d FINAL").first_row[0])


def statements(ledger: Any, rows: list[Row], beside: dict[str, Took]) -> None:
    """Every client's document of the month, beside the sums that each of them begins with, from raw spans."""

    def everyone(form: Format) -> None:
        source = LedgerSource(ledger)
        for client in source.clients(MONTH):
            render(source.statement(client, MONTH), form)

    sums = "spans: cost by client and model"
    for form in (Format.CSV, Format.PDF):
        took = timed(lambda form=form: everyone(form), 2)  # type: ignore[misc]
        what = f"statement --all: {filled.CLIENTS} clients, as {form.value.upper()}"
        rows.append(row(what, took, sums, beside.get(sums)))
        say(f"{what}: {took.cpu:,.0f} ms CPU, {took.clock:,.0f} ms")


def sizes(ledger: Any, rows: list[Row]) -> None:
    found = ledger.query(
        "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table IN ('llm_calls', 'otel_reference', 'usage_15m', 'usage_day') GROUP BY table ORDER BY table"
    ).result_rows
    bytes_of = {table: (size / count, count) for table, count, size in found}
    spans = bytes_of.get("otel_reference", (None,))[0]
    for table, (size, count) in bytes_of.items():
        beside = spans if table == "llm_calls" else None
        rows.append(
            Row(
                f"{table}, a row",
                size,
                "bytes",
                "as a raw span" if beside else "",
                beside,
                f"({count:,} rows)",
            )
        )


def run(ledger: Any, options: Any) -> Report:
    report = Report(f"the ledger, over {options.calls:,} calls of {filled.CLIENTS} clients in {MONTH}")
    content = filled.clients_yaml()
    applying.carry_out(ledger, applying.plan(ledger, read(content), content))
    sync.sync(ledger)
    # Rolled up when asked to, not beside what is measured.
    by_hand(ledger)
    ledger.command("ALTER TABLE drift_checks_mv MODIFY REFRESH EVERY 10 YEAR APPEND")
    say(f"filled in {filled.fill(ledger, options.calls):.0f} s")
    rows = report.rows
    rows.append(row("all rolled up, from nothing", timed(lambda: rollup.refresh(ledger))))
    for table in ("llm_calls", "usage_15m", "usage_day"):
        ledger.command(f"OPTIMIZE TABLE {table} FINAL")
    for what, (query, limit) in MERGED.items():
        took = timed(lambda query=query: ledger.query(query), 20)  # type: ignore[misc]
        rows.append(row(f"merged: {what}", took))
        report.targets.append(Target(what, took.clock, limit, "ms"))
    again(ledger, rows)
    if not options.no_spans:
        filled.fill_reference(ledger)
    beside = ask(ledger, rows, spans=not options.no_spans)
    statements(ledger, rows, beside)
    sizes(ledger, rows)
    lag(ledger, rows, options.seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(Row("peak memory, the questions to raw spans included", peak, "MiB"))
    report.facts = {"calls": options.calls, "clients": filled.CLIENTS, "from": START, "to": END}
    return report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=60, help="how long a thousand spans a second arrive")
    parser.add_argument(
        "--no-spans", action="store_true", help="leave out the raw spans, which take room and time"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger: Any = clickhouse_connect.get_client(interface="chdb", path=folder, tz_mode="aware")
        ledger.database = "benchmark"
        migrate.apply(ledger, timezone="UTC")
        report = run(ledger, options)
        ledger.close()
    finish(report, options)


if __name__ == "__main__":
    main()
