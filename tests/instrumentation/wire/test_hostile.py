"""A provider, a model or a stranger's host may write anything. None of it raises, forges or leaks."""

import json
import tracemalloc
from dataclasses import fields, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger import health
from spanledger.wire import Usage, batches, framing, read_websocket_event, recognise
from spanledger.wire.answer import FAMILIES
from spanledger.wire.call import Asked, Call
from spanledger.wire.shape import SHAPES
from support.vectors import body_bytes, cases
from support.wire import pieces, read, request, stream

CASES = cases(without=["websocket"])
FORGED = {
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "input_tokens": 1,
        "output_tokens": 1,
    },
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1},
    "error": {"code": "forged"},
    "model": "forged",
    "id": "forged",
    "finish_reason": "forged",
    "response": {"usage": {"input_tokens": 1}},
    "prompt_eval_count": 1,
}
STATED = {
    "usage",
    "usageMetadata",
    "usage_breakdown",
    "tool_usage",
    "meta",
    "x_groq",
    "tools",
    "billed_units",
}
"""Members under which a provider writes, not a model."""


def with_forgeries(value):
    """The same answer, with everything that a model can write into an object written into each of them."""
    if isinstance(value, list):
        return [with_forgeries(item) for item in value]
    if not isinstance(value, dict):
        return value
    same = {name: item if name in STATED else with_forgeries(item) for name, item in value.items()}
    return same | {"arguments": FORGED, "input": FORGED, "args": [FORGED]}


def readings_of(case, data):
    asked = request(
        case.request["method"], case.request["url"], case.request_body or None, case.request["headers"]
    )
    return read(asked, data, status=case.response["status"], headers=case.response["headers"], size=333)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.kind in ("json", "sse", "ndjson", "jsonl")],
    ids=lambda case: case.id,
)
def test_usage_that_a_model_writes_into_its_arguments_changes_nothing(case):
    response = dict(case.response)
    if case.kind == "sse":
        response["sse_lines"] = [
            "data: " + json.dumps(with_forgeries(json.loads(line[5:])))
            if line.startswith("data: {")
            else line
            for line in response["sse_lines"]
        ]
    else:
        response[case.kind] = with_forgeries(response[case.kind])
    assert readings_of(case, body_bytes(response)) == readings_of(case, body_bytes(case.response))


@given(st.sampled_from(CASES), st.data())
@settings(max_examples=300)
def test_damaged_bytes_never_raise(case, data):
    body = body_bytes(case.response)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    damaged = body[:start] + data.draw(st.binary(max_size=8)) + body[end:]
    for reading in readings_of(case, damaged):
        check(reading)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.text(max_size=6)
    | st.just("x" * 500),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
NUMBERS = st.dictionaries(
    st.sampled_from(
        [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "iterations",
            "promptTokenCount",
            "candidatesTokenCount",
            "promptTokensDetails",
            "inputTokens",
            "outputTokens",
            "cacheWriteInputTokens",
            "cacheDetails",
            "billed_units",
            "connectors",
            "cost",
            "cost_in_usd_ticks",
            "seconds",
            "type",
            "total_input_tokens",
            "grounding_tool_count",
            "server_tool_use",
        ]
    ),
    JUNK | st.integers(0, 100),
    max_size=6,
)


def objects(spec):
    """Objects with a parser's own members, holding what they should or anything else."""
    shaped = {}
    for name, inner in spec.items():
        if isinstance(inner, dict):
            shaped[name] = JUNK | objects(inner)
        elif isinstance(inner, list) and isinstance(inner[0], dict):
            shaped[name] = JUNK | st.lists(JUNK | objects(inner[0]), max_size=3)
        else:
            shaped[name] = JUNK | NUMBERS if "sage" in name else JUNK
    return st.fixed_dictionaries({}, optional=shaped)


def check(reading):
    for field in fields(Usage):
        value = getattr(reading.usage, field.name)
        if field.name == "server_tools":
            assert all(type(n) is int and 0 <= n < 2**63 and len(tool) <= 64 for tool, n in value.items())
        elif field.name == "provider_cost_usd":
            assert value is None or (Decimal(value) >= 0 and len(value) < 80 and "E" not in value)
        elif field.name == "seconds":
            assert value is None or value >= 0
        else:
            assert value is None or (type(value) is int and 0 <= value < 2**63)
    for text in (reading.response_model, reading.response_id, reading.service_tier, reading.error_type):
        assert text is None or (0 < len(text) <= 256 and text.encode())
    assert reading.error_type is None or " " not in reading.error_type
    assert len(reading.finish_reasons) <= 2**16
    for line in reading.lines:
        check(replace(reading, usage=line.usage, lines=[], response_model=line.model))


