"""What the collector has acknowledged, it delivers: over kills, outages and large requests."""

import re
import urllib.request

import pytest

from spanledger_billing.up import Stack
from support import otlp
from support.stack import StartStack, client_of, wait_until_stored
from support.waiting import wait_for


def _metric(stack: Stack, name: str) -> float:
    with urllib.request.urlopen(stack.metrics_url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    values = [float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line)]
    assert values, f"the collector has no metric {name}"
    return sum(values)


def test_acknowledged_spans_outlive_a_kill_of_the_collector_while_the_database_is_away(
    start_stack: StartStack,
) -> None:
    stack = start_stack()
    stack.endpoint.kill9()
    ids = []
    for _ in range(20):
        body, span_ids = otlp.request(50)
        assert otlp.post(stack.otlp_http_url, body) == 200
        ids += span_ids
    stack.collector.kill9()
    stack.collector.restart()  # without a database to connect to
    stack.collector.kill9()
    stack.endpoint.restart()
    stack.collector.restart()
    wait_until_stored(stack, ids)


def test_a_stop_in_the_middle_of_an_outage_keeps_what_was_acknowledged(start_stack: StartStack) -> None:
    """Orderly shutdowns have lost items that a kill would not: the exporter's last failure deleted them."""
    stack = start_stack()
    stack.endpoint.stop()
    body, ids = otlp.request(100)
    assert otlp.post(stack.otlp_http_url, body) == 200
    wait_for(lambda: _metric(stack, "otelcol_exporter_queue_size") > 0, "the queue to fill")
    stack.stop()
    wait_until_stored(start_stack(), ids)


def test_a_full_queue_turns_senders_away_and_takes_them_again_when_there_is_room(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_QUEUE_BYTES", "200000")
    stack = start_stack()
    stack.endpoint.stop()
    body, ids = otlp.request(10, {"filler": "x" * 5_000})
    accepted = 0
    while (status := otlp.post(stack.otlp_http_url, body)) == 200:
        accepted += 1
        assert accepted < 100, "the queue never fills"
    # An answer that senders try again, unlike 400.
    assert status == 503
    stack.endpoint.start()
    wait_until_stored(stack, ids)
    wait_for(lambda: otlp.post(stack.otlp_http_url, body) == 200, "room in the queue")


def test_a_request_above_the_usual_limits_is_taken_and_stored(stack: Stack) -> None:
    body, ids = otlp.request(40, {"filler": "x" * 750_000})
    assert len(body) > 28 * 2**20
    assert otlp.post(stack.otlp_http_url, body) == 200
    spans = wait_until_stored(stack, ids)
    assert {len(attributes["filler"]) for attributes in spans.values()} == {750_000}


def test_hostile_values_arrive_as_they_were_sent(stack: Stack) -> None:
    """Binary rows hold whatever the text holds: quotes, semicolons, line ends, zero bytes."""
    values = {
        "sql": "'; DROP TABLE otel_traces; --\n;\n",
        "zero": "a\0b",
        "unicode": "\N{RIGHT-TO-LEFT OVERRIDE}\N{PILE OF POO}",
        "format": " FORMAT Native\n\\'\"`",
    }
    body, ids = otlp.request(3, values)
    assert otlp.post(stack.otlp_http_url, body) == 200
    assert wait_until_stored(stack, ids) == dict.fromkeys(ids, values)


def test_the_collectors_own_metrics_have_the_names_of_its_documentation(stack: Stack) -> None:
    body, ids = otlp.request(3)
    assert otlp.post(stack.otlp_http_url, body) == 200
    wait_until_stored(stack, ids)
    assert _metric(stack, "otelcol_receiver_accepted_spans") >= 3
    wait_for(lambda: _metric(stack, "otelcol_exporter_sent_spans") >= 3, "the exporter's count")
    assert _metric(stack, "otelcol_exporter_queue_capacity") == 4 * 2**30
    assert _metric(stack, "otelcol_exporter_queue_size") >= 0


def test_an_outage_of_the_database_costs_no_row_and_makes_none_twice(start_stack: StartStack) -> None:
    stack = start_stack()
    ids = []
    for round_number in range(3):
        body, span_ids = otlp.request(200)
        assert otlp.post(stack.otlp_http_url, body) == 200
        ids += span_ids
        if round_number == 1:
            stack.endpoint.kill9()
    stack.endpoint.restart()
    wait_until_stored(stack, ids)
    # The batch that the kill cut in two is in the raw table before it is sent again.
    wait_for(lambda: _metric(stack, "otelcol_exporter_queue_size") == 0, "the queue to empty")
    wait_for(lambda: _metric(stack, "otelcol_exporter_sent_spans") == len(ids), "the last insert's answer")
    client = client_of(stack)
    calls = client.command("SELECT count() FROM llm_calls FINAL")
    client.close()
    assert calls == 600
