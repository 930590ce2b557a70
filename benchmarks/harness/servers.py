"""The other side of a measured call: a provider and a collector that answer at once.

They are a process of their own: what is measured is the app's. Answers are made once, beforehand.

    http://HOST:PORT/NAME/…            the provider: the answer called NAME, whatever the rest of the path
    http://HOST:PORT/collect/NAME/…    a collector that takes everything; /taken tells what NAME sent
"""

from __future__ import annotations

import json
import multiprocessing
import random
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

LONG, SHORT = 1000, 10
"""Chunks of a stream, beside those that tell its end: of the answer called NAME, and of NAME-short."""
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 180,
    "total_tokens": 1380,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 64,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
WORDS = "the quick brown fox jumps over the lazy dog and then it rests a while under a tree".split()  # noqa: SIM905


def prose(size: int) -> str:
    """That many characters of text, with the quotes and line ends that models write."""
    draw = random.Random(size)
    text: list[str] = []
    length = 0
    while length < size:
        word = draw.choice(WORDS) + draw.choice([" "] * 30 + [", "] * 5 + [".\n", ' "', '" '])
        text.append(word)
        length += len(word)
    return "".join(text)[:size]


def chat_answer(size: int) -> dict[str, Any]:
    answer = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_06737a9306",
    }
    answer["choices"][0]["message"]["content"] = prose(max(1, size - len(json.dumps(answer))))  # type: ignore[index]
    return answer


def embeddings_answer(size: int) -> dict[str, Any]:
    draw = random.Random(size)
    vectors, length = [], 0
    while length < size:
        vector = [round(draw.gauss(0, 0.02), 9) for _ in range(1536)]
        vectors.append({"object": "embedding", "index": len(vectors), "embedding": vector})
        length += len(json.dumps(vectors[-1]))
    usage = {"prompt_tokens": 9000, "total_tokens": 9000}
    return {"object": "list", "data": vectors, "model": "text-embedding-3-small", "usage": usage}


def chat_events(chunks: int, *, usage: bool) -> list[bytes]:
    """A chat completion's, as OpenAI sends them: with `usage`, all have it and one more states it."""
    draw = random.Random(7)
    head = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_06737a9306",
    }

    def event(choices: list[Any], used: dict[str, Any] | None = None) -> bytes:
        return _event(
            {**head, "choices": choices, **({"usage": used} if usage else {}), "obfuscation": "xK3"}
        )

    def of(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}])

    events = [of({"role": "assistant", "content": "", "refusal": None})]
    events += [of({"content": draw.choice(WORDS) + " "}) for _ in range(chunks - 2)]
    return [*events, of({}, "stop"), *([event([], USAGE)] if usage else [])]


def response_events(chunks: int, *, usage: bool) -> list[bytes]:  # noqa: ARG001 - it is always told
    """A response's, as OpenAI sends them."""
    draw = random.Random(7)
    response = {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741569952,
        "status": "in_progress",
        "model": "gpt-4o-2024-08-06",
        "output": [],
    }
    part = {"item_id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6", "output_index": 0, "content_index": 0}
    used = {"input_tokens": 1200, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 180}
    used |= {"output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 1380}
    told: list[dict[str, Any]] = [{"type": "response.created", "response": {**response, "usage": None}}]
    for _ in range(chunks - 1):
        delta = {"delta": draw.choice(WORDS) + " ", "logprobs": [], "obfuscation": "xK3"}
        told.append({"type": "response.output_text.delta", **part, **delta})
    last = {**response, "status": "completed", "usage": used}
    told.append({"type": "response.completed", "response": last})
    return [
        b"event: " + each["type"].encode() + b"\n" + _event({**each, "sequence_number": number})
        for number, each in enumerate(told)
    ]


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"


STREAMS = {"stream": chat_events, "responses": response_events}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_HEAD = b"HTTP/1.1 200 OK\r\nx-request-id: req_1234567890abcdef\r\ncontent-type: "


def _whole(body: bytes, kind: bytes = b"application/json") -> bytes:
    return _HEAD + kind + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def answers() -> dict[str, bytes]:
    return {
        "chat-1k": _whole(json.dumps(chat_answer(1000)).encode()),
        "chat-50k": _whole(json.dumps(chat_answer(50_000)).encode()),
        "embeddings-2m": _whole(json.dumps(embeddings_answer(2_000_000)).encode()),
    }


class _Served:
    def __init__(self) -> None:
        self.whole = answers()
        head = _HEAD + b"text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        done = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        self.streams = {
            name + suffix: [
                head + b"".join(map(_chunk, events_of(chunks, usage=usage))) + done for usage in (False, True)
            ]
            for name, events_of in STREAMS.items()
            for suffix, chunks in (("", LONG), ("-short", SHORT))
        }
        self.taken: dict[str, list[int]] = {}

    def answer(self, path: str, body: bytes) -> bytes:
        name, _, rest = path.lstrip("/").partition("/")
        if name in self.streams:
            return self.streams[name][b"include_usage" in body]
        if name == "taken":
            return _whole(json.dumps(self.taken).encode())
        if name == "collect":
            who = self.taken.setdefault(rest.partition("/")[0], [0, 0])
            who[0] += 1
            who[1] += len(body)
            return _whole(b"", b"application/x-protobuf")
        return self.whole.get(name) or _whole(b"{}")


def _serve(connection: socket.socket, served: _Served) -> None:
    buffer = b""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0:
                if not (data := connection.recv(1 << 20)):
                    return
                buffer += data
            head, buffer = buffer[:end], buffer[end + 4 :]
            lines = head.decode("latin-1").split("\r\n")
            fields = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
            }
            body, buffer = _body(connection, buffer, fields)
            connection.sendall(served.answer(lines[0].split(" ")[1], body))


def _body(connection: socket.socket, buffer: bytes, fields: dict[str, str]) -> tuple[bytes, bytes]:
    if fields.get("transfer-encoding") == "chunked":
        while not buffer.endswith(b"0\r\n\r\n"):
            buffer += connection.recv(1 << 20)
        return buffer, b""
    length = int(fields.get("content-length", "0"))
    parts = [buffer]
    missing = length - len(buffer)
    while missing > 0:
        data = connection.recv(1 << 20)
        if not data:
            break
        parts.append(data)
        missing -= len(data)
    whole = b"".join(parts)
    return whole[:length], whole[length:]


def _listen(port: Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    served = _Served()
    port.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_quietly, args=(connection, served), daemon=True).start()


def _quietly(connection: socket.socket, served: _Served) -> None:
    with suppress(OSError):  # the app is gone
        _serve(connection, served)


@contextmanager
def serving() -> Iterator[int]:
    """The port of provider and collector."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_listen, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()
