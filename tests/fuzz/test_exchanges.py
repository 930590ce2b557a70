"""Whatever bytes come over the wire, the app gets what it would get without us, and nothing escapes."""

import gzip
import json
import random
import tracemalloc
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger import health, names
from spanledger.testing import recorded_calls
from spanledger.wire import recognise
from support.vectors import body_bytes, cases
from support.wire import request

from .conftest import LONG

CASES = cases(without=["websocket"])


def faults(counted):
    """The counters of our own errors, which the app never sees."""
    return {
        name: count for name, count in counted.items() if name.endswith("_failed") and name != "decode_failed"
    }


class Pieces(httpx.SyncByteStream):
    def __init__(self, pieces, *, breaks):
        self.pieces = pieces
        self.breaks = breaks

    def __iter__(self):
        yield from self.pieces
        if self.breaks:
            raise httpx.ReadError("the connection broke")


def exchange(case, headers, pieces, *, breaks, stop_after):
    """What an app gets: status, bytes up to where it stops, and the kind of error, if any."""

    def answer(_request):
        return httpx.Response(case.response["status"], headers=headers, stream=Pieces(pieces, breaks=breaks))

    got, error = [], None
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        asked = client.build_request(
            case.request["method"],
            case.request["url"],
            headers=case.request["headers"],
            content=case.request_body or None,
        )
        response = client.send(asked, stream=True)
        try:
            for piece in response.iter_bytes():
                got.append(piece)
                if len(got) == stop_after:
                    break
        except httpx.HTTPError as failure:
            error = type(failure)
        finally:
            response.close()
    return response.status_code, got, error


