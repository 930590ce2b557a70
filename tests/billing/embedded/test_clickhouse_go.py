"""The requests of clickhouse-go, byte for byte: what the collector's exporter and Grafana send over HTTP."""

import base64
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from support.endpoint import Endpoint

COMMON = {
    "client_protocol_version": "54460",
    "default_format": "Native",
    "async_insert": "0",
    "database": "test",
}


class Driver:
    """One pooled connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=60)
        self._login = base64.b64encode(f"spanledger:{endpoint.password()}".encode()).decode()

    def post(self, body: bytes, *, chunks: bool = False, **parameters: str) -> http.client.HTTPResponse:
        self._connection.request(
            "POST",
            f"/?{urlencode({**COMMON, **parameters})}",
            body=iter([body[:7], body[7:]]) if chunks else body,
            headers={"Authorization": f"Basic {self._login}", "User-Agent": "clickhouse-go/2.48.0"},
            encode_chunked=chunks,
        )
        return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def driver(endpoint: Endpoint) -> Iterator[Driver]:
    connected = Driver(endpoint)
    yield connected
    connected.close()


def _native(ids: list[int], texts: list[bytes]) -> bytes:
    """Two columns as Native of revision 0; lengths below 128 are one byte."""
    return (
        bytes([2, len(ids)])
        + b"\x02id\x06UInt64"
        + b"".join(number.to_bytes(8, "little") for number in ids)
        + b"\x04text\x06String"
        + b"".join(bytes([len(text)]) + text for text in texts)
    )


def test_the_handshake_states_revision_0_in_the_form_of_the_revision_asked_for(driver: Driver) -> None:
    answer = driver.post(b"SELECT displayName(), version(), revision(), timezone()")
    block = answer.read()
    assert answer.status == 200
    assert block.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01")
    assert b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00\x0atimezone()\x06String\x00" in block


def test_after_the_handshake_blocks_are_plain_native(driver: Driver) -> None:
    answer = driver.post(b"SELECT 1")
    assert (answer.status, answer.read()) == (200, b"\x01\x01\x011\x05UInt8\x01")


def test_an_insert_is_described_and_then_sent_as_one_chunked_block(
    driver: Driver, table: str, client: Any
) -> None:
    described = driver.post(f'DESCRIBE TABLE "test"."{table}"'.encode()).read()
    assert b"UInt64" in described
    texts = [b"a;b\n;\n", b"\0'\"`\\", b"FORMAT Native\n", b""]
    sql = f"INSERT INTO `test`.`{table}` (`id`, `text`) FORMAT Native"
    answer = driver.post(_native([1, 2, 3, 4], texts), chunks=True, query=sql, max_execution_time="65")
    assert (answer.status, answer.read()) == (200, b"")
    stored = client.query(
        f"SELECT text FROM {table} ORDER BY id", column_formats={"text": "bytes"}
    ).result_rows
    assert [row[0] for row in stored] == texts


def test_an_answer_without_rows_is_empty_and_says_so(driver: Driver, table: str) -> None:
    answer = driver.post(f"SELECT id FROM {table}".encode())
    assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "0", b"")


def test_an_error_has_a_status_a_code_and_clickhouses_own_text(driver: Driver) -> None:
    answer = driver.post(b"SELECT * FROM nowhere")
    text = answer.read()
    assert answer.status == 404
    assert answer.getheader("X-ClickHouse-Exception-Code") == "60"
    assert text.startswith(b"Code: 60. DB::Exception: ")


def test_a_block_that_ends_early_is_an_error_and_stores_nothing(
    driver: Driver, table: str, client: Any
) -> None:
    sql = f"INSERT INTO {table} (id, text) FORMAT Native"
    answer = driver.post(_native([1, 2], [b"a", b"b"])[:-1], chunks=True, query=sql)
    assert (answer.status, answer.read().partition(b".")[0]) == (500, b"Code: 33")
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_an_insert_whose_view_throws_is_answered_with_the_error(
    driver: Driver, table: str, client: Any
) -> None:
    """The streaming insert of chDB would say it went well, and the exporter would let the rows go."""
    client.command(f"CREATE TABLE {table}_calls (text String) ENGINE = MergeTree ORDER BY text")
    client.command(
        f"CREATE MATERIALIZED VIEW {table}_mv TO {table}_calls AS "
        f"SELECT toString(throwIf(text = 'boom')) AS text FROM {table}"
    )
    sql = f"INSERT INTO {table} (id, text) FORMAT Native"
    answer = driver.post(_native([1], [b"boom"]), chunks=True, query=sql)
    assert (answer.status, answer.read().partition(b".")[0]) == (500, b"Code: 395")


def test_clickhouses_own_compressed_frames_are_refused_in_words(driver: Driver) -> None:
    answer = driver.post(b"SELECT 1", compress="1")
    assert answer.status == 501
    assert b"compressed frames are not spoken here" in answer.read()
