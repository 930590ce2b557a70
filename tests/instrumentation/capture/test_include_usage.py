"""Usage is asked for where it is safe, and the event this adds is never seen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.capture.include_usage import UsageEventFilter, amended_body
from spanledger.wire import recognise
from spanledger.wire.reading import Request


def chat(host="api.openai.com", path="/v1/chat/completions", query="", headers=None, **body):
    body = {"model": "gpt-4o", "messages": [], "stream": True, **body}
    return Request("POST", host, None, path, query, headers or {}, json.dumps(body).encode())


def amended_of(request):
    return amended_body(request, recognise(request))


def test_an_openai_stream_without_options_asks_for_usage_and_keeps_every_other_byte():
    request = chat()
    amended = amended_of(request)
    assert json.loads(amended)["stream_options"] == {"include_usage": True}
    assert amended.replace(b'"stream_options":{"include_usage":true},', b"") == request.body


def test_other_stream_options_of_the_app_are_kept():
    amended = amended_of(chat(stream_options={"include_obfuscation": False}))
    assert json.loads(amended)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    "request_",
    [
        chat(stream_options={"include_usage": False}),
        chat(stream_options={"include_usage": True}),
        chat(stream_options="odd"),
        chat(stream=False),
        chat(stream=1),
        chat(host="llm.internal"),
        chat(host="api.mistral.ai"),
        chat(host="evil-api.openai.com.example"),
        chat(path="/v1/responses"),
        chat(headers={"authorization": "AWS4-HMAC-SHA256 Credential=x"}),
        chat(headers={"signature-input": "sig1=()"}),
        chat(headers={"content-encoding": "gzip"}),
        chat(
            host="acme.openai.azure.com",
            path="/openai/deployments/d/chat/completions",
            query="api-version=2024-02-01",
        ),
        chat(host="acme.openai.azure.com", path="/openai/deployments/d/chat/completions"),
    ],
    ids=lambda r: f"{r.host}{r.path}",
)
def test_it_is_never_added_over_the_apps_own_word_nor_where_it_may_be_refused(request_):
    recognised = recognise(request_)
    assert recognised is None or not recognised.asks_for_stream or amended_of(request_) is None


@pytest.mark.parametrize(
    "request_",
    [
        chat(host="eu.api.openai.com"),
        chat(path="/v1/completions"),
        chat(user='"stream_options"'),
        chat(user="stream_options"),
        chat(
            host="acme.openai.azure.com",
            path="/openai/deployments/d/chat/completions",
            query="api-version=2024-10-21",
        ),
        chat(host="acme.openai.azure.com", path="/openai/v1/chat/completions"),
    ],
    ids=lambda r: f"{r.host}{r.path}",
)
def test_it_is_added_for_hosts_and_versions_known_to_accept_it(request_):
    assert recognise(request_).asks_for_stream
    assert json.loads(amended_of(request_))["stream_options"] == {"include_usage": True}


AZURE_FILTER = b'data: {"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]}'
TEXT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a\\n\\nb"}}],"usage":null}'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
FORGED = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"{\\"choices\\":[],\\"usage\\":{}}"}}]}'
DONE = b"data: [DONE]"


def run(stream, cuts):
    hide = UsageEventFilter()
    out, last = b"", 0
    for cut in [*sorted(cuts), len(stream)]:
        out += hide.push(stream[last:cut])
        last = cut
    return out + hide.flush()


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@given(cuts=st.lists(st.integers(0, 400), max_size=30))
def test_exactly_the_usage_event_is_hidden_in_any_chunking(end, cuts):
    events = [
        b": ping",
        AZURE_FILTER,
        TEXT,
        FORGED,
        b"event: x\ndata: 1".replace(b"\n", end[: len(end) // 2]),
    ]
    stream = end.join([*events, USAGE, DONE, b""])
    expected = end.join([*events, DONE, b""])
    assert run(stream, [c for c in cuts if c <= len(stream)]) == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_what_is_no_event_stream_passes_unchanged(data, cuts):
    assert run(data, [c for c in cuts if c <= len(data)]) == data


def test_text_passes_before_its_event_is_complete():
    hide = UsageEventFilter()
    assert hide.push(TEXT[:-10]) == TEXT[:-10]


def test_a_usage_event_without_a_final_blank_line_is_hidden_at_the_end():
    assert run(TEXT + b"\n\n" + USAGE, []) == TEXT + b"\n\n"


def test_a_filter_that_fails_lets_everything_pass(monkeypatch):
    def fail(event):
        raise MemoryError

    monkeypatch.setattr("spanledger.capture.include_usage._only_usage", fail)
    assert run(TEXT + b"\n\n" + USAGE + b"\n\n" + DONE, [5, 90]) == TEXT + b"\n\n" + USAGE + b"\n\n" + DONE
