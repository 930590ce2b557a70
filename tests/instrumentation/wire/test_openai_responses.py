"""OpenAI's responses beyond the vectors: streams, background, hosted tools."""

import json

import pytest

from support.wire import EVENT_STREAM, post, read, request, sse, stream

RESPONSES = "https://api.openai.com/v1/responses"
ASKED = {"model": "gpt-5", "messages": []}
R_USAGE = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}


def response(status="completed", *, background=False, usage=R_USAGE, **more):
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "background": background,
        "model": "gpt-5-2025",
        "output": [],
        "usage": usage,
    } | more


def event(kind, **fields):
    status = "in_progress" if kind == "created" else kind
    return {"type": f"response.{kind}", "response": response(status, **fields)}


def test_a_response_in_the_background_is_pending_until_some_look_shows_its_usage_under_the_same_key():
    asked = {"model": "gpt-5", "input": "x", "background": True}
    begun = post(RESPONSES, asked, response("queued", background=True, usage=None))
    assert (begun.found, begun.complete, begun.billable) == (False, False, "pending")
    keys = {begun.billing_key}
    for status, usage, billable in [
        ("in_progress", None, "pending"),
        ("completed", R_USAGE, "once_per_response_id"),
        ("incomplete", R_USAGE, "once_per_response_id"),
        ("failed", None, "no"),
        ("cancelled", None, "no"),
        ("cancelled", R_USAGE, "once_per_response_id"),
    ]:
        answer = json.dumps(response(status, background=True, usage=usage)).encode()
        for method, path in (("GET", "/resp_1"), ("POST", "/resp_1/cancel")):
            (looked,) = read(request(method, RESPONSES + path), answer)
            assert (looked.operation, looked.billable) == ("fetch_response", billable)
            assert looked.complete is (status != "in_progress")
            keys.add(looked.billing_key)
    assert keys == {"openai:resp_1"}


def test_the_stream_of_a_response_in_the_background_that_is_left_goes_on_without_the_reader():
    events = [event("queued", background=True, usage=None), event("in_progress", background=True, usage=None)]
    asked = {"model": "gpt-5", "input": "x", "background": True, "stream": True}
    left = stream(RESPONSES, asked, *events, ended=False)
    assert (left.billable, left.billing_key, left.complete) == ("pending", "openai:resp_1", False)
    stayed = stream(RESPONSES, asked, *events, event("completed", background=True))
    assert (stayed.billable, stayed.billing_key) == ("once_per_response_id", "openai:resp_1")


def test_a_look_that_streams_shows_the_same_usage_again():
    (looked,) = read(
        request("GET", RESPONSES + "/resp_1?stream=true"),
        sse(event("created", background=True, usage=None), event("completed", background=True)),
        headers=EVENT_STREAM,
    )
    assert (looked.billable, looked.billing_key) == ("once_per_response_id", "openai:resp_1")
    assert looked.usage.input == 20


@pytest.mark.parametrize("background", [False, None])
def test_a_look_at_a_response_in_the_foreground_is_free(background):
    answer = json.dumps(response(background=background)).encode()
    (looked,) = read(request("GET", RESPONSES + "/resp_1"), answer)
    assert (looked.billable, looked.billing_key, looked.found) == ("no", None, True)


def test_an_incomplete_response_bills_what_it_used_and_says_why_it_ended():
    reading = post(
        RESPONSES, ASKED, response("incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    assert (reading.complete, reading.billable, reading.usage.output) == (True, "yes", 5)
    assert reading.finish_reasons == ("max_output_tokens",)


def test_a_stream_of_a_response_that_is_cut_is_unknown():
    reading = stream(
        RESPONSES, ASKED, event("created", usage=None), event("in_progress", usage=None), ended=False
    )
    assert (reading.found, reading.complete, reading.billable) == (False, False, "unknown")
    assert (reading.response_id, reading.response_model) == ("resp_1", "gpt-5-2025")


def test_a_failed_response_bills_what_it_used_and_nothing_where_it_used_nothing():
    failed = {"error": {"code": "server_error", "message": "x"}}
    free = stream(RESPONSES, ASKED, event("created", usage=None), event("failed", usage=None, **failed))
    assert (free.error_type, free.complete, free.billable) == ("server_error", True, "no")
    used = stream(RESPONSES, ASKED, event("created", usage=None), event("failed", **failed))
    assert (used.error_type, used.complete, used.billable, used.usage.output) == (
        "server_error",
        True,
        "yes",
        5,
    )


def test_cache_writes_have_lifetimes():
    usage = R_USAGE | {
        "input_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 9,
            "cache_write_tokens_details": {"ttl_30m_tokens": 2, "ttl_12h_tokens": 7},
        }
    }
    used = post(RESPONSES, ASKED, response(usage=usage)).usage
    assert (used.input, used.cache_read, used.cache_write) == (20, 4, 9)
    assert (used.cache_write_30m, used.cache_write_12h) == (2, 7)


def test_hosted_tools_are_counted_beside_the_usage_and_their_tokens_are_lines():
    reading = post(
        RESPONSES,
        ASKED,
        response(
            tools=[{"type": "image_generation", "model": "gpt-image-2"}],
            tool_usage={
                "web_search": {"num_requests": 3},
                "image_gen": {
                    "input_tokens": 8,
                    "output_tokens": 90,
                    "output_tokens_details": {"image_tokens": 90},
                },
            },
            output=[
                {
                    "type": "image_generation_call",
                    "svg_usage": {"model": "gpt-svg", "input_tokens": 4, "output_tokens": 6},
                }
            ],
        ),
    )
    assert reading.usage.server_tools == {"web_search": 3}
    assert (reading.usage.input, reading.usage.output) == (20, 5)
    assert [(line.kind, line.model, line.usage.output) for line in reading.lines] == [
        ("image_generation", "gpt-image-2", 90),
        ("svg", "gpt-svg", 6),
    ]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("responses/compact", {"id": "c", "object": "response.compaction", "output": [], "usage": R_USAGE}),
        ("decisions", {"id": "d", "model": "gpt-d", "answers": [], "usage": R_USAGE}),
    ],
)
def test_compactions_and_decisions_bill_like_responses(path, answer):
    reading = post(f"https://api.openai.com/v1/{path}", {"model": "gpt-5", "input": "x"}, answer)
    assert (reading.usage.input, reading.usage.output) == (20, 5)
    assert (reading.complete, reading.billable) == (True, "yes")
