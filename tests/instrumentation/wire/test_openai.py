"""OpenAI's formats beyond the vectors, and the dialects of those who speak them."""

import json
from decimal import Decimal

import pytest

from spanledger.wire import read_websocket_event
from support.wire import EVENT_STREAM, post, read, request, sse, stream

CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"
ASKED = {"model": "gpt-5", "messages": []}
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
DELTA = {"id": "c1", "model": "gpt-5-2025", "choices": [{"delta": {"content": "a"}, "finish_reason": None}]}
STOP = {"id": "c1", "model": "gpt-5-2025", "choices": [{"delta": {}, "finish_reason": "stop"}]}
R_USAGE = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}


def answered(usage=None, **more):
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-5-2025",
        "choices": [{}],
        "usage": usage,
    } | more


# Chat ---------------------------------------------------------------------------------------------


def test_a_stream_that_nobody_asked_for_usage_is_complete_and_has_none():
    reading = stream(CHAT, ASKED, DELTA, STOP, done=True)
    assert (reading.found, reading.complete, reading.billable) == (False, True, "yes")
    assert (reading.usage.input, reading.usage.output) == (None, None)


def test_the_chunk_with_usage_ends_a_stream_also_without_the_end_mark():
    reading = stream(CHAT, ASKED, DELTA, STOP, {"choices": [], "usage": USAGE}, ended=False)
    assert (reading.found, reading.complete, reading.billable) == (True, True, "yes")


def test_usage_on_every_chunk_counts_once_and_is_a_lower_bound_while_the_stream_goes_on():
    first = DELTA | {"usage": {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}}
    second = DELTA | {"usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}}
    cut = stream(CHAT, ASKED, first, second, ended=False)
    assert (cut.usage.output, cut.complete, cut.billable) == (4, False, "unknown")
    whole = stream(CHAT, ASKED, first, second, STOP | {"usage": USAGE}, ended=False)
    assert (whole.usage.output, whole.complete, whole.billable) == (5, True, "yes")


def test_a_later_null_does_not_undo_usage():
    reading = stream(CHAT, ASKED, STOP | {"usage": USAGE}, {"choices": [], "usage": None}, done=True)
    assert reading.usage.output == 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 502, "message": "Provider returned the prompt"}, "502"),
        ({"code": None, "type": "server_error", "message": "secret"}, "server_error"),
        ({"message": "secret"}, "error"),
        ("a message with the prompt in it", "error"),
        ("overloaded", "overloaded"),
    ],
)
def test_an_error_inside_a_stream_is_named_by_its_code_and_never_by_its_message(error, code):
    begun = stream(CHAT, ASKED, DELTA, {"error": error, "choices": []})
    assert (begun.error_type, begun.complete, begun.billable) == (code, False, "unknown")
    at_once = stream(CHAT, ASKED, {"error": error})
    assert (at_once.error_type, at_once.complete, at_once.billable) == (code, True, "no")


def test_an_error_with_status_200_costs_nothing():
    reading = post(CHAT, ASKED, {"error": {"code": 429, "message": "x"}})
    assert (reading.error_type, reading.found, reading.complete, reading.billable) == (
        "429",
        False,
        True,
        "no",
    )


@pytest.mark.parametrize("details", [None, [], "x", 7, {}, {"cached_tokens": None}, {"cached_tokens": "5"}])
def test_details_may_be_null_partial_or_nonsense(details):
    usage = USAGE | {"prompt_tokens_details": details, "completion_tokens_details": details}
    reading = post(CHAT, ASKED, answered(usage))
    assert (reading.usage.input, reading.usage.output) == (20, 5)
    assert (reading.usage.cache_read, reading.usage.reasoning) == (None, None)


@pytest.mark.parametrize("bad", [-1, True, "20", 20.5, 10**30, [20], {}, None])
def test_what_is_no_count_is_unknown_and_never_zero(bad):
    reading = post(CHAT, ASKED, answered({"prompt_tokens": bad, "completion_tokens": 5}))
    assert (reading.usage.input, reading.usage.output, reading.found) == (None, 5, True)


def test_tokens_of_the_total_beyond_prompt_and_completion_are_output():
    inside = {"completion_tokens_details": {"reasoning_tokens": 3}}
    for usage, output, reasoning in [
        ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 37}, 17, 12),
        ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 37} | inside, 17, 3),
        ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25} | inside, 5, 3),
        ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 11}, 5, None),
        ({"prompt_tokens": 20, "total_tokens": 25}, 5, None),
    ]:
        read_ = post(CHAT, ASKED, answered(usage)).usage
        assert (read_.input, read_.output, read_.reasoning) == (20, output, reasoning)


