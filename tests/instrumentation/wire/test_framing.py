"""Events come out the same however the bytes are split."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spanledger.wire import framing
from spanledger.wire.framing import AwsEventStream, JsonLines, ServerSentEvents
from support.wire import frame

CUTS = st.lists(st.integers(0, 10**6), max_size=16)
PAYLOAD = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=20
)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def events_of(kind, data: bytes, cuts: list[int]) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    reader = kind(lambda name, payload: found.append((name, payload)))
    for piece in split(data, cuts):
        reader.feed(piece)
    reader.finish()
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "done", "message"]), st.lists(PAYLOAD, min_size=1, max_size=3)),
        max_size=5,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.booleans(),
    CUTS,
)
def test_server_sent_events_come_out_whole(events, newline, bom, closed, cuts):
    lines = []
    for name, data in events:
        lines += [f"event: {name}"] if name else []
        lines += [f"data: {line}" for line in data]
        lines += [": a comment", "id: 7"]
        lines.append("")
    text = newline.join(lines) + (newline if closed else "")
    data = (b"\xef\xbb\xbf" if bom else b"") + text.encode()
    expected = [(name.encode(), "\n".join(data).encode()) for name, data in events]
    assert events_of(ServerSentEvents, data, cuts) == expected


def test_an_event_needs_neither_a_space_after_data_nor_a_blank_line_at_the_end():
    assert events_of(ServerSentEvents, b'data:{"a":1}\n\ndata: [DONE]', []) == [
        (b"", b'{"a":1}'),
        (b"", b"[DONE]"),
    ]


def test_a_field_that_only_begins_like_data_is_none():
    assert events_of(ServerSentEvents, b"database: x\ndata\ndata: y\n\n", []) == [(b"", b"\ny")]


@given(st.lists(PAYLOAD.filter(str.strip), max_size=6), st.sampled_from(["\n", "\r\n"]), CUTS)
def test_lines_of_json_come_out_whole_blank_ones_left_out(lines, newline, cuts):
    data = (newline * 2).join(json.dumps(line) for line in lines).encode()
    assert events_of(JsonLines, data, cuts) == [(b"", json.dumps(line).encode()) for line in lines]


@given(st.lists(st.tuples(st.sampled_from(["chunk", "metadata"]), st.binary(max_size=60)), max_size=5), CUTS)
def test_aws_frames_come_out_whole(frames, cuts):
    data = b"".join(frame(payload, message_type="event", event_type=name) for name, payload in frames)
    assert events_of(AwsEventStream, data, cuts) == [(name.encode(), payload) for name, payload in frames]


def test_an_aws_exception_is_told_from_an_event():
    data = frame(b"{}", message_type="exception", exception_type="throttlingException")
    assert events_of(AwsEventStream, data, []) == [(b"exception:throttlingException", b"{}")]


def test_an_aws_frame_that_fails_its_checksum_ends_the_reading():
    good, bad = frame(b"1", event_type="chunk"), bytearray(frame(b"2", event_type="chunk"))
    bad[-6] ^= 1
    assert events_of(AwsEventStream, good + bytes(bad) + good, []) == [(b"chunk", b"1")]


@given(st.binary(max_size=300), CUTS)
def test_no_bytes_make_a_framing_raise_and_splits_change_nothing(data, cuts):
    for kind in (ServerSentEvents, JsonLines, AwsEventStream):
        assert events_of(kind, data, cuts) == events_of(kind, data, [])


def test_an_event_beyond_the_limit_is_passed_over_and_the_next_one_is_read(monkeypatch):
    monkeypatch.setattr(framing, "MAX_EVENT", 1000)
    long = "x" * 1200
    sse = f"data: {long}\n\ndata: after\n\n".encode()
    assert events_of(ServerSentEvents, sse, [10, 500, 900, 1100]) == [(b"", b"after")]
    lines = f'"{long}"\n"after"\n'.encode()
    assert events_of(JsonLines, lines, [10, 500, 900, 1100]) == [(b"", b'"after"')]
    frames = frame(long.encode(), event_type="big") + frame(b"after", event_type="small")
    for cuts in ([], [10, 500, 900, 1100, 1260], list(range(len(frames)))):
        assert events_of(AwsEventStream, frames, cuts) == [(b"small", b"after")]


def test_many_lines_of_one_event_are_bounded_together(monkeypatch):
    monkeypatch.setattr(framing, "MAX_EVENT", 1000)
    data = b"data: " + b"\ndata: ".join([b"x" * 90] * 200) + b"\n\ndata: after\n\n"
    first, after = events_of(ServerSentEvents, data, [])
    assert len(first[1]) <= 1020
    assert after == (b"", b"after")
