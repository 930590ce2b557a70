"""A queue that cannot be read is left as it is, for a person to look at, and stands in nobody's way for long."""

from pathlib import Path

import pytest

from spanledger_billing.errors import OperatorError
from support import otlp
from support.stack import StartStack, wait_until_stored


def test_a_damaged_queue_stops_the_collector_and_is_not_replaced_until_a_person_moves_it(
    start_stack: StartStack, tmp_path: Path
) -> None:
    stack = start_stack()
    stack.endpoint.kill9()
    body, _ = otlp.request(10)
    assert otlp.post(stack.otlp_http_url, body) == 200
    stack.stop()
    (queue,) = (stack.data / "queue").iterdir()
    damaged = b"\xff" * 8192 + queue.read_bytes()[8192:]
    queue.write_bytes(damaged)

    with pytest.raises(OperatorError, match="the collector ended before it was ready") as failed:
        start_stack()
    assert "invalid database" in str(failed.value)
    assert queue.read_bytes() == damaged

    queue.rename(tmp_path / "kept")
    stack = start_stack()
    body, ids = otlp.request(10)
    assert otlp.post(stack.otlp_http_url, body) == 200
    wait_until_stored(stack, ids)
