"""A batch that the ledger refuses, try after try, is shown by `doctor` and delivered once the reason is mended."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from spanledger_billing.doctor import collector
from spanledger_billing.doctor.report import Check, State
from spanledger_billing.up import Stack
from support import otlp
from support.stack import StartStack, client_of, wait_until_stored
from support.waiting import wait_for


def queue(stack: Stack) -> Check:
    return {check.subject: check for check in collector.check(stack.metrics_url)}["queue"]


@contextmanager
def steady_traffic(stack: Stack) -> Iterator[list[str]]:
    """Meanwhile a span is sent some times a second; the ids of all."""
    sent: list[str] = []
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.3):
            body, ids = otlp.request(1)
            if otlp.post(stack.otlp_http_url, body) == 200:
                sent.extend(ids)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield sent
    finally:
        over.set()
        sender.join()


def test_a_batch_that_is_refused_over_and_over_is_a_problem_to_doctor_and_is_kept_until_it_is_taken(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "WATCHED_SECONDS", 3.0)
    stack = start_stack()
    client = client_of(stack)
    client.command("RENAME TABLE otel_traces TO moved_away")
    body, ids = otlp.request(10)
    assert otlp.post(stack.otlp_http_url, body) == 200
    log = stack.data / "log" / "collector.log"
    wait_for(lambda: "Exporting failed. Will retry" in log.read_text(), "the ledger's refusal")

    found = queue(stack)
    assert found.state is State.PROBLEM
    assert "did not empty in 3 s though no more came" in found.found
    assert "the collector's log names the error" in found.next_step

    client.command("RENAME TABLE moved_away TO otel_traces")
    client.close()
    wait_until_stored(stack, ids)
    wait_for(lambda: queue(stack).state is State.OK, "an empty queue")


def test_a_batch_that_is_refused_over_and_over_is_a_problem_to_doctor_though_others_pass(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "WATCHED_SECONDS", 3.0)
    stack = start_stack()
    client = client_of(stack)
    client.command(
        "ALTER TABLE otel_traces ADD CONSTRAINT bearable CHECK SpanAttributes['filler'] != 'poison'"
    )
    with steady_traffic(stack) as well:
        body, poison = otlp.request(10, {"filler": "poison"})
        assert otlp.post(stack.otlp_http_url, body) == 200
        log = stack.data / "log" / "collector.log"
        wait_for(lambda: "Exporting failed. Will retry" in log.read_text(), "the ledger's refusal")
        wait_for(
            lambda: "some batch was under way all the time" in queue(stack).found, "what doctor says of it"
        )
    client.command("ALTER TABLE otel_traces DROP CONSTRAINT bearable")
    client.close()
    wait_until_stored(stack, [*poison, *well])