@st.composite
def damaged(draw, whole):
    """A body with a few bytes gone, changed or doubled."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        kind = draw(st.sampled_from(("cut", "set", "double", "insert")))
        if kind == "cut":
            del body[at : at + draw(st.integers(1, 40))]
        elif kind == "set" and body:
            body[at] = draw(st.integers(0, 255))
        elif kind == "double":
            body[at:at] = body[at : at + draw(st.integers(1, 200))]
        else:
            body[at:at] = draw(st.binary(max_size=12))
    return bytes(body)


def cut(body, seed, size):
    """The body in pieces of one to `size` bytes."""
    chance, at, pieces = random.Random(seed), 0, []
    while at < len(body):
        step = chance.randint(1, size)
        pieces.append(body[at : at + step])
        at += step
    return pieces


@given(st.sampled_from(CASES), st.data())
def test_the_app_gets_the_same_bytes_and_errors_as_without_us_and_nothing_of_ours_fails(case, data):
    body = data.draw(damaged(body_bytes(case.response)))
    headers = dict(case.response["headers"])
    encoding = data.draw(st.sampled_from(("plain", "gzip", "broken gzip", "a lie")))
    objects = body.count(b"{")
    if encoding != "plain":
        headers["content-encoding"] = "gzip"
        body = body if encoding == "a lie" else gzip.compress(body)
        body = body[: len(body) * 2 // 3] if encoding == "broken gzip" else body
    pieces = cut(body, data.draw(st.integers(0, 9)), data.draw(st.sampled_from((1, 7, 64, 4096))))
    way = {"breaks": data.draw(st.booleans()), "stop_after": data.draw(st.sampled_from((1, 5, 10**9)))}

    bare = exchange(case, headers, pieces, **way)
    before = health.snapshot()
    with recorded_calls(ask_for_usage=False) as calls:
        metered = exchange(case, headers, pieces, **way)

    assert metered == bare
    # What is not in the coding that it names cannot be read, and is counted so.
    readable = encoding in ("plain", "gzip")
    assert not readable or faults(health.snapshot()) == faults(before)
    assert len(calls) <= 1 + objects
    for span in calls:
        assert span.end_time >= span.start_time
        for name, value in span.attributes.items():
            assert len(str(value)) < 20_000, name
            if name.startswith(("gen_ai.usage.", "spanledger.usage.")) and isinstance(value, int):
                assert 0 <= value < 2**63, name


@given(st.binary(max_size=300), st.sampled_from(("POST", "GET", "PUT")), st.text(max_size=30))
def test_any_request_is_sent_as_it_is(content, method, path):
    url = "https://api.openai.com/v1/" + quote(path, safe="/:")
    sent = []

    def answer(asked):
        sent.append((asked.method, str(asked.url), asked.read()))
        return httpx.Response(200, content=content)

    def send():
        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            return client.request(method, url, content=content).content

    bare = send()
    with recorded_calls():
        assert send() == bare
    assert sent[0] == sent[1]


@pytest.fixture
def length():
    """32 MiB of a stream that must not be kept, or a gigabyte by `make fuzz`."""
    return 2**30 if settings.default.max_examples >= LONG else 2**25


@pytest.mark.parametrize(
    ("url", "content_type", "piece"),
    [
        (
            "https://api.openai.com/v1/chat/completions",
            "text/event-stream",
            b'data: {"choices":[{"delta":{"content":"' + b"x" * 65_000 + b'"}}],"usage":null}\n\n',
        ),
        # No end of a line, an event or a string in sight.
        ("https://api.openai.com/v1/chat/completions", "text/event-stream", b"x" * 65_536),
        ("https://api.anthropic.com/v1/messages", "application/json", b'{"content":"' + b"x" * 65_000),
        (
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream",
            "application/vnd.amazon.eventstream",
            b"\x00\x00\xff\xff" * 16_384,
        ),
        (
            "https://api.openai.com/v1/files/f/content",
            "application/octet-stream",
            b'{"a":"' + b"x" * 65_000 + b'"}\n',
        ),
    ],
    ids=["events", "no event ends", "no string ends", "frames", "lines"],
)
def test_a_stream_of_any_length_is_read_in_a_few_megabytes(url, content_type, piece, length):
    method = "GET" if "/files/" in url else "POST"
    asked = request(method, url, {"model": "m", "messages": [], "stream": True} if method == "POST" else None)
    recognised = recognise(asked)
    assert recognised is not None
    reader = recognised.reader(200, {"content-type": content_type})
    reader.feed(piece)
    tracemalloc.start()
    try:
        for _ in range(length // len(piece)):
            reader.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    reader.finish(ended=True)
    assert peak < 20 * 2**20


def test_what_unpacks_to_a_thousand_times_its_size_is_read_in_a_few_megabytes(length):
    packed = gzip.compress(b" " * 2**20) * (length // 2**20)  # members one after the other, as gzip allows
    piece_count = 0
    tracemalloc.start()
    try:
        with recorded_calls() as calls:

            def answer(_request):
                return httpx.Response(
                    200,
                    headers={"content-type": "application/json", "content-encoding": "gzip"},
                    stream=Pieces(
                        [packed[at : at + 4096] for at in range(0, len(packed), 4096)], breaks=False
                    ),
                )

            with (
                httpx.Client(transport=httpx.MockTransport(answer)) as client,
                client.stream("POST", "https://api.openai.com/v1/responses", json={"model": "m"}) as response,
            ):
                for _ in response.iter_raw():
                    piece_count += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert piece_count == -(-len(packed) // 4096)
    assert calls[0].attributes[names.USAGE_FOUND] is False
    assert peak < 20 * 2**20


def test_events_of_one_byte_a_piece_cost_no_more_than_their_length():
    """Were each piece to look at all before it, this would take hours."""
    event = {"choices": [{"delta": {"content": "x" * 50_000}}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}
    whole = f"data: {json.dumps(event)}\n\ndata: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode()
    asked = request("POST", "https://api.openai.com/v1/chat/completions", {"model": "m", "stream": True})
    reader = recognise(asked).reader(200, {"content-type": "text/event-stream"})
    for at in range(len(whole)):
        reader.feed(whole[at : at + 1])
    assert reader.finish(ended=True)[0].usage.output == 7
