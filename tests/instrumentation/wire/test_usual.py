"""Events that state nothing are told by what they have in common, and leaving them out changes nothing."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.wire import NOTHING_USUAL, recognise
from spanledger.wire.usual import usual_of
from support.wire import EVENT_STREAM, request

CHAT = ("https://api.openai.com/v1/chat/completions", {"model": "m", "stream": True})
GROQ = ("https://api.groq.com/openai/v1/chat/completions", {"model": "m", "stream": True})
UNKNOWN = ("https://llm.example/v1/chat/completions", {"model": "m", "stream": True})
RESPONSES = ("https://api.openai.com/v1/responses", {"model": "m", "stream": True})
MESSAGES = ("https://api.anthropic.com/v1/messages", {"model": "m", "stream": True})

HEAD = {"id": "c", "object": "chat.completion.chunk", "model": "m"}


def chat(word, padding, **more):
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
    return {**HEAD, "choices": [choice], "usage": None, "obfuscation": padding, **more}


def without_padding(word, _padding):
    return {**HEAD, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}


def arguments(word, padding):
    called = {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}
    return {
        **HEAD,
        "choices": [{"index": 0, "delta": called, "finish_reason": None}],
        "obfuscation": padding,
    }


def block(word, _padding):
    delta = {"type": "text_delta", "text": word}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def numbered(word, padding):
    """What a response's event has; its number is a matter of what is written."""
    number = 7 + 91 * len(word) + 8 * len(padding)
    kind = "response.output_text.delta"
    about = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return {
        "type": kind, "sequence_number": number, **about, "delta": word, "logprobs": [], "obfuscation": padding
    }  # fmt: skip


