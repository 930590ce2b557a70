from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spanledger.delivery import Delivery, DeliverySettings
from support.fake_collector import FakeCollector

Deliver = Callable[..., Delivery]


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as collector:
        yield collector


@pytest.fixture
def deliver_to() -> Iterator[Deliver]:
    """Makes a quick delivery with an outbox, which leaves what it has when the test is over."""
    made: list[Delivery] = []

    def make(endpoint: str, **settings: Any) -> Delivery:
        quick = {
            "linger": 0.005,
            "first_retry": 0.005,
            "longest_retry": 0.02,
            "exit_timeout": 1.0,
            "sync_interval": 0.01,
        }
        delivery = Delivery(DeliverySettings(endpoint, **(quick | settings)))
        made.append(delivery)
        return delivery

    yield make
    for delivery in made:
        delivery.abandon()
        delivery.shutdown(30)
