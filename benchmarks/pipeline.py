"""From OTLP to rows: how fast, how large, and what the processes take, through the real collector.

Speed is from the first span sent until the last one is a row, beside the same collector and the same raw
table without our views. Sizes are of merged parts. Memory is what a process has resident at most while an app
calls at a steady pace, on Linux.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import clickhouse_connect
from harness import report
from harness.report import Report, Row, say

from spanledger import names
from spanledger.capture.encoding import encoder
from spanledger.capture.tracing import Finished, Recurring, ids, our_resource, our_scope
from spanledger.delivery.otlp import EncodedSpan, join
from spanledger.delivery.outbox.record import framed
from spanledger_billing import up

BATCH = 512
TABLES = ("otel_traces", "llm_calls")


def spans(count: int) -> list[EncodedSpan]:
    encode = encoder(our_resource("bench"), our_scope())
    alike = Recurring("chat gpt-4o", {})
    now = time.time_ns()
    made = []
    for number in range(count):
        trace_id, span_id = ids(None)
        attributes = {
            names.PROVIDER: "openai",
            names.OPERATION: "chat",
            names.SERVER_ADDRESS: "api.openai.com",
            names.USAGE_FOUND: True,
            names.USAGE_COMPLETE: True,
            names.CLIENT_ID: f"client-{number % 50}",
            names.PROJECT: "seo-bot",
            names.BILLABLE: "yes",
            names.REQUEST_MODEL: "gpt-4o",
            names.RESPONSE_MODEL: "gpt-4o-2024-08-06",
            names.RESPONSE_ID: f"chatcmpl-{span_id.hex()}{number}",
            names.FINISH_REASONS: ("stop",),
            names.HTTP_STATUS: 200,
            names.PROVIDER_REQUEST_ID: f"req_{trace_id.hex()}",
            names.USAGE["input"]: 1000 + number % 700,
            names.USAGE["cache_read"]: number % 900,
            names.USAGE["output"]: 50 + number % 300,
            names.USAGE["reasoning"]: number % 40,
        }
        started = now - (count - number) * 1_000_000
        ended = started + 900_000_000
        made.append(encode(Finished(trace_id, span_id, None, started, ended, attributes, alike)))
    return made


def send(stack: up.Stack, batches: list[bytes]) -> None:
    address = stack.otlp_http_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=60)
    for batch in batches:
        connection.request("POST", "/v1/traces", batch, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the collector answered {answer.status}")
    connection.close()


def ledger_of(stack: up.Stack) -> Any:
    return clickhouse_connect.get_client(
        dsn=stack.clickhouse_url, username=stack.user, password=stack.password, database="spanledger"
    )


def seconds_until_rows(stack: up.Stack, ledger: Any, table: str, count: int) -> float:
    encoded = spans(count)
    batches = [join(encoded[at : at + BATCH]) for at in range(0, count, BATCH)]
    before = rows(ledger, table)
    began = time.monotonic()
    send(stack, batches)
    while rows(ledger, table) - before < count:
        if time.monotonic() - began > 600:
            raise RuntimeError(f"after ten minutes not all spans are rows of {table}")
        time.sleep(0.02)
    return time.monotonic() - began


def rows(ledger: Any, table: str) -> int:
    return int(ledger.query(f"SELECT count() FROM {table}").result_rows[0][0])


def drop_views(ledger: Any) -> None:
    found = ledger.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'"
    )
    for (name,) in found.result_rows:
        ledger.command(f"DROP VIEW IF EXISTS {name} SYNC")


def speed(count: int, result: Report) -> None:
    found = {}
    for views in (False, True):
        say(f"{count:,} spans to rows, {'with' if views else 'without'} our views")
        with tempfile.TemporaryDirectory() as folder, up.start(folder) as stack:
            ledger = ledger_of(stack)
            if not views:
                drop_views(ledger)
            table = "llm_calls" if views else "otel_traces"
            seconds_until_rows(stack, ledger, table, BATCH)  # warming up
            found[views] = count / seconds_until_rows(stack, ledger, table, count)
            if views:
                sizes(ledger, result)
            ledger.close()
    result.rows.insert(
        0, Row("from OTLP to rows of llm_calls", found[True], "spans/s", "without our views", found[False])
    )


def sizes(ledger: Any, result: Report) -> None:
    raw: float | None = None
    for table in TABLES:
        ledger.command(f"OPTIMIZE TABLE {table} FINAL")
        (counted, size), *_ = ledger.query(
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = {table:String}",
            parameters={"table": table},
        ).result_rows
        each = size / counted if counted else 0.0
        raw = each if raw is None else raw
        result.rows.append(Row(f"on disk, {table}", each, "B/row", "otel_traces", raw))
    encoded = spans(100)
    record = sum(len(framed(span, 1)) for span in encoded) / len(encoded)
    result.rows.append(Row("on disk, the outbox while it waits", record, "B/span", "otel_traces", raw))


class Watch:
    """The most that processes had resident."""

    def __init__(self, **pids: int) -> None:
        self.most_kb = dict.fromkeys(pids, 0)
        self._pids = pids
        self._over = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            for name, pid in self._pids.items():
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
                resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
                self.most_kb[name] = max(self.most_kb[name], int(resident.split()[1]))

    def end(self) -> dict[str, int]:
        self._over.set()
        self._thread.join()
        return self.most_kb


def memory(paces: list[int], seconds: float, result: Report) -> None:
    script = Path(__file__).with_name("harness") / "paced.py"
    with tempfile.TemporaryDirectory() as folder, up.start(Path(folder) / "data") as stack:
        least: dict[str, float] = {}
        for pace in sorted(paces):
            say(f"{pace:,} calls a minute")
            watch = Watch(collector=stack.collector.pid, endpoint=stack.endpoint.pid)
            done = subprocess.run(
                [sys.executable, script, stack.otlp_http_url, str(pace), str(seconds)],
                capture_output=True,
                text=True,
                check=True,
                env={"PATH": "/usr/bin:/bin", "SPANLEDGER_OUTBOX": f"{folder}/outbox"},
            )
            most = watch.end()
            told = json.loads(done.stdout)
            note = f"{told['calls']:,} calls in {seconds:.0f} s"
            taken = {
                "the app": told["most_kb"] / 1024,
                "the app, by metering": (told["most_kb"] - told["before_kb"]) / 1024,
                "the collector": most["collector"] / 1024,
                "the embedded database": most["endpoint"] / 1024,
            }
            for name, size in taken.items():
                reference = least.setdefault(name, size)
                result.rows.append(
                    Row(
                        f"memory at {pace:,} a minute, {name}", size, "MiB", "at the slowest", reference, note
                    )
                )


def main() -> None:
    parser = report.arguments(__doc__)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument(
        "--paces", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="calls a minute"
    )
    parser.add_argument("--seconds", type=float, default=20, help="at each pace")
    options = parser.parse_args()
    result = Report("pipeline: from OTLP to rows")
    speed(options.spans, result)
    memory(options.paces, options.seconds, result)
    report.finish(result, options)


if __name__ == "__main__":
    main()
