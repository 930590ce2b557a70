"""A batch that the ledger refuses, try after try, is shown by `doctor` and delivered once the reason is mended."""

import pytest

from spanledger_billing.doctor import collector
from spanledger_billing.doctor.report import State
from support import otlp
from support.stack import StartStack, client_of, wait_until_stored
from support.waiting import wait_for


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

    queue = {check.subject: check for check in collector.check(stack.metrics_url)}["queue"]
    assert queue.state is State.PROBLEM
    assert "did not empty in 3 s though no more came" in queue.found
    assert "the collector's log names the error" in queue.next_step

    client.command("RENAME TABLE moved_away TO otel_traces")
    client.close()
    wait_until_stored(stack, ids)
    wait_for(lambda: collector.check(stack.metrics_url)[1].state is State.OK, "an empty queue")
