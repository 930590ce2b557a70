"""A day of the agency on the real collector and the real engine, shared by the tests that only look at it."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spanledger_billing import ledger, up
from spanledger_billing.demo.reconcile import Difference
from spanledger_billing.prices.sync import sync
from support import demo_world
from support.running import Running
from support.stack import DataFolder


@dataclass
class Day:
    """What is left of a day: the books, how the ledger differed from them, what the app saw and logged."""

    seed: int
    books: list[dict[str, Any]]
    differences: list[Difference]
    seen: dict[str, list[str]]
    logged: str


def _run(folder: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """In a data folder. It stays where a test failed meanwhile; the path is in the failed test's output."""
    failed_before = request.session.testsfailed
    sys.stdout.write(f"data in {folder}\n")
    with up.start(folder) as stack:
        connection = ledger.connect(folder)
        sync(connection)
        yield Running(stack, connection, folder)
        connection.close()
    if request.session.testsfailed == failed_before:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, data_folder: DataFolder, request: pytest.FixtureRequest
) -> Iterator[Running]:
    """Collector and ledger that no test harms."""
    yield from _run(data_folder(tmp_path_factory.mktemp("ledger")), request)


@pytest.fixture(scope="module")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, data_folder: DataFolder, request: pytest.FixtureRequest
) -> Iterator[Running]:
    """Collector and ledger of one module, to kill and to start again."""
    yield from _run(data_folder(tmp_path_factory.mktemp("fragile")), request)


@pytest.fixture(scope="module")
def day(running: Running) -> Day:
    """The whole agency's work, once."""
    seed, began = 11, datetime.now(UTC)
    with demo_world.running_providers(seed) as providers:
        seen, logged = demo_world.run_agency(providers, running.endpoint)
        books = providers.books()
    return Day(seed, books, running.differences(books, began), seen, logged)
