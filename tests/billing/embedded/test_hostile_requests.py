"""Requests that no client of ours sends: each is answered or closed, and the endpoint goes on."""

import base64
import socket
from collections.abc import Callable

import pytest

from spanledger_billing.embedded.statement import MAX_SQL
from support.endpoint import Endpoint


@pytest.fixture
def send(endpoint: Endpoint) -> Callable[[bytes], bytes]:
    """Sends bytes as they are, and reads until the endpoint closes."""

    def exchange(request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received

    return exchange


@pytest.fixture
def login(endpoint: Endpoint) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"spanledger:{endpoint.password()}".encode()) + b"\r\n"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"Content-Length: 10\r\n\r\nSELECT 1", 400),
        (b"Content-Length: -1\r\n\r\n", 400),
        (b"Content-Length: 8\r\nContent-Length: 9\r\n\r\nSELECT 1", 400),
        (b"Content-Length: 99999999999999\r\n\r\n", 413),
        (b"Content-Encoding: snappy\r\nContent-Length: 1\r\n\r\nx", 415),
        (b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nSELECT 1", 400),
        (b"Content-Type: multipart/form-data\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n\r\n--x\r\n", 400),
        (b"X-Filler: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"".join(b"X-%d: x\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"Content-Length: 0\r\n\r\n", 400),
        (b"Content-Length: 3\r\n\r\n\xff\xfe\0", 400),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)
def test_what_is_not_as_http_or_sql_says_is_answered_with_its_status(
    send: Callable[[bytes], bytes], login: bytes, rest: bytes, status: int
) -> None:
    answer = send(b"POST / HTTP/1.1\r\nHost: x\r\n" + login + rest)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"PUT / HTTP/1.1", 501),
        (b"POST /play HTTP/1.1", 404),
        (b"POST /?" + b"x" * 70_000 + b" HTTP/1.1", 414),
        (b"POST /?" + b"&".join([b"a=1"] * 1001) + b" HTTP/1.1", 400),
        (b"POST / HTTP/2.0", 505),
        (b"POST / HTTP/x", 400),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
def test_unknown_ways_in_are_closed(
    send: Callable[[bytes], bytes], login: bytes, request_line: bytes, status: int
) -> None:
    answer = send(request_line + b"\r\nHost: x\r\n" + login + b"Content-Length: 0\r\n\r\n")
    assert b" %d " % status in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\0" * 1000, b"GET\r\n\r\n", b""]
)
def test_noise_ends_its_connection_and_nothing_else(
    send: Callable[[bytes], bytes], endpoint: Endpoint, noise: bytes
) -> None:
    assert b"Traceback" not in send(noise)
    client = endpoint.client()
    assert client.command("SELECT 7") == 7
    client.close()


def test_a_request_without_a_password_is_answered_before_its_body_is_read(
    endpoint: Endpoint,
) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\nSEL")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_two_requests_on_one_connection_are_two_answers_in_order(
    send: Callable[[bytes], bytes], login: bytes
) -> None:
    one, two = (
        b"POST / HTTP/1.1\r\nHost: x\r\n" + login + b"Content-Length: 9\r\n\r\nSELECT 1" + digit
        for digit in (b"1", b"2")
    )
    answers = send(one + two)
    assert answers.count(b"HTTP/1.1 200 ") == 2
    assert answers.index(b"\r\n\r\n11\n") < answers.index(b"\r\n\r\n12\n")


def test_sql_longer_than_clickhouse_takes_is_refused(send: Callable[[bytes], bytes], login: bytes) -> None:
    sql = b"SELECT '" + b"x" * MAX_SQL + b"'"
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + login + b"Content-Length: %d\r\n\r\n" % len(sql)
    assert send(head + sql).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("parameter", [b"query_id", b"default_format"])
def test_no_parameter_writes_a_header_of_its_own(
    send: Callable[[bytes], bytes], login: bytes, parameter: bytes
) -> None:
    path = b"/?" + parameter + b"=CSV%0d%0aX-Injected:%20yes"
    sql = b"SELECT displayName(), version(), revision(), timezone()"
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + login
    answer = send(head + b"Content-Length: %d\r\n\r\n" % len(sql) + sql)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\nX-Injected" not in answer


def test_neither_a_password_nor_a_statement_is_logged(
    start_endpoint: Callable[[], Endpoint],
) -> None:
    endpoint = start_endpoint()
    client = endpoint.client(database="default")
    client.command("SELECT 'in-the-statement'")
    for statement in ("SELECT nothing_like_this", "SELEC 'in-the-statement'"):
        with pytest.raises(Exception, match="DB::Exception"):
            client.command(statement)
    client.close()
    password = endpoint.password()
    assert endpoint.stop() == 0
    assert endpoint.process.stderr is not None
    written = endpoint.process.stderr.read() + "".join(
        file.read_text(errors="replace") for file in (endpoint.data / "log").iterdir()
    )
    assert "answered error 47" in written
    assert [text for text in (password, "in-the-statement") if text in written] == []
