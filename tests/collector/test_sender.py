"""Who may send, and the stamp that says who did."""

import hashlib
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from spanledger import names
from spanledger_billing.senders import applying, reading
from spanledger_billing.up import Stack
from support import otlp
from support.files import contents
from support.stack import StartStack, client_of, stored, wait_until_stored
from support.waiting import wait_for


def _stamp(token: str) -> str:
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest()


def _a_span() -> ReadableSpan:
    span = TracerProvider().get_tracer("spanledger").start_span("chat test")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


@pytest.fixture
def guarded(start_stack: StartStack, tmp_path: Path) -> Stack:
    """A pipeline whose senders must show one of two tokens."""
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token\nsecond-token\n")
    return start_stack(tokens_file=tokens)


def test_without_tokens_every_local_app_may_send_and_nobody_has_a_stamp(stack: Stack) -> None:
    body, ids = otlp.request(1, {names.CLIENT_ID: "acme", names.SENDER: "forged"})
    assert otlp.post(stack.otlp_http_url, body) == 200
    assert wait_until_stored(stack, ids)[ids[0]] == {names.CLIENT_ID: "acme"}


def test_a_stamp_replaces_what_the_app_wrote_and_tells_the_tokens_apart(guarded: Stack) -> None:
    for token in ("first-token", "second-token"):
        body, ids = otlp.request(2, {names.SENDER: "forged"})
        assert otlp.post(guarded.otlp_http_url, body, otlp.bearer(token)) == 200
        assert wait_until_stored(guarded, ids) == {span_id: {names.SENDER: _stamp(token)} for span_id in ids}


def test_who_shows_no_token_or_an_unknown_one_is_turned_away_and_stored_nowhere(guarded: Stack) -> None:
    refused = []
    for headers in (
        {},
        otlp.bearer("unknown"),
        {"Authorization": "first-token"},
        {"Authorization": "Bearer "},
    ):
        body, ids = otlp.request(1)
        assert otlp.post(guarded.otlp_http_url, body, headers) == 401
        refused += ids
    body, ids = otlp.request(1)
    assert otlp.post(guarded.otlp_http_url, body, otlp.bearer("first-token")) == 200
    wait_until_stored(guarded, ids)
    assert stored(guarded, refused) == {}


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [((("authorization", "Bearer first-token"),), SpanExportResult.SUCCESS), ((), SpanExportResult.FAILURE)],
)
def test_tokens_hold_for_grpc_as_well(
    guarded: Stack, headers: tuple[tuple[str, str], ...], outcome: SpanExportResult
) -> None:
    exporter = OTLPSpanExporter(guarded.otlp_grpc_url, insecure=True, headers=headers)
    try:
        assert exporter.export([_a_span()]) is outcome
    finally:
        exporter.shutdown()


def test_no_table_and_no_log_holds_a_token(guarded: Stack) -> None:
    body, ids = otlp.request(1)
    assert otlp.post(guarded.otlp_http_url, body, otlp.bearer("first-token")) == 200
    assert otlp.post(guarded.otlp_http_url, body, otlp.bearer("another-token")) == 401
    wait_until_stored(guarded, ids)
    found = {
        file: content for name in ("clickhouse", "log") for file, content in contents(guarded.data / name)
    }
    assert {file.parent.name for file in found} > {"log"}
    tokens = (b"first-token", b"another-token")
    assert [file for file, content in found.items() if any(token in content for token in tokens)] == []


def test_the_queue_is_closed_to_other_users_since_it_keeps_headers_until_they_are_delivered(
    guarded: Stack,
) -> None:
    guarded.endpoint.stop()
    body, ids = otlp.request(1)
    assert otlp.post(guarded.otlp_http_url, body, otlp.bearer("first-token")) == 200
    queue = guarded.data / "queue"
    (file,) = queue.iterdir()
    assert bytes.fromhex(ids[0]) in file.read_bytes()
    assert [path.stat().st_mode & 0o077 for path in (guarded.data, queue, file)] == [0, 0, 0]


def test_without_tokens_the_queue_keeps_no_header(start_stack: StartStack) -> None:
    stack = start_stack()
    stack.endpoint.stop()
    body, ids = otlp.request(1)
    assert otlp.post(stack.otlp_http_url, body, otlp.bearer("not-asked-for")) == 200
    (file,) = (stack.data / "queue").iterdir()
    queued = file.read_bytes()
    assert bytes.fromhex(ids[0]) in queued
    assert b"not-asked-for" not in queued


def test_a_call_bills_whom_its_token_may_bill_whatever_the_app_wrote(guarded: Stack, tmp_path: Path) -> None:
    (tmp_path / "second").write_text("second-token\n")
    content = (
        f"senders:\n- {{name: web, token_hash: {_stamp('first-token')}, clients: [acme]}}\n"
        "- {name: jobs, token_file: second, clients: all}\n"
    ).encode()
    ledger = client_of(guarded)
    try:
        change = applying.plan(ledger, reading.read(content, folder=tmp_path), content)
        applying.carry_out(ledger, change)
        expected = {}
        for client, token, pays, reasons in (
            ("acme", "first-token", "acme", []),
            ("victim", "first-token", "", ["sender may not bill this client"]),
            ("victim", "second-token", "victim", []),
        ):
            told = {names.CLIENT_ID: client, names.SENDER: _stamp("second-token"), names.BILLABLE: "yes"}
            body, ids = otlp.request(1, told)
            assert otlp.post(guarded.otlp_http_url, body, otlp.bearer(token)) == 200
            expected[ids[0]] = (client, pays, reasons)
        query = "SELECT span_id, claimed_client_id, client_id, reasons FROM calls"
        wait_for(lambda: len(ledger.query(query).result_rows) == len(expected), "the calls in the ledger")
        rows = ledger.query(query).result_rows
        assert {span_id: tuple(row) for span_id, *row in rows} == expected
    finally:
        ledger.close()
