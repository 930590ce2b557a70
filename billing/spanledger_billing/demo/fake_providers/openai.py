"""OpenAI's wire formats: chat completions and embeddings. Responses are in `openai_responses`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .exchange import (
    ANSWER_TEXT,
    ANSWER_WORDS,
    TOOL_ARGUMENTS,
    Answer,
    Asked,
    Event,
    new_entry,
    new_id,
    nonzero,
)

if TYPE_CHECKING:
    from random import Random

    from .books import Units

CREATED = 1_764_000_000

_DATED = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5": "gpt-5-2025-08-07",
}


def dated(model: str) -> str:
    """The snapshot that answers for an alias."""
    return _DATED.get(model, model)


def reasons(model: str) -> bool:
    return model.startswith(("gpt-5", "o"))


def draw_tokens(random: Random, model: str) -> tuple[int, int, int, int]:
    """Prompt tokens, those of them from the cache, completion tokens, those of them spent on reasoning."""
    prompt = random.randint(60, 9_000)
    cached = random.choice((0, 128 * random.randint(0, prompt // 128)))
    reasoning = 64 * random.randint(0, 20) if reasons(model) else 0
    return prompt, cached, reasoning + random.randint(1, 900), reasoning


def chat_completion(asked: Asked, provider: str) -> Answer:
    asked_model = asked.body["model"]
    model = dated(asked_model)
    prompt, cached, completion, reasoning = draw_tokens(asked.random, asked_model)
    entry = new_entry(asked, provider, "chat", model)
    entry.units = nonzero(
        input=prompt - cached, cache_read=cached, output=completion - reasoning, reasoning=reasoning
    )
    entry.response_id = new_id("chatcmpl-")
    entry.stream = bool(asked.body.get("stream"))
    asked.books.write(entry)

    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    head = {"id": entry.response_id, "created": CREATED, "model": model, "service_tier": "default"}
    if entry.stream:
        with_usage = (asked.body.get("stream_options") or {}).get("include_usage", False)
        events = _chat_events(head, usage if with_usage else None, entry.units)
        return Answer(events=events, content_type="text/event-stream; charset=utf-8", entries=[entry])

    message: dict[str, Any] = {
        "role": "assistant",
        "content": ANSWER_TEXT,
        "refusal": None,
        "annotations": [],
    }
    finish = "stop"
    if asked.body.get("tools") and asked.body["messages"][-1]["role"] == "user":
        function = {
            "name": asked.body["tools"][0]["function"]["name"],
            "arguments": json.dumps(TOOL_ARGUMENTS),
        }
        message |= {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
        finish = "tool_calls"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    body = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
    return Answer(body=body, entries=[entry])


def _chat_events(head: dict[str, Any], usage: dict[str, Any] | None, units: Units) -> list[Event]:
    def event(
        delta: dict[str, Any] | None, finish: str | None = None, states: dict[str, Any] | None = None
    ) -> Event:
        choices = (
            [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        )
        chunk = head | {"object": "chat.completion.chunk", "choices": choices}
        if usage is not None:
            chunk["usage"] = states
        return Event(b"data: " + json.dumps(chunk).encode() + b"\n\n", states=units if states else None)

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": word}) for word in ANSWER_WORDS]
    events.append(event({}, finish="stop"))
    if usage is not None:
        events.append(event(None, states=usage))
    events.append(Event(b"data: [DONE]\n\n", ends=True))
    return events


def embeddings(asked: Asked, provider: str) -> Answer:
    model = asked.body["model"]
    texts = asked.body["input"] if isinstance(asked.body["input"], list) else [asked.body["input"]]
    tokens = asked.random.randint(len(texts), 2_000)
    entry = new_entry(asked, provider, "embeddings", model)
    entry.units = nonzero(input=tokens)
    asked.books.write(entry)
    # The SDK asks for base64; four zero bytes are one zero.
    vector: Any = "AAAAAA==" if asked.body.get("encoding_format") == "base64" else [0.0]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(body={"object": "list", "data": data, "model": model, "usage": usage}, entries=[entry])
