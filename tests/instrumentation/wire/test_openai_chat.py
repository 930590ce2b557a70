"""OpenAI's chat beyond the vectors, and the dialects of those who speak it."""

import json

import pytest

from support.wire import post, read, request, stream

CHAT = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-5", "messages": []}
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
DELTA = {"id": "c1", "model": "gpt-5-2025", "choices": [{"delta": {"content": "a"}, "finish_reason": None}]}
STOP = {"id": "c1", "model": "gpt-5-2025", "choices": [{"delta": {}, "finish_reason": "stop"}]}


def answered(usage=None, **more):
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-5-2025",
        "choices": [{}],
        "usage": usage,
    } | more


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
