"""Bedrock's formats beyond the vectors."""

import base64
import json

import pytest

from support.wire import frame, post, read, request

BASE = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
FRAMES = {"content-type": "application/vnd.amazon.eventstream"}
USAGE = {
    "inputTokens": 10,
    "outputTokens": 7,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 20,
    "totalTokens": 137,
}


def converse_stream(model, usage, **options):
    data = b"".join(
        [
            frame(b'{"role": "assistant"}', message_type="event", event_type="messageStart"),
            frame(b'{"delta": {"text": "usage"}}', message_type="event", event_type="contentBlockDelta"),
            frame(b'{"stopReason": "end_turn"}', message_type="event", event_type="messageStop"),
            frame(json.dumps({"usage": usage}).encode(), message_type="event", event_type="metadata"),
        ]
    )
    asked = request("POST", f"{BASE}/{model}/converse-stream", {})
    (reading,) = read(asked, data[: options.pop("end", len(data))], headers=FRAMES, **options)
    return reading


@pytest.mark.parametrize("size", [None, 1, 50])
def test_converse_streams_its_usage_after_the_message(size):
    reading = converse_stream("anthropic.claude", USAGE, size=size)
    assert (reading.usage.input, reading.usage.output) == (130, 7)
    assert (reading.usage.cache_read, reading.usage.cache_write) == (100, 20)
    assert (reading.complete, reading.stream, reading.finish_reasons) == (True, True, ("end_turn",))
    cut = converse_stream("anthropic.claude", USAGE, size=size, end=-30, ended=False)
    assert (cut.found, cut.complete, cut.billable) == (False, False, "unknown")


def test_an_openai_models_stream_counts_its_cache_inside_the_input():
    measured = {
        "inputTokens": 4995,
        "outputTokens": 19,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 4993,
    }
    used = converse_stream("us.openai.gpt-5.6", measured | {"totalTokens": 10_007}).usage
    assert (used.input, used.cache_write, used.output) == (4995, 4993, 19)
    whole = post(
        f"{BASE}/us.openai.gpt-5.6/converse",
        {},
        {"usage": measured | {"inputTokens": 2, "totalTokens": 5014}},
    )
    assert (whole.usage.input, whole.usage.cache_write) == (4995, 4993)


def test_a_total_that_leaves_no_room_for_the_cache_proves_it_inside_the_input():
    inside = USAGE | {"inputTokens": 130, "totalTokens": 137}
    assert post(f"{BASE}/m/converse", {}, {"usage": inside}).usage.input == 130
    assert post(f"{BASE}/m/converse", {}, {"usage": USAGE | {"totalTokens": None}}).usage.input == 130


def test_cache_writes_have_lifetimes_and_the_tier_a_type():
    details = [
        {"ttl": "5m", "inputTokens": 12},
        {"ttl": "1h", "inputTokens": 8},
        {"ttl": "9y", "inputTokens": 1},
        None,
    ]
    reading = post(
        f"{BASE}/m/converse",
        {},
        {"usage": USAGE | {"cacheDetails": details}, "serviceTier": {"type": "flex"}},
    )
    assert (reading.usage.cache_write_5m, reading.usage.cache_write_1h) == (12, 8)
    assert reading.service_tier == "flex"


def test_an_exception_inside_a_stream_is_named():
    data = frame(b'{"message": "secret"}', message_type="exception", exception_type="throttlingException")
    (reading,) = read(request("POST", f"{BASE}/m/converse-stream", {}), data, headers=FRAMES)
    assert (reading.error_type, reading.found, reading.billable) == ("throttlingException", False, "no")


def invoke_stream(model, *events, **options):
    packed = [
        json.dumps({"bytes": base64.b64encode(json.dumps(e).encode()).decode()}).encode() for e in events
    ]
    data = b"".join(frame(payload, message_type="event", event_type="chunk") for payload in packed)
    (reading,) = read(
        request("POST", f"{BASE}/{model}/invoke-with-response-stream", {}), data, headers=FRAMES, **options
    )
    return reading


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 4}}


@pytest.mark.parametrize("size", [None, 1])
def test_claudes_events_arrive_in_frames_and_the_metrics_behind_them_only_repeat(size):
    reading = invoke_stream(
        "anthropic.claude",
        {
            "type": "message_start",
            "message": {
                "id": "m1",
                "model": "claude",
                "usage": {"input_tokens": 9, "cache_read_input_tokens": 5},
            },
        },
        {"type": "content_block_delta", "delta": {"text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"} | METRICS,
        size=size,
    )
    assert (reading.usage.input, reading.usage.output, reading.response_id) == (14, 4, "m1")
    assert (reading.complete, reading.billable, reading.stream) == (True, "yes", True)


@pytest.mark.parametrize(
    "events",
    [
        [
            {"generation": "x", "prompt_token_count": 9, "generation_token_count": 1},
            {"generation_token_count": 4},
        ],
        [{"outputText": "x"}],
        [
            {"choices": [{"delta": {}}]},
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        ],
        [{"messageStart": {}}, {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 4}}}],
    ],
)
def test_other_families_streams_state_their_own_counts_or_the_metrics(events):
    reading = invoke_stream("meta.llama", *events, METRICS)
    assert (reading.usage.input, reading.usage.output, reading.complete) == (9, 4, True)


@pytest.mark.parametrize(
    "answer",
    [
        {"inputTextTokenCount": 9, "results": [{"tokenCount": 4, "completionReason": "FINISH"}]},
        {"prompt_token_count": 9, "generation_token_count": 4},
        {"usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        {"usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}},
    ],
)
def test_an_invoke_is_read_in_the_shape_of_its_models_family(answer):
    reading = post(f"{BASE}/x.model/invoke", {"prompt": "x"}, answer)
    assert (reading.usage.input, reading.usage.output) == (9, 4)
    assert (reading.found, reading.complete, reading.billable) == (True, True, "yes")


@pytest.mark.parametrize(
    ("model", "operation"),
    [("cohere.embed-v4%3A0", "embeddings"), ("amazon.nova-2-multimodal-embeddings", "embeddings")],
)
def test_embeddings_that_count_in_headers_only_are_read_there(model, operation):
    headers = {"content-type": "application/json", "x-amzn-bedrock-input-token-count": "12"}
    reading = post(f"{BASE}/{model}/invoke", {"texts": []}, {"embeddings": [[0.1]]}, headers=headers)
    assert (reading.operation, reading.usage.input, reading.usage.output) == (operation, 12, None)


@pytest.mark.parametrize("number", ["", "-1", "1.5", "१२", "9" * 30, "x"])
def test_a_header_that_is_no_count_is_unknown(number):
    headers = {"content-type": "application/json", "x-amzn-bedrock-input-token-count": number}
    reading = post(f"{BASE}/x/invoke", {}, {"ok": 1}, headers=headers)
    assert (reading.usage.input, reading.found) == (None, False)


def test_images_that_count_no_tokens_are_counted():
    reading = post(f"{BASE}/amazon.nova-canvas-v1%3A0/invoke", {}, {"images": ["AA", "BB"]})
    assert (reading.operation, reading.usage.images) == ("image_generation", 2)
