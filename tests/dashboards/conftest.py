"""The agency of `support.dashboard_world`, and what asks it: as dashboards do, and as its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support import dashboard_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.endpoint import Endpoint


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The endpoint with everything in it; tests read and change nothing."""
    with dashboard_world.running(tmp_path_factory.mktemp("dashboards")) as started:
        yield started


@pytest.fixture(scope="session")
def reader(world: Endpoint) -> Iterator[Any]:
    """As Grafana's data source connects: it may only read."""
    client = world.client(user="reader", tz_mode="aware")
    yield client
    client.close()