SHAPES = {
    "openai": (CHAT, chat),
    "without obfuscation": (CHAT, without_padding),
    "a tool's arguments": (CHAT, arguments),
    "groq": (GROQ, without_padding),
    "openai's responses": (RESPONSES, numbered),
    "anthropic": (MESSAGES, block),
    "a host nobody knows": (UNKNOWN, chat),
}
BEGINS = {
    CHAT[0]: [chat("", "")],
    GROQ[0]: [chat("", "")],
    UNKNOWN[0]: [chat("", "")],
    RESPONSES[0]: [
        {
            "type": "response.created",
            "sequence_number": 0,
            "response": {"id": "c", "model": "m", "usage": None},
        }
    ],
    MESSAGES[0]: [
        {"type": "message_start", "message": {"id": "c", "model": "m", "usage": {"input_tokens": 3}}}
    ],
}
TELLING = st.sampled_from(
    [
        {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
        {**HEAD, "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "length"}], "obfuscation": ""},
        {**HEAD, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        chat("x", "y", usage={"prompt_tokens": 5, "completion_tokens": 6}),
        {**HEAD, "choices": [], "x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 8}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
        {"type": "response.completed", "sequence_number": 9, "response": {"usage": {"input_tokens": 3}}},
        {"type": "response.incomplete", "response": {"usage": {"output_tokens": 4}}},
        {"type": "ping"},
        {"error": {"type": "overloaded_error", "code": "overloaded"}},
        {"content": "message_stop"},
        {"content": "error"},
    ]
)  # fmt: skip
WORDS = st.sampled_from(["", " the", "quick", "é", "\u2028", 'a "b"', "a\\", "\\", "\n\n", '"usage": {"prompt_tokens": 9}',
                         "error", "message_stop", "[DONE]", "data: [DONE]"]) | st.text(max_size=9)  # fmt: skip
STATED = b'"usage":{"prompt_tokens":9,"completion_tokens":9}'
RAW = st.sampled_from(
    [b"", b"plain", b"\\", b'\\"', b'"', b"\n", b"\n\n", b"\r\r", b"x\n\ndata: [DONE]\n\nx",
     b"\r\n\r\ndata: [DONE]\r\n\r\n", b'"},"finish_reason":"stop","x":{"content":"',
     b'","type":"response.completed","response":{' + STATED + b'},"x":"',
     b'"},"finish_reason":null}],' + STATED + b',"x":[{"delta":{"content":"',
     b'",' + STATED + b',"obfuscation":"',
     b"\n\ndata: {" + STATED + b"}\n\n"]
)  # fmt: skip
"""What a provider's damaged or dishonest event may have in the place of a word: as it is, not in JSON."""
NO_NUMBERS = [b"", b"-1", b"1e5", b"null", b'"1"', b"1," + STATED, b'1}\n\ndata: [DONE]\n\ndata: {"n":1']


def written(event, separators=(",", ":")):
    name = f"event: {event['type']}\n".encode() if "type" in event else b""
    return name + b"data: " + json.dumps(event, separators=separators).encode() + b"\n\n"


@st.composite
def streams(draw):
    """A call, and its chunks: nearly all one event of one shape, some cut, some damaged, some that matter."""
    call, shape = SHAPES[draw(st.sampled_from(list(SHAPES)))]
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    chunks = [written(event, separators) for event in BEGINS[call[0]]]
    chunks += [written(shape(word, word[:1]), separators) for word in (" a", "b", "")]
    for kind in draw(st.lists(st.sampled_from("uuutddcj"), max_size=30)):
        event = written(shape(draw(WORDS), draw(WORDS)), separators)
        if kind == "t":
            chunks.append(written(draw(TELLING), separators))
        elif kind == "d":
            event = written(shape("WORD", "PADDING"), separators)
            event = event.replace(b"WORD", draw(RAW)).replace(b"PADDING", draw(RAW))
            number = draw(st.sampled_from([b"12", *NO_NUMBERS]))
            chunks.append(re.sub(rb'(?<="sequence_number":)\d+', lambda _, number=number: number, event))
        elif kind == "c":
            at = draw(st.integers(0, len(event)))
            chunks += [event[:at], event[at:]]
        elif kind == "j":
            chunks[-1] += event
        else:
            chunks.append(event)
    return call, [*chunks, *([b"data: [DONE]\n\n"] if draw(st.booleans()) else [])]


def readings(call, chunks, *, learning):
    """What the chunks say, and how many were looked at. `learning`: how many chunks to learn from; 0: none."""
    reader = recognise(request("POST", *call)).reader(200, EVENT_STREAM)
    usual, latest = NOTHING_USUAL, []
    looked_at = 0
    for chunk in chunks:
        if chunk.startswith(usual.begin) and usual.rest(chunk, usual.length) is not None:
            continue
        looked_at += 1
        reader.feed(chunk)
        latest.append(chunk)
        usual = NOTHING_USUAL
        if learning and chunk.endswith(b"\n\n"):
            usual = reader.usual(latest[-learning:])
    return reader.finish(ended=True), looked_at


@settings(max_examples=1000)
@given(stream=streams(), learning=st.integers(2, 6))
def test_a_stream_without_its_usual_events_says_the_same(stream, learning):
    call, chunks = stream
    assert readings(call, chunks, learning=learning)[0] == readings(call, chunks, learning=0)[0]


@pytest.mark.parametrize(("call", "shape"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_of_a_thousand_words_few_are_looked_at(call, shape, separators):
    words = [f" word{number}" for number in range(1000)]
    chunks = [written(event, separators) for event in BEGINS[call[0]]]
    chunks += [written(shape(word, "xK3"[: number % 4]), separators) for number, word in enumerate(words)]
    assert readings(call, chunks, learning=6)[1] < 20


def event(**members):
    return written(members)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event(content="a")],
        [event(content="a"), event(content="b")[:-1]],
        [event(content="a") * 2, event(content="b") * 2],
        [event(content="a", n=1), event(content="b", n=2)],
        [event(type="ping"), event(type="pong")],
        [event(finish_reason="stop"), event(finish_reason="end")],
        [event(content="a", x='"'), event(content="b", x='"')],
        [event(x='"', content="a"), event(x='"', content="b")],
        [event(content="a", text="b", thinking="c"), event(content="d", text="e", thinking="f")],
        [event(sequence_number=1, x={"sequence_number": 1}), event(sequence_number=2, x={"sequence_number": 2})],
        [event(sequence_number=None, content="a"), event(sequence_number=2, content="b")],
        [event(sequence_number=-1, content="a"), event(sequence_number=2, content="b")],
        [event(content="a", sequence_number="1"), event(content="b", sequence_number="2")],
        [event(sequence_number=1, x='"'), event(sequence_number=2, x='"')],
        [b'data: {"content":"a\n\n', b'data: {"content":"b\n\n'],
        [event(content="a", type="x"), event(content="b", type="y")],
        [event(content=1), event(content=2)],
        [event(content="same"), event(content="same")],
    ],
    ids=["none", "one", "half", "two at once", "a number", "a type", "a reason", "an escape behind",
         "an escape before", "three words", "two numbers", "a number that is none", "a number below 0", "a number as text",
         "an escape behind a number", "an open word", "a type behind", "no text", "no difference"],
)  # fmt: skip
def test_what_may_say_something_is_not_usual(events):
    assert usual_of(events) is NOTHING_USUAL


@pytest.mark.parametrize("number", [b"0", b"10", b"123456789", *NO_NUMBERS])
def test_a_number_is_digits(number):
    usual = usual_of([written(numbered(word, "")) for word in ("a", "bc")])
    chunk = re.sub(rb'(?<="sequence_number":)\d+', lambda _: number, written(numbered("d", "")))
    assert chunk.startswith(usual.begin)
    assert (usual.rest(chunk, usual.length) is not None) == number.isdigit()


def usual_after(*events, latest=2):
    reader = recognise(request("POST", *CHAT)).reader(200, EVENT_STREAM)
    chunks = [written(each) for each in events]
    for chunk in chunks:
        reader.feed(chunk)
    return reader.usual(chunks[-latest:])


def test_nothing_is_usual_that_states_something():
    used = {"prompt_tokens": 3}
    assert usual_after(chat("", ""), chat("a", ""), chat("b", "")) is not NOTHING_USUAL
    assert usual_after(chat("", ""), chat("a", "", usage=used), chat("b", "", usage=used)) is NOTHING_USUAL


def test_nothing_is_usual_before_the_answers_id_and_model_are_known():
    assert usual_after({"content": "a"}, {"content": "b"}) is NOTHING_USUAL
    assert usual_after(HEAD, {"content": "a"}, {"content": "b"}) is not NOTHING_USUAL
