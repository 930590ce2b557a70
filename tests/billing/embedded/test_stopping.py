"""What a stop does to requests that are under way and to those that follow on connections that are open."""

import http.client
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.endpoint import Endpoint, running
from support.gate import Gate, closed_gate
from support.waiting import wait_for

from .conftest import StartEndpoint

TABLE = "CREATE TABLE kept (id UInt64) ENGINE = MergeTree ORDER BY id"
WITHOUT_PATIENCE = """
import sys
from spanledger_billing.embedded import __main__ as program
program.DRAIN_SECONDS = 0
sys.exit(program.main())
"""


class Answer(NamedTuple):
    status: int
    content: bytes
    connection: str | None
    """Whether it stays open, in HTTP's words."""


class KeptOpen:
    """One connection, used again and again as Grafana and the collector do, and never a second one."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._login = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": endpoint.password()}
        self._http = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=120)
        self._http.connect()
        self._http.auto_open = 0
        assert self.ask("SELECT 1") == (200, b"1\n", None)

    def ask(self, sql: str) -> Answer:
        self._http.request("POST", "/?database=test", sql.encode(), self._login)
        answer = self._http.getresponse()
        return Answer(answer.status, answer.read(), answer.getheader("Connection"))

    def close(self) -> None:
        self._http.close()


@contextmanager
def kept_open(endpoint: Endpoint) -> Iterator[KeptOpen]:
    connection = KeptOpen(endpoint)
    try:
        yield connection
    finally:
        connection.close()


class Asker(threading.Thread):
    """Asks the same again and again until the connection is closed, and remembers the answers."""

    def __init__(self, endpoint: Endpoint, sql: str) -> None:
        super().__init__()
        self._connection = KeptOpen(endpoint)
        self._sql = sql
        self.answers: list[Answer] = []

    def run(self) -> None:
        try:
            while True:
                self.answers.append(self._connection.ask(self._sql))
        except (OSError, http.client.HTTPException):
            self._connection.close()


def _tell_to_stop(endpoint: Endpoint) -> None:
    """Returns when it has heard."""

    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", endpoint.port), timeout=60).close()
        except ConnectionError:
            return True
        return False

    endpoint.process.send_signal(signal.SIGTERM)
    wait_for(refuses, "the endpoint to take no connection any more")


@contextmanager
def stopped_during(endpoint: Endpoint, sql: str) -> Iterator[tuple[Gate, Future[Answer], KeptOpen]]:
    """Told to stop while this is under way, whose `{source}` waits at the gate; its answer to come, another connection."""
    with (
        closed_gate() as gate,
        ThreadPoolExecutor(1) as pool,
        kept_open(endpoint) as slow,
        kept_open(endpoint) as other,
    ):
        under_way = pool.submit(slow.ask, sql.format(source=f"url('{gate.url}', 'CSV', 'n UInt8')"))
        wait_for(lambda: gate.waiting == 1, "the statement to run")
        _tell_to_stop(endpoint)
        yield gate, under_way, other


def test_a_query_under_way_is_answered_whole_and_the_next_request_is_told_to_try_again(
    start_endpoint: StartEndpoint,
) -> None:
    endpoint = start_endpoint()
    with stopped_during(endpoint, "SELECT n + 41 FROM {source}") as (gate, under_way, other):
        status, content, connection = other.ask("SELECT 1")
        assert (status, connection) == (503, "close")
        assert content == b"Code: 236. DB::Exception: The endpoint is stopping; try again. (ABORTED)\n"
        with pytest.raises(http.client.NotConnected):
            other.ask("SELECT 1")
        assert not under_way.done()
        gate.open()
        assert under_way.result() == (200, b"42\n", "close")
        assert endpoint.process.wait() == 0


def test_an_insert_under_way_is_stored_and_one_that_was_refused_is_not(start_endpoint: StartEndpoint) -> None:
    endpoint = start_endpoint()
    with kept_open(endpoint) as connection:
        connection.ask(TABLE)
    with stopped_during(endpoint, "INSERT INTO kept SELECT n FROM {source}") as (gate, under_way, other):
        assert other.ask("INSERT INTO kept FORMAT TabSeparated\n2\n").status == 503
        gate.open()
        assert under_way.result() == (200, b"", "close")
        assert endpoint.process.wait() == 0
    with kept_open(start_endpoint()) as again:
        assert again.ask("SELECT id FROM kept").content == b"1\n"


def test_stops_under_load_are_orderly_and_no_answer_lacks_its_rows(start_endpoint: StartEndpoint) -> None:
    stored = 0
    for _round in range(3):
        endpoint = start_endpoint()
        with kept_open(endpoint) as connection:
            connection.ask(TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))
        readers = [Asker(endpoint, "SELECT count() FROM numbers(1000)") for _ in range(4)]
        writers = [Asker(endpoint, "INSERT INTO kept FORMAT TabSeparated\n1\n") for _ in range(2)]
        for asker in readers + writers:
            asker.start()
        wait_for(lambda a=readers + writers: all(one.answers for one in a), "all to be at work")
        assert endpoint.stop() == 0
        for asker in readers + writers:
            asker.join()
        answers = {answer[:2] for reader in readers for answer in reader.answers if answer.status != 503}
        assert answers == {(200, b"1000\n")}
        stored += sum(answer.status == 200 for writer in writers for answer in writer.answers)
        assert {answer.status for writer in writers for answer in writer.answers} <= {200, 503}
    with kept_open(start_endpoint()) as again:
        assert again.ask("SELECT count() FROM kept").content == b"%d\n" % stored


def test_a_query_that_outlasts_the_stop_gets_no_answer_rather_than_an_empty_one(tmp_path: Path) -> None:
    with (
        running(tmp_path, ("-c", WITHOUT_PATIENCE)) as endpoint,
        ThreadPoolExecutor(1) as pool,
        kept_open(endpoint) as slow,
        kept_open(endpoint) as other,
    ):
        under_way = pool.submit(slow.ask, "SELECT sum(sipHash64(number)) FROM numbers(1e12)")
        busy = "SELECT count() FROM system.processes WHERE query LIKE '%1e12)'"
        wait_for(lambda: other.ask(busy).content == b"1\n", "the query to run")
        assert endpoint.stop() == 0
        with pytest.raises(ConnectionError):
            under_way.result()