def test_groqs_compound_breakdown_in_a_stream_replaces_the_total():
    parts = [
        {"model": "a", "usage": USAGE},
        {"model": "b", "usage": {"prompt_tokens": 1, "completion_tokens": 0}},
    ]
    last = STOP | {"x_groq": {"usage": USAGE, "usage_breakdown": {"models": parts}}}
    reading = stream("https://api.groq.com/openai/v1/chat/completions", ASKED, DELTA, last, done=True)
    assert reading.billable == "no_lines_follow"
    assert [(line.model, line.usage.input) for line in reading.lines] == [("a", 20), ("b", 1)]


def test_groq_with_usage_asked_for_states_the_same_numbers_twice_and_they_count_once():
    last = STOP | {"x_groq": {"usage": USAGE}}
    reading = stream(
        "https://api.groq.com/openai/v1/chat/completions", ASKED, DELTA, last, {"choices": [], "usage": USAGE}
    )
    assert (reading.usage.input, reading.usage.output) == (20, 5)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ("0.0160614", "0.0160614"),
        ("4.14e-05", "0.0000414"),
        ("0", "0"),
        ("2", "2"),
        ("0.10", "0.1"),
        ("1e2", "100"),
    ],
)
def test_openrouters_charge_is_decimal_text_to_the_last_digit(cost, text):
    body = json.dumps(answered(USAGE)).replace('"total_tokens": 25', f'"total_tokens": 25, "cost": {cost}')
    asked = request("POST", "https://openrouter.ai/api/v1/chat/completions", ASKED)
    (reading,) = read(asked, body.encode())
    assert reading.usage.provider_cost_usd == text


@pytest.mark.parametrize("cost", [-1, True, "0.5", {}, None, [1]])
def test_a_charge_that_is_no_amount_is_unknown(cost):
    reading = post("https://openrouter.ai/api/v1/chat/completions", ASKED, answered(USAGE | {"cost": cost}))
    assert reading.usage.provider_cost_usd is None


def test_a_charge_is_believed_of_those_who_charge_only():
    usage = USAGE | {"cost": 0.5, "cost_in_usd_ticks": 5}
    assert post(CHAT, ASKED, answered(usage)).usage.provider_cost_usd is None
    assert (
        post("http://127.0.0.1/v1/chat/completions", ASKED, answered(usage)).usage.provider_cost_usd is None
    )


def test_perplexity_thinks_and_cites_outside_its_total():
    usage = {
        "prompt_tokens": 33,
        "completion_tokens": 7000,
        "total_tokens": 7033,
        "citation_tokens": 20_000,
        "reasoning_tokens": 70_000,
        "num_search_queries": 18,
        "cost": {"total_cost": 0.66},
    }
    used = post("https://api.perplexity.ai/chat/completions", ASKED, answered(usage)).usage
    assert (used.input, used.output, used.reasoning, used.citation) == (33, 77_000, 70_000, 20_000)
    assert (used.server_tools, used.provider_cost_usd) == ({"search_queries": 18}, "0.66")


def test_fireworks_states_usage_with_the_last_chunk():
    url = "https://api.fireworks.ai/inference/v1/chat/completions"
    reading = stream(url, ASKED, DELTA, STOP | {"usage": USAGE}, done=True)
    assert (reading.provider, reading.usage.output, reading.complete) == ("fireworks", 5, True)


# Responses ----------------------------------------------------------------------------------------


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


# Media --------------------------------------------------------------------------------------------


def test_images_stream_their_usage_with_the_last_event():
    partial = {"type": "image_generation.partial_image", "b64_json": "A" * 100}
    last = {
        "type": "image_generation.completed",
        "b64_json": "A" * 100,
        "size": "1024x1024",
        "quality": "high",
        "usage": {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105},
    }
    asked = {"model": "gpt-image-1", "prompt": "x", "stream": True}
    whole = stream("https://api.openai.com/v1/images/generations", asked, partial, last)
    assert (whole.usage.input, whole.usage.output, whole.usage.images) == (5, 100, None)
    assert (whole.complete, whole.image_size, whole.image_quality) == (True, "1024x1024", "high")
    cut = stream("https://api.openai.com/v1/images/edits", asked, partial, ended=False)
    assert (cut.found, cut.complete, cut.billable) == (False, False, "unknown")


def test_images_that_are_billed_by_the_image_are_counted_and_described():
    asked = {"model": "dall-e-3", "prompt": "x", "n": 2, "size": "1792x1024", "quality": "hd"}
    reading = post(
        "https://api.openai.com/v1/images/generations", asked, {"data": [{"url": "a"}, {"url": "b"}]}
    )
    assert (reading.found, reading.complete, reading.billable, reading.usage.images) == (
        False,
        True,
        "yes",
        2,
    )
    assert (reading.image_size, reading.image_quality) == ("1792x1024", "hd")


