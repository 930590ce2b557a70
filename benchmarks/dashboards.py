"""What every panel and every alert rule costs the ledger, beside the same written against the raw spans.

    python benchmarks/dashboards.py --calls 10000000

makes a month of calls as `ledger.py` has it, puts eleven more months of roll-up before it, and asks each
panel's and each rule's query as Grafana sends it, those of the rules at noon of the month's last day. A row
shows the best of several times, the least time of all cores together, the rows that the engine read (a panel
of a month must not read the other eleven), and the time of the same question to `otel_traces`, where every
attribute is text and every span may be there twice. It asserts nothing: a busy machine would fail it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
from harness import filled as filling
from harness.report import Report, Row, Target, arguments, finish, say

from spanledger_billing import migrate, rollup
from spanledger_billing.clients import applying
from spanledger_billing.clients.reading import read

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import dashboards, grafana_rules
from support.grafana_macros import expand
from support.rolled_up import by_hand
from support.still_clock import StillClock

CHOSEN = {"month": filling.MONTH, "client": "client-007", "provider": "'*'", "currency": "USD"}
EVERYBODY = CHOSEN | {"client": "'*'"}
NOON = datetime(2026, 10, 31, 12, tzinfo=UTC)
LIMIT_MS = 200

_COST = "toDecimal128OrNull(SpanAttributes['spanledger.usage.provider_cost_usd'], 18)"
_DISTINCT = f"argMin({_COST}, inserted_at) AS cost, any(SpanAttributes['client_id']) AS client"
_MODEL = "any(SpanAttributes['gen_ai.response.model']) AS model"
_DAY = "toDate(any(Timestamp)) AS day"
_ONE = "WHERE SpanAttributes['client_id'] = 'client-007'"
_RECENT = "WHERE Timestamp >= toDateTime('2026-10-31 00:00:00', 'UTC')"


def _spans(columns: str, asked: str, group: str, where: str = "") -> str:
    columns = f"{_DISTINCT}, {columns}" if columns else _DISTINCT
    once = f"SELECT {columns} FROM otel_reference {where} GROUP BY TraceId, SpanId"
    return f"SELECT {asked} FROM ({once}) GROUP BY {group}"


REFERENCES = {
    "spanledger-overview": (
        "cost by client of otel_traces",
        _spans("", "client, sum(cost), count()", "client"),
    ),
    "spanledger-client": (
        "one client's cost by day and model of otel_traces",
        _spans(f"{_MODEL}, {_DAY}", "day, model, sum(cost), count()", "day, model", _ONE),
    ),
    "spanledger-budgets": (
        "cost by client and day of otel_traces",
        _spans(_DAY, "client, day, sum(cost)", "client, day"),
    ),
    "spanledger-models": (
        "cost by model of otel_traces",
        _spans(_MODEL, "model, sum(cost), count()", "model"),
    ),
    "spanledger-pipeline": (
        "one day's spans of otel_traces, each once",
        _spans("", "client, count()", "client", _RECENT),
    ),
}
"""What a panel of the dashboard would at least have to ask of raw spans."""
OF_RULES = {
    "budgets": "spanledger-budgets",
    "clients": "spanledger-overview",
    "calls": "spanledger-models",
    "pipeline": "spanledger-pipeline",
}
"""The dashboard that a group of rules asks the like of."""


def fill(client: Any, calls: int, *, reference: bool) -> None:
    content = filling.clients_yaml()
    applying.carry_out(client, applying.plan(client, read(content), content))
    by_hand(client)
    filling.fill(client, calls)
    rollup.refresh(client)
    # The same month's roll-up again for the eleven before it, up to the days that every month has.
    whole = f"month = '{filling.MONTH}' AND toDayOfMonth(day) <= 28"
    quarters = f"quarter >= '{filling.MONTH}-01' AND toDayOfMonth(quarter) <= 28"
    for months in range(1, 12):
        month = f"formatDateTime(addMonths(toDate('{filling.MONTH}-01'), -{months}), '%Y-%m')"
        client.command(
            f"INSERT INTO usage_day SELECT * REPLACE (addMonths(day, -{months}) AS day, {month} AS month) "
            f"FROM (SELECT * FROM usage_day FINAL WHERE {whole})"
        )
        client.command(
            f"INSERT INTO usage_15m SELECT * REPLACE (addMonths(quarter, -{months}) AS quarter) "
            f"FROM (SELECT * FROM usage_15m FINAL WHERE {quarters})"
        )
    for table in ("llm_calls", "usage_15m", "usage_day"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    if reference:
        filling.fill_reference(client)


def best(client: Any, query: str, times: int = 3) -> tuple[float, float]:
    """The shortest time, and the least of all cores together, which a busy machine lengthens less."""
    found = []
    for _ in range(times):
        began, busy = time.perf_counter(), time.process_time()
        client.query(query)
        found.append(((time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def rows_read(client: Any, query: str) -> int:
    return int(json.loads(client.raw_query(query, fmt="JSON"))["statistics"]["rows_read"])


def measure(client: Any, report: Report, beside: dict[str, float]) -> None:
    """Every panel and variable."""
    end = datetime(2026, 11, 1, tzinfo=UTC)
    for uid, board in dashboards.boards().items():
        values = EVERYBODY if uid == "spanledger-models" else CHOSEN
        for query in dashboards.queries(board):
            sql = expand(
                dashboards.interpolated(query.sql, values),
                start=end - timedelta(days=1),
                end=end,
                interval_s=300,
            )
            panel = f"{uid.removeprefix('spanledger-')}: {query.title.removesuffix(', ${currency}')}"
            report.rows.append(_row(client, panel, sql, uid, beside))


def measure_rules(client: Any, report: Report, beside: dict[str, float]) -> None:
    """Every query of every alert rule. Afterwards the views have another clock."""
    StillClock(client, NOON)
    for uid, rule in grafana_rules.rules().items():
        for ref, query in grafana_rules.queries(rule).items():
            sql = expand(query, start=NOON - timedelta(minutes=10), end=NOON)
            report.rows.append(_row(client, f"alert {uid}: {ref}", sql, OF_RULES[rule["group"]], beside))


def _row(client: Any, what: str, sql: str, board: str, beside: dict[str, float]) -> Row:
    milliseconds, cpu = best(client, sql)
    note = f"{cpu:.0f} ms of all cores; {rows_read(client, sql):,} rows read"
    say(what)
    return Row(what, milliseconds, "ms", REFERENCES[board][0], beside.get(board), note)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument(
        "--no-spans", action="store_true", help="leave out the raw spans, which take room and time"
    )
    options = parser.parse_args()
    report = Report(
        f"dashboards, over {options.calls:,} calls of {filling.CLIENTS} clients in {filling.MONTH}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        client: Any = clickhouse_connect.get_client(interface="chdb", path=temporary, tz_mode="aware")
        client.database = "benchmark"
        migrate.apply(client, timezone="UTC")
        fill(client, options.calls, reference=not options.no_spans)
        beside: dict[str, float] = {}
        if not options.no_spans:
            beside = {uid: best(client, instead, 1)[0] for uid, (_, instead) in REFERENCES.items()}
        measure(client, report, beside)
        panels = len(report.rows)
        measure_rules(client, report, beside)
        ((month, year),) = client.query(
            f"SELECT countIf(month = '{filling.MONTH}'), count() FROM usage_day FINAL"
        ).result_rows
        client.close()
    for what, rows in (("panel", report.rows[:panels]), ("query of an alert rule", report.rows[panels:])):
        slowest = max(row.value for row in rows if row.value is not None)
        report.targets.append(Target(f"the slowest {what}", slowest, LIMIT_MS, "ms"))
    report.facts = {"calls": options.calls, "rows of the month": month, "rows of all months": year}
    finish(report, options)


if __name__ == "__main__":
    main()
