"""Every vector, straight through the parsers."""

import json
from dataclasses import replace

import pytest

from spanledger.wire import read_websocket_event
from support.vectors import Case, body_bytes, cases, check_expected
from support.wire import read, request, seen

CASES = cases(without=["websocket"])
STREAMED = [case for case in CASES if case.kind in ("sse", "ndjson", "json-array-stream", "aws-eventstream")]
LEVEL_BELOW = {"retry_count"}
"""What the parsers do not see: the number of an SDK's retry stands in the request's headers."""


def exchange(case: Case, data: bytes, size: int | None = None, *, ended: bool = True):
    asked = request(
        case.request["method"], case.request["url"], case.request_body or None, case.request["headers"]
    )
    response = case.response
    return read(asked, data, status=response["status"], headers=response["headers"], size=size, ended=ended)


@pytest.mark.parametrize("size", [None, 1, 7, 64, 1021])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_vector_reads_as_expected_in_pieces_of_any_size(case, size):
    readings = exchange(case, body_bytes(case.response), size)
    seen_here = {key: value for key, value in case.expected.items() if key not in LEVEL_BELOW}
    assert check_expected(replace(case, expected=seen_here), seen(readings)) == []
    assert {reading.operation for reading in readings} == {case.operation}
    if "streaming" in case.expected:
        assert [reading.stream for reading in readings] == [case.expected["streaming"]]


@pytest.mark.parametrize("case", cases(kinds=["websocket"]), ids=lambda case: case.id)
def test_a_websocket_event_reads_as_expected(case):
    readings = read_websocket_event(case.request["url"], json.dumps(case.response["event"]))
    assert check_expected(case, seen(readings)) == []
    assert [reading.operation for reading in readings] == [case.operation]
    if case.operation == "transcription":
        # Billed at the transcribing model, not at the one that the connection names.
        assert [reading.request_model for reading in readings] == [None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_answer_in_one_piece_that_is_cut_states_nothing(case):
    if case.kind != "json":
        return
    data = body_bytes(case.response)
    for end in range(0, len(data) - 1, 41):
        for reading in exchange(case, data[:end], ended=False):
            headers_state_it = case.id.startswith("bedrock-invoke") or case.id == "bedrock-titan-embed"
            assert headers_state_it or reading.found is False
            assert reading.complete is False or reading.billable == "no"


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)
def test_a_stream_that_is_cut_states_at_most_what_the_whole_states_and_is_no_sure_bill(case):
    data = body_bytes(case.response)
    (whole,) = exchange(case, data)
    for end in range(0, len(data), 23):
        (cut,) = exchange(case, data[:end], 64, ended=False)
        for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
            known = getattr(cut.usage, name)
            assert known is None or known <= getattr(whole.usage, name)
        assert cut.complete or cut.billable in ("unknown", "pending")
        if cut.complete:
            assert (cut.billable, cut.usage) == (whole.billable, whole.usage)
