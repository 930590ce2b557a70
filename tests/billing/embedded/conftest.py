"""Endpoints that run, shared or a test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint, running

StartEndpoint = Callable[[], Endpoint]


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One for all tests that do not end it. Each makes tables of its own."""
    with running(tmp_path_factory.mktemp("endpoint")) as started:
        yield started


@pytest.fixture
def start_endpoint(tmp_path: Path) -> Iterator[StartEndpoint]:
    """Starts endpoints on one folder of the test's own, one after the other."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(running(tmp_path))


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Any]:
    connected = endpoint.client()
    yield connected
    connected.close()


@pytest.fixture
def table(client: Any, request: pytest.FixtureRequest) -> str:
    """The name of a new table (id UInt64, text String)."""
    name = f"t_{abs(hash(request.node.nodeid))}"
    client.command(f"CREATE TABLE {name} (id UInt64, text String) ENGINE = MergeTree ORDER BY id")
    return name
