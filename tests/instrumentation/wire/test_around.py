"""What is read from the ends of a large answer, against what is read of all of it."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanledger.wire.around import around_choice, around_vectors
from spanledger.wire.openai_chat import ChatParser
from spanledger.wire.skim import HAS, KEEP, Document, skim
from support.wire import post, read, request

TEXT = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", '\\"', "{", "]", '{"usage": 1}', "\u2028", "a" * 3000]
)
VECTORS = [{"object": "embedding", "index": n, "embedding": [0.25, -1.5e-3, n] * 1500} for n in range(4)]
EMBEDDINGS = {
    "object": KEEP,
    "model": KEEP,
    "data": HAS,
    "usage": KEEP,
    "id": KEEP,
    "meta": KEEP,
}
ODD = TEXT | st.sampled_from(["a]", '],"usage":{"prompt_tokens":9}', "]}", "\\", 'x"],'])
SMALL_MEMBERS = st.dictionaries(
    st.sampled_from(["object", "model", "id", "meta", "other"]),
    ODD | st.lists(ODD, max_size=2) | st.dictionaries(st.sampled_from(["usage", "a"]), ODD, max_size=2),
    max_size=4,
)
USAGE = st.fixed_dictionaries({"prompt_tokens": st.integers(0, 99)}) | st.none() | ODD


@st.composite
def embeddings(draw):
    root = {**draw(SMALL_MEMBERS), "first": 1}
    if draw(st.booleans()):
        root["usage"] = draw(USAGE)
    root["data"] = VECTORS
    if draw(st.booleans()):
        root.pop("usage", None)
        root["usage"] = draw(USAGE)
    root |= {key: value for key, value in draw(SMALL_MEMBERS).items() if key not in root}
    separators = draw(st.sampled_from([(",", ":"), None]))
    return json.dumps(root, indent=draw(st.sampled_from([None, 1])), separators=separators).encode()


@settings(max_examples=60)
@given(embeddings())
def test_vectors_are_passed_by_and_what_stands_around_them_is_read_as_ever(data):
    found = around_vectors(data, EMBEDDINGS)
    assert found is None or found == skim(data, EMBEDDINGS)
    asked = request("POST", "https://api.openai.com/v1/embeddings", {"model": "m"})
    assert read(asked, data) == read(asked, data, size=len(data))  # the one from its ends, the other not


def test_the_usual_vectors_are_passed_by():
    data = json.dumps({"object": "list", "data": VECTORS, "usage": {"prompt_tokens": 5}}).encode()
    assert around_vectors(data, EMBEDDINGS) == skim(data, EMBEDDINGS)


@settings(max_examples=30)
@given(st.integers(1, 10**6))
def test_vectors_that_were_cut_state_nothing(cut):
    data = json.dumps({"data": VECTORS, "usage": {"prompt_tokens": 5}}).encode()
    asked = request("POST", "https://api.openai.com/v1/embeddings", {"model": "m"})
    (reading,) = read(asked, data[: -1 - cut % (len(data) - 1)], ended=False)
    assert (reading.found, reading.usage.input) == (False, None)


def test_vectors_in_pieces_are_read_as_in_one():
    data = json.dumps({"model": "m", "data": VECTORS, "usage": {"prompt_tokens": 5}}).encode()
    document = Document(EMBEDDINGS)
    for piece in (data[:70_000], data[70_000:90_000], b"", data[90_000:]):
        document.feed(piece)
    assert document.root() == {"model": "m", "data": True, "usage": {"prompt_tokens": 5}}


PROSE = 'It said [1], and "usage": {}. ' * 400
NASTY = st.sampled_from(
    [
        "",
        "]",
        '],"usage":{"prompt_tokens":9}}',
        '"finish_reason":"length"}],"usage":{"prompt_tokens":9}}',
        '\\"}],"usage":{"prompt_tokens":9}}',
        "\\",
    ]
)
TOKENS = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}


def shuffled(draw, members):
    """In the usual order with all there, or not."""
    if draw(st.integers(0, 2)):
        return members
    names = draw(st.permutations(sorted(members)))
    return {name: members[name] for name in names[: draw(st.integers(len(names) - 3, len(names)))]}


@st.composite
def completions(draw):
    """Chat completions of whatever order, and of shapes that nobody has seen."""
    usage = {**TOKENS, **draw(st.sampled_from([{}, {}, {"iterations": [1]}]))}
    choices = [
        shuffled(
            draw,
            {
                "index": at,
                "message": {
                    "content": PROSE + draw(NASTY),
                    "tool_calls": draw(st.sampled_from([None, [{"arguments": '{"usage": [1]}'}]])),
                    "usage": draw(st.sampled_from([None, {"prompt_tokens": 9}])),
                },
                "logprobs": draw(st.sampled_from([None, {"content": [1]}])),
                "finish_reason": draw(st.sampled_from(["stop", "stop", "tool_calls", None, 'odd"'])),
                "stop_reason": draw(st.none() | NASTY),
            },
        )
        for at in range(draw(st.sampled_from([1, 1, 1, 0, 2])))
    ]
    root = {
        "id": "chatcmpl-1" + draw(st.sampled_from(["", "", "["])),
        "model": "m",
        "choices": choices,
        "usage": draw(st.sampled_from([usage, usage, usage, None])),
        "service_tier": "flex",
        "x_groq": draw(st.sampled_from([{"id": "r", "usage": {"prompt_tokens": 8}}, None])),
        "error": None,
        **draw(st.sampled_from([{}, {}, {"citations": []}, {"citations": [{"url": "x]"}]}])),
    }
    separators = draw(st.sampled_from([(",", ":"), None]))
    return json.dumps(shuffled(draw, root), separators=separators, indent=draw(st.sampled_from([None, 1])))


USUAL = {
    "id": "chatcmpl-1",
    "model": "m",
    "choices": [{"index": 0, "message": {"content": PROSE}, "logprobs": None, "finish_reason": "stop"}],
    "usage": TOKENS,
    "service_tier": "default",
}


@settings(max_examples=400)
@given(completions())
@example(json.dumps(USUAL))
def test_a_completion_of_one_choice_is_the_same_from_its_ends_or_is_read_whole(text):
    data = text.encode()
    found = around_choice(data, ChatParser.SPEC)
    whole = skim(data, ChatParser.SPEC)
    # Two choices are two in either way: one call asks for one.
    assert found is None or len(whole["choices"]) != 1 or found == whole


def test_the_usual_completion_is_read_from_its_ends():
    data = json.dumps(USUAL).encode()
    assert around_choice(data, ChatParser.SPEC) == skim(data, ChatParser.SPEC)


URL = "https://api.openai.com/v1/chat/completions"
FRAMED = {"content-type": "application/json", "content-length": "1"}


@pytest.mark.parametrize("headers", [FRAMED, {"content-type": "application/json"}])
@pytest.mark.parametrize("asked", [{"model": "m"}, {"model": "m", "n": 2}])
def test_all_choices_count(headers, asked):
    choices = [{"message": {"content": PROSE}, "finish_reason": reason} for reason in ("stop", "length")]
    answer = {**USUAL, "choices": choices if "n" in asked else choices[:1]}
    reading = post(URL, asked, answer, headers=headers)
    assert (reading.usage.input, reading.usage.output, reading.usage.cache_read) == (3, 4, 1)
    assert reading.finish_reasons == (("stop", "length") if "n" in asked else ("stop",))
    assert (reading.service_tier, reading.response_id, reading.complete) == ("default", "chatcmpl-1", True)


def test_a_completion_that_nothing_proves_whole_is_not_read_from_its_ends():
    """Cut inside its choices, behind something that looks like the end of a completion."""
    choice = {"finish_reason": "stop"}
    inner = [{"said": PROSE, "list": [choice]}]
    text = json.dumps({"model": "m", "choices": inner}).removesuffix("}]}") + ',"usage":{"prompt_tokens":9}}'
    for headers in ({"content-type": "application/json"}, FRAMED):
        found = read(request("POST", URL, {"model": "m"}), text.encode(), headers=headers)
        known = [reading.usage.input for reading in found]
        assert known == ([None] if headers is not FRAMED else [9])