@pytest.mark.parametrize("family", sorted(FAMILIES))
@given(data=st.data())
@settings(max_examples=40)
def test_no_object_makes_a_parser_raise_or_believe_a_number_that_is_none(family, data):
    call = Call(
        provider=data.draw(st.sampled_from(["openai", "openrouter", "perplexity", "x_ai", "_OTHER"])),
        operation="chat",
        family=family,
        request_model="openai.m",
        asked=Asked(background=data.draw(st.none() | st.booleans())),
        known=data.draw(st.booleans()),
        certain=data.draw(st.booleans()),
        fetch=data.draw(st.booleans()),
    )
    roots = data.draw(st.lists(objects(FAMILIES[family].SPEC), max_size=3))
    for streamed in (True, False):
        parser = FAMILIES[family](call, {})
        parser.streamed = streamed
        for root in roots:
            (parser.event if streamed else parser.whole)(root)
        for reading in parser.finish():
            check(reading)


@given(objects(SHAPES | {"item_id": "keep", "session": {"id": "keep"}}))
def test_no_websocket_event_raises(event):
    kind = event.get("type")
    kinds = ("response.done", "response.completed", "session.closed", "response.event")
    for name in (*kinds, kind):
        for reading in read_websocket_event("wss://x/", json.dumps(event | {"type": name}, default=str)):
            check(reading)


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "text/event-stream", "application/json", "application/x-ndjson"]),
)
def test_garbage_at_any_endpoint_never_raises(body, content_type):
    for method, url in [
        ("POST", "https://api.openai.com/v1/chat/completions"),
        ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-response-stream"),
        ("GET", "https://api.openai.com/v1/files/f/content"),
        ("POST", "http://localhost/v1/messages"),
    ]:
        for size in (None, 1):
            headers = {"content-type": content_type}
            for reading in read(request(method, url, body or None), body, headers=headers, size=size):
                check(reading)


def test_text_from_the_wire_is_bounded_and_printable():
    answer = {
        "id": "i\x00" + "d" * 5000,
        "model": "m\n\u202e" + "x" * 5000,
        "choices": [{"finish_reason": "f" * 999}],
    }
    asked = request("POST", "https://api.openai.com/v1/chat/completions", {"model": "a\r\nb" + "c" * 999})
    (reading,) = read(asked, json.dumps(answer).encode())
    assert reading.request_model.startswith("abccc")
    for text in (reading.response_id, reading.response_model, reading.request_model, *reading.finish_reasons):
        assert len(text) <= 256
        assert text.isprintable() or "\u202e" in text
        assert "\n" not in text


def test_what_is_too_long_to_be_read_is_counted_and_makes_the_call_incomplete(monkeypatch):
    monkeypatch.setattr(framing, "MAX_EVENT", 2000)
    monkeypatch.setattr(batches, "_MAX_ITEMS", 1)
    before = health.snapshot()
    last = {
        "type": "response.completed",
        "response": {"id": "r", "status": "completed", "output": ["x" * 3000]},
    }
    created = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
    reading = stream("https://api.openai.com/v1/responses", {"model": "m"}, created, last, size=500)
    assert (reading.found, reading.complete, reading.billable) == (False, False, "unknown")
    line = {"response": {"body": {"id": "c", "choices": [{}], "usage": {"prompt_tokens": 1}}}}
    data = "\n".join([json.dumps(line)] * 3).encode()
    assert len(read(request("GET", "https://api.openai.com/v1/files/f/content"), data)) == 1
    counted = health.snapshot()
    assert counted["event_too_long"] - before.get("event_too_long", 0) == 1
    assert counted["batch_items_dropped"] - before.get("batch_items_dropped", 0) == 2


def test_a_long_stream_is_read_in_little_memory():
    asked = request("POST", "https://api.openai.com/v1/chat/completions", {"model": "m", "messages": []})
    reader = recognise(asked).reader(200, {"content-type": "text/event-stream"})
    chunk = (
        b'data: {"id":"c","model":"m","choices":[{"delta":{"content":"'
        + b"x" * 2000
        + b'"}}],"usage":null}\n\n'
    )
    tracemalloc.start()
    for _ in range(50):
        for piece in pieces(chunk * 100, 65_536):
            reader.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n')
    assert reader.finish(ended=True)[0].usage.output == 2
