"""A stream that is searched says what it says when each of its events is read."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.wire import recognise
from spanledger.wire.answer import FAMILIES
from spanledger.wire.framing import ServerSentEvents
from spanledger.wire.sieve import SievedEvents
from support.wire import EVENT_STREAM, request, sse

URL = "https://api.openai.com/v1/chat/completions"
CALLS = {
    "openai_chat": ("https://api.openai.com/v1/chat/completions", {"model": "m", "stream": True}),
    "openai_responses": ("https://api.openai.com/v1/responses", {"model": "m", "stream": True}),
    "anthropic": ("https://api.anthropic.com/v1/messages", {"model": "m", "stream": True}),
    "gemini": (
        "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent",
        {"contents": []},
    ),
    "groq": ("https://api.groq.com/openai/v1/chat/completions", {"model": "m", "stream": True}),
    "shape": ("https://llm.example/v1/chat/completions", {"model": "m", "stream": True}),
}
SIEVED = [family for family in FAMILIES.values() if family.SIEVE]

NAMES = st.sampled_from(
    ["usage", "error", "finish_reason", "type", "x_groq", "usage_breakdown", "usageMetadata", "choices", "id",
     "model", "object", "response", "message", "candidates", "finishReason", "text"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["", "hello", "stop", '"usage": {"prompt_tokens": 7}', "[DONE]", "\n\n", "\r\n", "data: x\n\n", "message_start",
     "message_delta", "message_stop", "error", "response.created", "response.completed", "response.output_text.delta",
     "chat.completion.chunk", "é", "\u2028"]
)  # fmt: skip
COUNTS = st.dictionaries(
    st.sampled_from(
        [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "input_tokens",
            "output_tokens",
            "promptTokenCount",
        ]
    ),
    st.integers(0, 99),
    min_size=1,
)
VALUES = st.recursive(
    st.none() | st.integers(0, 99) | WORDS | COUNTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.dictionaries(NAMES, VALUES, max_size=5)
USEFUL = st.sampled_from(
    [
        {"id": "1", "model": "m", "object": "chat.completion.chunk", "choices": [{"finish_reason": None}], "usage": None},
        {"id": "1", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        {"choices": [{"finish_reason": "length"}]},
        {"type": "message_start", "message": {"id": "1", "model": "m", "usage": {"input_tokens": 3}}},
        {"type": "message_delta", "usage": {"output_tokens": 5}},
        {"type": "response.completed", "response": {"id": "1", "model": "m", "usage": {"input_tokens": 3}}},
        {"candidates": [{"finishReason": "STOP"}], "modelVersion": "m", "responseId": "1",
         "usageMetadata": {"promptTokenCount": 3}},
        {"error": {"code": "overloaded"}},
    ]
)  # fmt: skip


@st.composite
def streams(draw):
    """Server-sent events in every layout that there is: several lines of data, comments, CRs, no spaces."""
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    space = draw(st.sampled_from([None, 1]))
    text = draw(st.sampled_from(["", "\ufeff"]))
    for event in draw(st.lists(USEFUL | EVENTS, min_size=1, max_size=40)):
        data = json.dumps(
            event, indent=space, separators=draw(st.sampled_from([(",", ":"), (", ", ": "), None]))
        )
        lines = [f"{draw(st.sampled_from(['data: ', 'data:']))}{line}" for line in data.split("\n")]
        for extra in draw(st.lists(st.sampled_from([": null", "id: 5", "event: x", "retry: 1"]), max_size=2)):
            lines.insert(draw(st.integers(0, len(lines))), extra)
        text += newline.join(lines) + newline * draw(st.sampled_from([2, 2, 2, 3]))
    if draw(st.booleans()):
        text += f"data: [DONE]{newline}{newline}"
    return text.encode()


def pieces(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def readings(call, framing, data, cuts):
    recognised = recognise(request("POST", *CALLS[call]))
    reader = recognised.reader(200, EVENT_STREAM)
    if framing is not None:
        reader._by_first_byte = lambda _start: framing(reader)
        reader._parser.streamed = True
    for piece in pieces(data, cuts):
        reader.feed(piece)
    return reader.finish(ended=True)


@pytest.mark.parametrize("call", CALLS)
@given(data=streams(), cuts=st.lists(st.integers(0, 10**6), max_size=12))
def test_a_searched_stream_reads_as_one_whose_every_event_is_looked_at(call, data, cuts):
    ordinary = readings(call, lambda reader: ServerSentEvents(reader._event), data, [])
    assert readings(call, None, data, cuts) == ordinary


@pytest.mark.parametrize("family", SIEVED, ids=lambda family: family.__name__)
@given(event=USEFUL | EVENTS, separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,", "\t: ")]))
def test_a_sieve_holds_back_no_event_that_its_family_wants(family, event, separators):
    data = json.dumps(event, separators=separators).encode()
    if family.EVENTS.search(data) is not None:
        assert any(mark.find(data) >= 0 for mark in family.SIEVE)


def test_events_that_cannot_matter_never_reach_the_parser():
    taken = []

    class Parser:
        def sieve(self):
            return SIEVED[0].SIEVE

    events = SievedEvents(Parser(), lambda _name, data: taken.append(data))
    delta = {"id": "1", "choices": [{"delta": {"content": "word"}, "finish_reason": None}], "usage": None}
    events.feed(sse(*[delta] * 500, {"usage": {"prompt_tokens": 1}}, *[delta] * 500, done=True))
    events.finish()
    assert [json.loads(data)["usage"] for data in taken[1:-1]] == [{"prompt_tokens": 1}]
    assert taken[-1] == b"[DONE]"


def test_an_event_next_to_another_that_matters_reaches_the_parser_once():
    words = {
        "candidates": [{"content": {"parts": [{"text": "word"}]}}],
        "responseId": "r",
        "modelVersion": "m",
    }
    found = {**words, "candidates": [{"groundingMetadata": {"webSearchQueries": ["a"]}}]}
    stated = {**words, "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}}
    data = sse(words, words, words, found, stated, stated, words)
    assert readings("gemini", None, data, []) == readings("gemini", None, data, range(0, len(data), 7))
    taken = []

    class Parser:
        def sieve(self):
            return FAMILIES["gemini"].SIEVE

    events = SievedEvents(Parser(), lambda _name, data: taken.append(json.loads(data)))
    events.feed(data)
    events.finish()
    assert taken == [words, found, stated, stated]


def test_an_event_longer_than_what_is_carried_is_read_all_the_same():
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    head = {"id": "1", "model": "m", "choices": [{"finish_reason": None}]}
    data = sse(head, {**head, "choices": [], "padding": "x" * (3 << 20), "usage": usage}, head, done=True)
    (reading,) = readings("openai_chat", None, data, range(0, len(data), 50_000))
    assert (reading.usage.input, reading.usage.output, reading.complete) == (3, 4, True)
