"""What a stranger may send to the ports that listen: each request is answered or closed, and the next one works."""

import base64
import http.client
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import otlp
from support.stack import client_of, wait_until_stored

METHODS = st.sampled_from(("GET", "POST", "PUT", "OPTIONS", "HEAD", "DELETE", "PATCH", "X"))
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Content-Type",
            "Content-Encoding",
            "Content-Length",
            "Transfer-Encoding",
            "X-ClickHouse-User",
            "X-ClickHouse-Key",
            "X-ClickHouse-Database",
            "X-ClickHouse-Format",
            "Accept-Encoding",
            "Connection",
            "Expect",
            "Host",
        ]
    ),
    st.sampled_from(["gzip", "lz4", "chunked", "0", "-1", "7", "application/json", "default", "close", ""])
    | VALUES,
    max_size=4,
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "query",
                "database",
                "user",
                "password",
                "session_id",
                "param_x",
                "default_format",
                "max_threads",
            ]
        )
        | TOKENS,
        st.sampled_from(["SELECT 1", "SHOW TABLES", "INSERT INTO t FORMAT Native", "1", "{x:String}"])
        | VALUES,
    ),
    max_size=4,
)
BODIES = st.binary(max_size=200) | st.sampled_from(
    [
        b"SELECT 1",
        b"SELECT 'unfinished",
        b"INSERT INTO otel_traces FORMAT RowBinary\n\xff\xff\xff\xff",
        b"\x1f\x8b\x08",
    ]
)
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def ledger(stack):
    connected = client_of(stack)
    yield connected
    connected.close()


def port_of(url):
    return int(url.rpartition(":")[2])


def status_of(port, method, target, headers, body):
    """The status of the answer; None where the connection was closed instead."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: x",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection, method=method)
        try:
            answer.begin()
        except (http.client.BadStatusLine, ConnectionError):
            return None
        answer.read()
        return answer.status


def target_of(path, pairs):
    quoted = "&".join(f"{name}={''.join(f'%{byte:02X}' for byte in value.encode())}" for name, value in pairs)
    return f"/{path}?{quoted}".replace("#", "").replace(" ", "")


@given(METHODS, TOKENS | st.just(""), QUERIES, HEADERS, BODIES)
@SHARED
def test_without_a_password_the_ledger_tells_nothing(  # noqa: PLR0917
    stack, ledger, method, path, pairs, headers, body
):
    told = {name for name in headers if name in ("X-ClickHouse-User", "X-ClickHouse-Key")}
    pairs = [pair for pair in pairs if pair[0] not in ("user", "password")]
    plain = {name: value for name, value in headers.items() if name not in told}

    status = status_of(port_of(stack.clickhouse_url), method, target_of(path, pairs), plain, body)

    assert status is None or 400 <= status < 500 or status in (501, 505) or (status == 200 and path == "ping")
    assert ledger.query("SELECT 1").result_rows == [(1,)]


@given(METHODS, QUERIES, HEADERS, BODIES)
@SHARED
def test_with_one_any_request_is_answered_and_the_ledger_is_whole(  # noqa: PLR0917
    stack, ledger, method, pairs, headers, body
):
    count = "SELECT count() FROM otel_traces"
    tables = "SELECT name FROM system.tables WHERE database = 'spanledger' ORDER BY name"
    before = ledger.query(count).result_rows, ledger.query(tables).result_rows
    login = base64.b64encode(f"{stack.user}:{stack.password}".encode()).decode()
    plain = {name: value for name, value in headers.items() if not name.startswith("X-ClickHouse-")}

    status = status_of(
        port_of(stack.clickhouse_url),
        method,
        target_of("", [pair for pair in pairs if pair[0] not in ("user", "password")]),
        {**plain, "Authorization": f"Basic {login}"},
        body,
    )

    assert status is None or 200 <= status < 600
    assert (ledger.query(count).result_rows, ledger.query(tables).result_rows) == before


@pytest.fixture(scope="module")
def a_request():
    return otlp.request(3)[0]


@given(st.data())
@SHARED
def test_no_request_stops_the_collector_and_none_that_is_damaged_is_accepted_as_whole(stack, a_request, data):
    body = bytearray(a_request)
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(1, 9))] = data.draw(st.binary(max_size=9))
    headers = data.draw(HEADERS)
    kind = data.draw(st.sampled_from(["application/x-protobuf", "application/json", "text/plain", ""]))

    status = status_of(
        port_of(stack.otlp_http_url),
        data.draw(METHODS),
        data.draw(st.sampled_from(["/v1/traces", "/v1/metrics", "/", "/v1/traces/"])),
        {**headers, "Content-Type": kind},
        bytes(body),
    )

    # 501: Go's answer to a coding of the transfer that it does not know. 500: the receiver's to what it cannot read, where
    # its answer would quote that and it is no UTF-8, or would be of a kind that it does not write.
    assert status is None or status < 500 or status in (500, 501)
    whole, ids = otlp.request(1)
    assert otlp.post(stack.otlp_http_url, whole) == 200
    assert len(ids) == 1


def test_what_was_sent_before_and_after_all_of_it_is_in_the_ledger(stack):
    body, ids = otlp.request(2)
    assert otlp.post(stack.otlp_http_url, body) == 200
    wait_until_stored(stack, ids)
