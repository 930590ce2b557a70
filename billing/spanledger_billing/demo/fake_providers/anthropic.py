"""Anthropic's wire format: messages with cache lifetimes, tools, web search, thinking and an advisor."""

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
    from collections.abc import Iterator, Mapping
    from random import Random

    from .books import Units

PROVIDER = "anthropic"

OUTPUT_AT_START = 2
"""Output tokens that `message_start` already states: all that a stream cut short ever proves."""

ADVISOR_MODEL = "claude-opus-4-8"


def count_tokens(asked: Asked) -> Answer:
    asked.books.write(new_entry(asked, PROVIDER, "count_tokens", asked.body["model"], outcome="free"))
    return Answer(body={"input_tokens": asked.random.randint(10, 5_000)})


def messages(asked: Asked) -> Answer:
    body, random, model = asked.body, asked.random, asked.body["model"]
    lifetimes = set(_cache_lifetimes(body))
    tokens = {
        "input_tokens": random.randint(5, 4_000),
        "cache_read_input_tokens": random.choice((0, random.randint(1, 20_000))) if lifetimes else 0,
        "5m": random.randint(1, 6_000) if "5m" in lifetimes else 0,
        "1h": random.randint(1, 9_000) if "1h" in lifetimes else 0,
        "thinking": random.randint(1, 1_500) if "thinking" in body else 0,
        "searches": random.randint(1, 3) if _has_tool(body, "web_search") else 0,
    }
    output = OUTPUT_AT_START + 1 + tokens["thinking"] + random.randint(0, 1_200)
    entry = new_entry(asked, PROVIDER, "chat", model)
    entry.units = _units(tokens, output)
    entry.response_id = new_id("msg_01")
    entry.stream = bool(body.get("stream"))
    entries = [entry]
    usage = _usage(tokens, output)
    if _has_tool(body, "advisor"):
        advisor = new_entry(asked, PROVIDER, "chat", ADVISOR_MODEL)
        advisor.line = "advisor_message"
        advisor.response_id = entry.response_id
        advised, advice = random.randint(100, 9_000), random.randint(10, 900)
        advisor.units = nonzero(input=advised, output=advice)
        entries.append(advisor)
        usage["iterations"] = _iterations(usage, advised, advice, random)
    asked.books.write(*entries)

    message = {
        "id": entry.response_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(_content(body)),
        "stop_reason": "tool_use" if _calls_tool(body) else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not entry.stream:
        return Answer(body=message, entries=entries)
    events = _events(message, tokens, entry.units, error=asked.behaviour.get("fail_inside"))
    return Answer(events=events, content_type="text/event-stream; charset=utf-8", entries=entries)


def _cache_lifetimes(value: Any) -> Iterator[str]:
    """The lifetime of every `cache_control` in a request."""
    if isinstance(value, list):
        for item in value:
            yield from _cache_lifetimes(item)
    elif isinstance(value, dict):
        if "cache_control" in value:
            yield (value["cache_control"] or {}).get("ttl", "5m")
        for item in value.values():
            yield from _cache_lifetimes(item)


def _has_tool(body: Mapping[str, Any], name: str) -> bool:
    return any(str(tool.get("type", "")).startswith(name) for tool in body.get("tools") or ())


def _calls_tool(body: Mapping[str, Any]) -> bool:
    own = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    return bool(own) and isinstance(body["messages"][-1]["content"], str)


def _units(tokens: Mapping[str, int], output: int) -> Units:
    return nonzero(
        input=tokens["input_tokens"],
        cache_read=tokens["cache_read_input_tokens"],
        cache_write_5m=tokens["5m"],
        cache_write_1h=tokens["1h"],
        output=output - tokens["thinking"],
        reasoning=tokens["thinking"],
        web_search=tokens["searches"],
    )


def _usage(tokens: Mapping[str, int], output: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens["input_tokens"],
        "cache_read_input_tokens": tokens["cache_read_input_tokens"],
        "cache_creation_input_tokens": tokens["5m"] + tokens["1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens["5m"],
            "ephemeral_1h_input_tokens": tokens["1h"],
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": tokens["thinking"]},
        "server_tool_use": {"web_search_requests": tokens["searches"], "web_fetch_requests": 0},
        "service_tier": "standard",
    }


def _iterations(usage: Mapping[str, Any], advised: int, advice: int, random: Random) -> list[dict[str, Any]]:
    """The message's two turns add up to the top level; what the advisor used stands nowhere but here."""

    def turn(kind: str, tokens: int, output: int, **more: Any) -> dict[str, Any]:
        creation = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
        return {
            "type": kind,
            "input_tokens": tokens,
            "output_tokens": output,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_creation": creation,
            **more,
        }

    first = random.randint(1, usage["input_tokens"])
    return [
        turn("message", first, 1),
        turn("advisor_message", advised, advice, model=ADVISOR_MODEL),
        turn("message", usage["input_tokens"] - first, usage["output_tokens"] - 1),
    ]


def _content(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "thinking" in body:
        yield {"type": "thinking", "thinking": ANSWER_TEXT, "signature": "c2lnbmF0dXJl"}
    if _has_tool(body, "web_search"):
        search = {"query": TOOL_ARGUMENTS["city"]}
        yield {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": search}
        yield {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    if _calls_tool(body):
        name = next(tool["name"] for tool in body["tools"] if "input_schema" in tool)
        yield {"type": "tool_use", "id": "toolu_1", "name": name, "input": TOOL_ARGUMENTS}
    else:
        yield {"type": "text", "text": ANSWER_TEXT}


def _events(
    message: Mapping[str, Any], tokens: Mapping[str, int], units: Units, error: str | None
) -> list[Event]:
    def event(kind: str, states: Units | None = None, *, ends: bool = False, **fields: Any) -> Event:
        data = json.dumps({"type": kind, **fields})
        return Event(f"event: {kind}\ndata: {data}\n\n".encode(), states=states, ends=ends)

    # A search brings what it found into the prompt, so the input grows from the first statement to the last.
    asked_for = 1 + tokens["input_tokens"] // 2 if tokens["searches"] else tokens["input_tokens"]
    first = dict(tokens) | {"input_tokens": asked_for, "searches": 0, "thinking": 0}
    at_start = _usage(first, OUTPUT_AT_START)
    del at_start["output_tokens_details"], at_start["server_tool_use"]
    opened = dict(message) | {"content": [], "stop_reason": None, "usage": at_start}
    proven = _units(first, OUTPUT_AT_START)
    events = [event("message_start", states=proven, message=opened)]
    if error:
        return [*events, event("error", error={"type": error, "message": "Overloaded"})]
    for index, block in enumerate(message["content"]):
        empty, deltas = _deltas(block)
        events.append(event("content_block_start", index=index, content_block=empty))
        events.append(event("ping"))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    # The lifetimes and the tier stand in message_start only; the totals here replace those of the start.
    at_end = dict(message["usage"])
    del at_end["cache_creation"], at_end["service_tier"]
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append(event("message_delta", states=units, delta=stop, usage=at_end))
    events.append(event("message_stop", ends=True))
    return events


def _deltas(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A content block as a stream opens it, and the pieces that fill it."""
    match block["type"]:
        case "text":
            return dict(block) | {"text": ""}, [{"type": "text_delta", "text": word} for word in ANSWER_WORDS]
        case "thinking":
            pieces = [{"type": "thinking_delta", "thinking": word} for word in ANSWER_WORDS]
            sealed = {"type": "signature_delta", "signature": block["signature"]}
            return dict(block) | {"thinking": "", "signature": ""}, [*pieces, sealed]
        case "tool_use" | "server_tool_use":
            whole = json.dumps(block["input"])
            halves = (whole[: len(whole) // 2], whole[len(whole) // 2 :])
            return dict(block) | {"input": {}}, [
                {"type": "input_json_delta", "partial_json": half} for half in halves
            ]
        case _:
            return dict(block), []
