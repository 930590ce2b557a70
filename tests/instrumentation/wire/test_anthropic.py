"""Anthropic's formats beyond the vectors."""

import json

import pytest

from support.wire import EVENT_STREAM, post, read, request, stream

URL = "https://api.anthropic.com/v1/messages"
ASKED = {"model": "claude-a", "messages": [], "max_tokens": 9}
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-a",
        "usage": {
            "input_tokens": 2679,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 8,
            "cache_creation": {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 3,
            "service_tier": "standard",
            "inference_geo": "us",
        },
    },
}
STOP = {"type": "message_stop"}


def delta(usage, reason="end_turn"):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def message(usage, **more):
    return {
        "id": "msg_1",
        "type": "message",
        "model": "claude-a",
        "stop_reason": "end_turn",
        "usage": usage,
    } | more


def test_a_later_event_overwrites_what_it_states_and_nothing_else():
    grown = {"input_tokens": 10_682, "cache_read_input_tokens": None, "output_tokens": 510}
    searched = grown | {"server_tool_use": {"web_search_requests": 2}}
    reading = stream(URL, ASKED, START, delta({"output_tokens": 9}, None), delta(searched), STOP)
    used = reading.usage
    assert (used.input, used.output, used.cache_read, used.cache_write) == (10_682 + 3 + 8, 510, 3, 8)
    assert (used.cache_write_5m, used.server_tools) == (8, {"web_search": 2})
    assert (reading.service_tier, reading.inference_geo, reading.complete) == ("standard", "us", True)


def test_a_stream_without_its_stop_is_a_lower_bound():
    reading = stream(URL, ASKED, START, delta({"output_tokens": 510}), ended=False)
    assert (reading.usage.output, reading.complete, reading.billable) == (510, False, "unknown")


def test_an_error_before_anything_was_generated_costs_nothing():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "secret"}}
    reading = stream(URL, ASKED, error)
    assert (reading.error_type, reading.complete, reading.billable) == ("overloaded_error", True, "no")


def test_the_split_by_lifetime_stands_in_for_a_missing_total():
    split = {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6}
    used = post(URL, ASKED, message({"input_tokens": 1, "output_tokens": 2, "cache_creation": split})).usage
    assert (used.input, used.cache_write, used.cache_read) == (11, 10, None)


def test_a_refusal_after_some_output_is_billed():
    usage = {"input_tokens": 9, "output_tokens": 4}
    assert post(URL, ASKED, message(usage, stop_reason="refusal")).billable == "yes"
    started = START | {"message": START["message"] | {"usage": {"input_tokens": 9, "output_tokens": 0}}}
    before = stream(URL, ASKED, started, delta({"output_tokens": 0}, "refusal"), STOP)
    assert (before.billable, before.finish_reasons) == ("no_if_refused_before_output", ("refusal",))


def iteration(kind, tokens, output, model=None, **more):
    entry = {"type": kind, "input_tokens": tokens, "output_tokens": output} | more
    return entry | ({"model": model} if model else {})


@pytest.mark.parametrize(
    ("top", "iterations", "total", "lines"),
    [
        # Plain loops are the totals.
        ((30, 3), [iteration("message", 10, 1), iteration("message", 20, 2)], (30, 3), []),
        # Also where each names the answering model, or an alias of it.
        (
            (30, 3),
            [
                iteration("message", 10, 1, "claude-a-20260101"),
                iteration("message", 20, 2, "claude-a-20260101"),
            ],
            (30, 3),
            [],
        ),
        # Compaction adds, with its cache writes.
        (
            (30, 3),
            [
                iteration("compaction", 100, 9, cache_creation_input_tokens=7, cache_read_input_tokens=2),
                iteration("message", 30, 3),
            ],
            (139, 12),
            [],
        ),
        # Compaction by another model, and an advisor, are lines.
        (
            (30, 3),
            [iteration("compaction", 100, 9, "claude-b")],
            (30, 3),
            [("compaction", "claude-b", 100, 9)],
        ),
        (
            (30, 3),
            [
                iteration("message", 30, 3),
                iteration("advisor_message", 5, 1, "claude-b"),
                iteration("advisor_message", 6, 2, "claude-c"),
            ],
            (30, 3),
            [("advisor_message", "claude-b", 5, 1), ("advisor_message", "claude-c", 6, 2)],
        ),
        # Declined hops: billed where they wrote something, free where they did not.
        (
            (30, 3),
            [
                iteration("message", 28, 4, "claude-f"),
                iteration("fallback_message", 29, 0, "claude-b"),
                iteration("fallback_message", 30, 3, "claude-a"),
            ],
            (30, 3),
            [("message", "claude-f", 28, 4)],
        ),
        (
            (30, 3),
            [
                iteration("message", 28, 4, "claude-f"),
                iteration("fallback_message", 30, 3, "claude-a-20260101"),
            ],
            (30, 3),
            [("message", "claude-f", 28, 4)],
        ),
        ((30, 3), None, (30, 3), []),
        ((30, 3), [None, 7, {}, {"type": "message"}], (30, 3), []),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_iterations_add_what_the_totals_lack_and_nothing_else(top, iterations, total, lines, streamed):
    usage = {"input_tokens": top[0], "output_tokens": top[1], "iterations": iterations}
    if streamed:
        reading = stream(URL, ASKED, START | {"message": message({})}, delta(usage), STOP)
    else:
        reading = post(URL, ASKED, message(usage))
    assert (reading.usage.input, reading.usage.output) == total
    assert [(line.kind, line.model, line.usage.input, line.usage.output) for line in reading.lines] == lines


def test_counting_tokens_is_free_on_every_host():
    for url in (
        "https://api.anthropic.com/v1/messages/count_tokens",
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude/count-tokens",
    ):
        reading = post(url, ASKED, {"input_tokens": 14})
        assert (reading.operation, reading.found, reading.billable) == ("count_tokens", False, "no")


def test_a_batch_bills_its_messages_by_their_own_ids_however_often_it_is_fetched():
    lines = [
        {
            "custom_id": "a",
            "result": {"type": "succeeded", "message": message({"input_tokens": 5, "output_tokens": 7})},
        },
        {"custom_id": "b", "result": {"type": "errored", "error": {"type": "invalid_request"}}},
        {"custom_id": "c", "result": {"type": "expired"}},
        {
            "custom_id": "a",
            "result": {
                "type": "succeeded",
                "message": message(
                    {"input_tokens": 6, "output_tokens": 8, "service_tier": "batch"}, id="msg_2"
                ),
            },
        },
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    asked = request("GET", URL + "/batches/msgbatch_1/results")
    for size in (None, 1):
        readings = read(asked, data, headers={"content-type": "application/x-jsonl"}, size=size)
        assert [(r.billing_key, r.usage.input, r.usage.output) for r in readings] == [
            ("anthropic:msg_1", 5, 7),
            ("anthropic:msg_2", 6, 8),
        ]
        assert {(r.billable, r.service_tier, r.complete) for r in readings} == {
            ("once_per_response_id", "batch", True)
        }


def test_a_batch_that_is_cut_bills_the_items_that_arrived():
    line = json.dumps({"result": {"message": message({"input_tokens": 5, "output_tokens": 7})}}).encode()
    asked = request("GET", URL + "/batches/msgbatch_1/results")
    assert (
        len(read(asked, line + b"\n" + line[:50], headers=EVENT_STREAM | {"content-type": ""}, ended=False))
        == 1
    )
