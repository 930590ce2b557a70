"""Whoever may send spans can send anything; it is stored, flagged with a reason, and holds up nothing."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.waiting import wait_for

INPUT = "gen_ai.usage.input_tokens"
NANOSECONDS_A_DAY = 86_400 * 10**9

HONEST = {
    "client_id": "hostile-neighbour",
    "gen_ai.provider.name": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4o-mini",
    "gen_ai.usage.output_tokens": 7,
    INPUT: 11,
    "spanledger.billable": "yes",
    "spanledger.usage.found": True,
    "spanledger.usage.complete": True,
}

HOSTILE = {
    "text": {INPUT: "many"},
    "negative": {INPUT: -5},
    "huge": {INPUT: "1" + "0" * 30},
    "huge float": {INPUT: 1e30},
    "not a number": {INPUT: float("nan")},
    "infinity": {INPUT: float("inf")},
    "fraction": {INPUT: 0.5},
    "list": {INPUT: [1, 2]},
    "sql": {INPUT: "1'); DROP TABLE calls; --"},
    "megabyte": {INPUT: "9" * 2**20},
    "megabyte of client": {"client_id": "c" * 2**20},
    "billable": {"spanledger.billable": "perhaps"},
    "flags": {"spanledger.usage.complete": "perhaps"},
    "cost": {"spanledger.usage.provider_cost_usd": "-1"},
    "labels": {f"spanledger.label.{number}": "x" for number in range(500)},
}
"""What is wrong with a span that must carry a reason -> its attributes, beside the honest ones."""

ODD = {
    "quotes": {"gen_ai.response.model": "a'b\"c`d\\"},
    "nul": {"gen_ai.response.model": "a\0b"},
    "no client": {"client_id": ""},
    "megabyte of model": {"gen_ai.response.model": "m" * 2**20},
}
"""What is odd, though nothing that a total could be wrong by."""

TIMES = {
    "1970": 1,
    "1999": int(datetime(1999, 12, 31, tzinfo=UTC).timestamp()) * 10**9,
    "2200": int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 10**9,
    "in an hour and a half": time.time_ns() + 5_400 * 10**9,
    # OTLP counts nanoseconds in 64 bits without a sign. Read with one, as the collector does, the later half lies
    # before 1970, the first of it in 1677: outside of what the ledger's column holds.
    "the last with a sign": 2**63 - 2_000,
    "the first beyond": 2**63,
    "the last there is": 2**64 - 2_000,
}


def _send(endpoint: str, spans: list[tuple[str, dict, int | None]]) -> None:
    """All in one request, as one batch, from the scope that bills."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(max_attributes=10_000))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("spanledger")
    for name, attributes, start in spans:
        start = start or time.time_ns()
        span = tracer.start_span(name, attributes=attributes, start_time=start)
        span.add_event("first token", timestamp=start)
        span.end(end_time=start + 1_000)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=30)
    assert exporter.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    exporter.shutdown()


def _stored(running, names: list[str]) -> dict[str, tuple]:
    quoted = ", ".join(f"'{name}'" for name in names)
    rows = running.rows(
        "SELECT SpanName, reasons, bills, cost_usd, unpriced_reason, units, client_id, call_time FROM calls"
        " JOIN (SELECT DISTINCT SpanName, TraceId, SpanId FROM otel_traces) AS spans"
        f" ON spans.TraceId = calls.trace_id AND spans.SpanId = calls.span_id WHERE SpanName IN ({quoted})"
    )
    return {name: rest for name, *rest in rows}


@pytest.fixture(scope="module")
def stored(running):
    """Everything hostile in one batch, then an honest span behind it."""
    spans = [(f"hostile {name}", HONEST | odd, None) for name, odd in (HOSTILE | ODD).items()]
    spans += [(f"time {name}", HONEST, start) for name, start in TIMES.items()]
    _send(running.endpoint, spans)
    _send(running.endpoint, [("honest, behind", HONEST, None)])
    names = [name for name, _, _ in spans]
    wait_for(lambda: len(_stored(running, ["honest, behind"])) == 1, "the honest span behind the batch")
    wait_for(lambda: len(_stored(running, names)) == len(names), "every hostile span")
    return _stored(running, names)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_span_with_a_value_that_makes_no_sense_is_stored_with_a_reason(stored, name):
    reasons, *_ = stored[f"hostile {name}"]
    assert reasons != []


@pytest.mark.parametrize("name", [name for name, odd in HOSTILE.items() if INPUT in odd])
def test_a_quantity_that_makes_no_sense_is_no_quantity_and_the_call_has_no_cost(stored, name):
    _, bills, cost_usd, unpriced_reason, units, _, _ = stored[f"hostile {name}"]
    assert "input" not in units
    assert (bills, cost_usd) == (True, None)
    assert unpriced_reason != ""


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_stored_as_a_name_and_hides_no_usage(stored, name):
    _, bills, _, _, units, _, _ = stored[f"hostile {name}"]
    assert bills
    assert units == {"input": 11, "output": 7}


def test_a_span_that_names_no_client_is_nobodys_and_not_dropped(stored):
    assert stored["hostile no client"][5] == ""


@pytest.mark.parametrize("name", TIMES)
def test_a_time_that_cannot_be_is_flagged_and_the_call_counts_at_its_arrival(stored, name):
    reasons, *_, call_time = stored[f"time {name}"]
    assert "time not plausible" in reasons
    assert abs(call_time.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(hours=1)


def test_two_hundred_days_in_one_batch_are_all_stored(running):
    now = time.time_ns()
    names = [f"day {number}" for number in range(200)]
    _send(
        running.endpoint,
        [(name, HONEST, now - number * NANOSECONDS_A_DAY) for number, name in enumerate(names)],
    )
    wait_for(lambda: len(_stored(running, names)) == len(names), "the spans of 200 days")
    assert {tuple(reasons) for reasons, *_ in _stored(running, names).values()} == {()}


def test_the_reports_still_add_up_over_all_of_it(stored, running):
    ((calls, cost),) = running.rows("SELECT count(), sum(cost_usd) FROM calls WHERE bills")
    assert calls > len(HOSTILE)
    assert 0 < cost < 10_000
