"""What the endpoint has answered 200 to is on disk."""

import threading
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from urllib3.exceptions import HTTPError

from support.endpoint import Endpoint
from support.waiting import wait_for

from .conftest import StartEndpoint


class Writer(threading.Thread):
    """Inserts batch after batch until the endpoint is gone, and remembers what was acknowledged."""

    BATCH = 50

    def __init__(self, endpoint: Endpoint, first_id: int) -> None:
        super().__init__()
        self._client = endpoint.client()
        self._next = first_id
        self.acknowledged: list[int] = []

    def run(self) -> None:
        while True:
            ids = list(range(self._next, self._next + self.BATCH))
            self._next += self.BATCH
            try:
                self._client.insert("kept", [[number] for number in ids], column_names=["id"])
            except (ClickHouseError, HTTPError, OSError):
                return
            self.acknowledged += ids


def test_a_kill_under_load_loses_no_acknowledged_row_and_the_folder_opens_again(
    start_endpoint: StartEndpoint,
) -> None:
    acknowledged: list[int] = []
    for round_number in range(3):
        endpoint = start_endpoint()
        client = endpoint.client()
        client.command("CREATE TABLE IF NOT EXISTS kept (id UInt64) ENGINE = MergeTree ORDER BY id")
        client.close()
        writers = [Writer(endpoint, (round_number * 10 + number) * 10**9) for number in range(4)]
        for writer in writers:
            writer.start()
        wait_for(
            lambda w=writers: all(len(one.acknowledged) >= 250 for one in w), "every writer to be at work"
        )
        endpoint.kill9()
        for writer in writers:
            writer.join()
            acknowledged += writer.acknowledged
    endpoint = start_endpoint()
    client = endpoint.client()
    stored = {row[0] for row in client.query("SELECT id FROM kept").result_rows}
    assert set(acknowledged) - stored == set()
    assert len(acknowledged) >= 3 * 4 * 250
    client.close()


def test_every_table_syncs_its_parts_before_an_insert_is_answered(endpoint: Endpoint) -> None:
    """A power cut takes what stands in the page cache alone, which no test without one can see."""
    client = endpoint.client()
    rows = client.query(
        "SELECT name, value FROM system.merge_tree_settings "
        "WHERE name IN ('fsync_after_insert', 'fsync_part_directory') ORDER BY name"
    ).result_rows
    assert rows == [("fsync_after_insert", "1"), ("fsync_part_directory", "1")]
    client.close()


def test_an_insert_cannot_ask_to_be_written_later(client: Any, table: str) -> None:
    """An asynchronous insert is answered while its rows stand in memory."""
    later = {"async_insert": 1, "wait_for_async_insert": 0, "async_insert_busy_timeout_ms": 600_000}
    client.insert(table, [[1, "a"]], column_names=["id", "text"], settings=later)
    assert client.command(f"SELECT count() FROM {table}") == 1


def test_nor_can_it_in_its_own_words(client: Any, table: str) -> None:
    settings = "async_insert = 1, wait_for_async_insert = 0, async_insert_busy_timeout_ms = 600000"
    client.command(f"INSERT INTO {table} (id) SETTINGS {settings} VALUES (1)")
    assert client.command(f"SELECT count() FROM {table}") == 1


def test_what_is_inserted_before_an_orderly_stop_is_there_after_it(start_endpoint: StartEndpoint) -> None:
    first = start_endpoint()
    client = first.client()
    client.command("CREATE TABLE kept (id UInt64) ENGINE = MergeTree ORDER BY id")
    client.insert("kept", [[number] for number in range(1000)], column_names=["id"])
    client.close()
    assert first.stop() == 0
    second = start_endpoint()
    client = second.client()
    assert client.query("SELECT count(), sum(id) FROM kept").result_rows == [(1000, 499_500)]
    client.close()


def test_the_default_database_keeps_nothing_and_says_so(endpoint: Endpoint) -> None:
    """It is made anew at every start; a table in it would be gone without a word."""
    client = endpoint.client(database="default")
    with pytest.raises(DatabaseError):
        client.command("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
    client.close()