def test_an_image_written_as_svg_is_a_line_of_its_writer():
    answer = {
        "data": [{}],
        "usage": {"input_tokens": 1, "output_tokens": 2},
        "svg_usage": {
            "model": "w",
            "input_tokens": 3,
            "output_tokens": 4,
            "total_tokens": 7,
            "reasoning_tokens": 1,
        },
    }
    reading = post("https://api.openai.com/v1/images/generations", {"model": "gpt-image-2"}, answer)
    assert [(line.kind, line.model, line.usage.input, line.usage.output) for line in reading.lines] == [
        ("svg", "w", 3, 4)
    ]


@pytest.mark.parametrize(("model", "characters"), [("tts-1-hd", 5), ("gpt-4o-mini-tts", None)])
def test_speech_in_bytes_states_nothing_and_is_billed_by_the_character_only_where_models_are(
    model, characters
):
    asked = request("POST", "https://api.openai.com/v1/audio/speech", {"model": model, "input": "héllo"})
    (reading,) = read(asked, b"\xff\xf3\x00{", headers={"content-type": "audio/mpeg"})
    assert (reading.complete, reading.billable, reading.usage.characters) == (True, "yes", characters)
    (cut,) = read(asked, b"\xff", headers={"content-type": "audio/mpeg"}, ended=False)
    assert (cut.complete, cut.billable) == (False, "unknown")


def test_a_transcription_in_plain_text_is_complete_and_states_nothing():
    asked = request("POST", "https://api.openai.com/v1/audio/transcriptions")
    (reading,) = read(asked, b"data is what they said", headers={"content-type": "text/plain; charset=utf-8"})
    assert (reading.found, reading.complete, reading.billable) == (False, True, "yes")


def test_a_transcription_is_billed_by_the_second_or_by_the_token():
    url, asked = "https://api.openai.com/v1/audio/transcriptions", {"model": "whisper-1"}
    by_time = post(url, asked, {"text": "x", "duration": 8.47, "usage": {"type": "duration", "seconds": 8.5}})
    assert (by_time.usage.seconds, by_time.usage.input) == (Decimal("8.5"), None)
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"audio_tokens": 14},
        "output_tokens": 3,
    }
    by_token = post(url, asked, {"text": "x", "usage": usage})
    assert (by_token.usage.audio_in, by_token.usage.output, by_token.usage.seconds) == (14, 3, None)


@pytest.mark.parametrize("path", ["moderations", "responses/input_tokens"])
def test_what_is_free_is_a_call_without_usage(path):
    answer = {"object": "x", "input_tokens": 11, "results": [], "usage": USAGE}
    reading = post(f"https://api.openai.com/v1/{path}", {"model": "m", "input": "x"}, answer)
    assert (reading.found, reading.complete, reading.billable) == (False, True, "no")


# Websockets ---------------------------------------------------------------------------------------

REALTIME = "wss://api.openai.com/v1/realtime?model=gpt-realtime"


def test_a_realtime_response_states_its_tokens_by_modality():
    usage = {
        "total_tokens": 300,
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 120,
            "audio_tokens": 80,
            "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
    }
    done = {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "usage": usage}}
    (reading,) = read_websocket_event(REALTIME, json.dumps(done))
    used = reading.usage
    assert (used.input, used.output, used.cache_read, used.cache_read_text) == (200, 100, 64, 64)
    assert (used.audio_in, used.audio_out, used.text_in, used.text_out) == (80, 70, 120, 30)
    assert (reading.request_model, reading.response_id, reading.billable) == ("gpt-realtime", "resp_1", "yes")


def test_a_live_session_counts_its_seconds_once_at_its_end():
    growing = {"type": "session.usage.updated", "usage": {"seconds": 10.5}}
    closed = {
        "type": "session.closed",
        "usage": {"seconds": 21.25},
        "session": {"id": "s", "model": "live-1"},
    }
    url = "wss://api.openai.com/v1/live?model=live-1"
    assert read_websocket_event(url, json.dumps(growing)) == []
    (reading,) = read_websocket_event(url, json.dumps(closed))
    assert reading.usage.seconds == Decimal("21.25")


def test_responses_over_a_websocket_and_inside_a_live_session_are_read():
    plain = event("completed")
    wrapped = {"type": "response.event", "event": plain}
    for message in (plain, wrapped):
        (reading,) = read_websocket_event("wss://api.openai.com/v1/responses", json.dumps(message))
        assert (reading.usage.input, reading.response_id, reading.billable) == (20, "resp_1", "yes")
    decided = {
        "type": "decision.event",
        "event": {"type": "decision.completed", "decision": {"usage": R_USAGE}},
    }
    (reading,) = read_websocket_event("wss://api.openai.com/v1/live", json.dumps(decided))
    assert reading.usage.output == 5


@pytest.mark.parametrize(
    "message",
    ["", "x", "[]", '{"type": "response.created", "response": {"usage": null}}', '{"type": "x", "usage": 1}'],
)
def test_other_websocket_events_are_nothing(message):
    assert read_websocket_event(REALTIME, message) == []
