"""Fixtures that run the whole pipeline of embedded mode: the real collector, the real engine, the schema."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from spanledger_billing import up
from support.waiting import wait_for

StartStack = Callable[..., up.Stack]
DataFolder = Callable[[Path], Path]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, data_folder: DataFolder) -> Iterator[up.Stack]:
    """A pipeline for a file's tests; whoever ends one of its processes takes `start_stack` instead.

    Not for the whole run: its ledgers would roll up beside all other tests.
    """
    with up.start(data_folder(tmp_path_factory.mktemp("stack"))) as started:
        yield started


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """Puts a data folder with an empty ledger into a place: a copy of one, for to make the schema takes seconds."""
    made = tmp_path_factory.mktemp("made") / "data"

    def put(into: Path) -> Path:
        if not made.exists():
            with up.start(made):
                pass
            shutil.rmtree(made / "log")
        shutil.copytree(made, into, symlinks=True, dirs_exist_ok=True)
        return into

    return put


@pytest.fixture
def start_stack(tmp_path: Path, data_folder: DataFolder) -> Iterator[StartStack]:
    """Starts pipelines of the test's own, which end with it. Without a folder named: one of the test's."""
    with ExitStack() as running:

        def start(folder: Path = tmp_path / "data", **options: Any) -> up.Stack:
            if not folder.exists():
                data_folder(folder)
            return running.enter_context(up.start(folder, **options))

        yield start


def client_of(stack: up.Stack, **options: Any) -> Any:
    """A clickhouse-connect client of the pipeline's ledger."""
    return clickhouse_connect.get_client(
        dsn=stack.clickhouse_url,
        **{"username": stack.user, "password": stack.password, "database": "spanledger", **options},
    )


def stored(stack: up.Stack, span_ids: list[str]) -> dict[str, dict[str, str]]:
    """Span id -> attributes, of those of the spans that are in the ledger's raw table."""
    client = client_of(stack)
    try:
        rows = client.query(
            "SELECT SpanId, SpanAttributes FROM otel_traces WHERE SpanId IN {ids:Array(String)}",
            parameters={"ids": span_ids},
        ).result_rows
    finally:
        client.close()
    return dict(rows)


def wait_until_stored(stack: up.Stack, span_ids: list[str]) -> dict[str, dict[str, str]]:
    """The same once all of them are there."""
    wait_for(lambda: stored(stack, span_ids).keys() == set(span_ids), f"{len(span_ids)} spans in the ledger")
    return stored(stack, span_ids)
