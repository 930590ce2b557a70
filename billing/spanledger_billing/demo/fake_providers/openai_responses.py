"""OpenAI's responses: at once, streamed, or made in the background and looked at until they are done."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exchange import ANSWER_TEXT, ANSWER_WORDS, Answer, Asked, Event, new_entry, new_id, nonzero
from .openai import CREATED, dated, draw_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .books import Entry

LOOKS_UNTIL_DONE = 2
"""How often a response in the background is still `in_progress` when it is looked at."""


@dataclass
class _Stored:
    entry: Entry
    finished: dict[str, Any]
    background: bool
    looks: int = 0


class Responses:
    """`/v1/responses`, with the answers that it stores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: dict[str, _Stored] = {}

    def create(self, asked: Asked) -> Answer:
        asked_model = asked.body["model"]
        prompt, cached, output, reasoning = draw_tokens(asked.random, asked_model)
        searches = asked.random.randint(1, 4) if _asks_for_web_search(asked.body) else 0
        fails = "fail_inside" in asked.behaviour
        entry = new_entry(
            asked, "openai", "chat", dated(asked_model), outcome="failed" if fails else "answered"
        )
        if not fails:
            entry.units = nonzero(
                input=prompt - cached,
                cache_read=cached,
                output=output - reasoning,
                reasoning=reasoning,
                web_search=searches,
            )
        entry.response_id = new_id("resp_")
        entry.stream = bool(asked.body.get("stream"))
        asked.books.write(entry)

        background = bool(asked.body.get("background"))
        finished = _response(entry, "completed", background=background) | {
            "output": [_message()],
            "service_tier": "default",
            "usage": {
                "input_tokens": prompt,
                "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
                "output_tokens": output,
                "output_tokens_details": {"reasoning_tokens": reasoning},
                "total_tokens": prompt + output,
            },
            "tool_usage": {
                "image_gen": {
                    "input_tokens": 0,
                    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "output_tokens": 0,
                    "total_tokens": 0,
                },
                "web_search": {"num_requests": searches},
            },
        }
        with self._lock:
            self._stored[entry.response_id] = _Stored(entry, finished, background)
        if background:
            # Nothing is stated yet, so the books get no word from this answer: `entries` stays empty.
            return Answer(body=_response(entry, "queued", background=True))
        if entry.stream:
            events = _failing_events(entry) if fails else _events(entry, finished)
            return Answer(events=events, content_type="text/event-stream; charset=utf-8", entries=[entry])
        return Answer(body=finished, entries=[entry])

    def retrieve(self, asked: Asked, response_id: str) -> Answer:
        """A look at a stored response, which shows the same usage every time and is free."""
        with self._lock:
            stored = self._stored.get(response_id)
            if stored is None:
                message = {"message": "No response has this id.", "type": "invalid_request_error"}
                return Answer(status=404, body={"error": message})
            stored.looks += 1
            if stored.background and stored.looks <= LOOKS_UNTIL_DONE:
                return Answer(body=_response(stored.entry, "in_progress", background=True))
        if not stored.background:
            asked.books.write(
                new_entry(asked, "openai", "fetch_response", stored.entry.model, outcome="free")
            )
        return Answer(body=stored.finished, entries=[stored.entry])


def _asks_for_web_search(body: Mapping[str, Any]) -> bool:
    return any(tool.get("type") == "web_search" for tool in body.get("tools") or ())


def _response(entry: Entry, status: str, *, background: bool) -> dict[str, Any]:
    return {
        "id": entry.response_id,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": background,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": entry.model,
        "output": [],
        "parallel_tool_calls": True,
        "service_tier": "auto",
        "store": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _message() -> dict[str, Any]:
    content = [{"type": "output_text", "text": ANSWER_TEXT, "annotations": [], "logprobs": []}]
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}


def _event(number: int, kind: str, **fields: Any) -> bytes:
    data = {"type": kind, "sequence_number": number, **fields}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _opening(entry: Entry) -> list[Event]:
    running = _response(entry, "in_progress", background=False)
    return [
        Event(_event(0, "response.created", response=running)),
        Event(_event(1, "response.in_progress", response=running)),
    ]


def _events(entry: Entry, finished: dict[str, Any]) -> list[Event]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = _message() | {"status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    pieces: list[tuple[str, dict[str, Any]]] = [
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.content_part.added", place | {"part": part}),
    ]
    pieces += [
        ("response.output_text.delta", place | {"delta": word, "logprobs": []}) for word in ANSWER_WORDS
    ]
    pieces += [
        ("response.output_text.done", place | {"text": ANSWER_TEXT, "logprobs": []}),
        ("response.output_item.done", {"output_index": 0, "item": _message()}),
    ]
    events = _opening(entry)
    events += [Event(_event(number, kind, **fields)) for number, (kind, fields) in enumerate(pieces, 2)]
    completed = _event(len(events), "response.completed", response=finished)
    return [*events, Event(completed, states=entry.units, ends=True)]


def _failing_events(entry: Entry) -> list[Event]:
    """An HTTP 200 whose last word is that it failed: nothing was used, and the provider bills nothing."""
    error = {"code": "server_error", "message": "The model failed."}
    failed = _response(entry, "failed", background=False) | {"error": error}
    return [*_opening(entry), Event(_event(2, "response.failed", response=failed), ends=True)]
