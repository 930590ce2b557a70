"""A collector that is away for an hour of calls: the app goes on, nothing piles up in its memory, all arrives."""

from pathlib import Path
from typing import Any

from spanledger.delivery.outbox.folder import used_bytes
from support.fake_collector import FakeCollector
from support.finished_spans import submit
from support.waiting import wait_for

Deliver = Any
AN_HOUR = 36_000
"""Of ten calls a second."""


def test_an_hour_of_calls_without_a_collector_waits_on_disk_and_arrives_once_each_when_it_is_back(
    deliver_to: Deliver, outbox: Path
):
    with FakeCollector() as away:
        port = away.port
    delivery = deliver_to(away.url)
    names = [f"call {number}" for number in range(AN_HOUR)]
    submit(delivery, *names)

    told = delivery.status()
    assert (told["queued"], told["lost"], told["outbox"]["state"]) == (AN_HOUR, 0, "disk")
    assert delivery._queue._memory.counts().waiting == 0
    assert used_bytes(outbox) > AN_HOUR * 200

    with FakeCollector(port) as back:
        assert delivery.flush(300)
        assert sorted(back.accepted) == sorted(names)
        wait_for(lambda: used_bytes(outbox) < 5 * 2**20, "delivered segments to be deleted")
