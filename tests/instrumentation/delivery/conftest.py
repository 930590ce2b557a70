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


@pytest.fixture(params=["memory", "disk"])
def deliver_to(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deliver]:
    """Makes a quick delivery to an address, which gives up when the test is over.

    What is claimed of delivery holds wherever spans wait.
    """
    if request.param == "memory":
        monkeypatch.setenv("SPANLEDGER_OUTBOX", "off")
    made: list[Delivery] = []

    def make(endpoint: str, **settings: Any) -> Delivery:
        quick = {"linger": 0.005, "first_retry": 0.005, "longest_retry": 0.02, "exit_timeout": 1.0}
        delivery = Delivery(DeliverySettings(endpoint, **(quick | settings)))
        made.append(delivery)
        return delivery

    yield make
    for delivery in made:
        delivery.abandon()
        delivery.shutdown(30)
