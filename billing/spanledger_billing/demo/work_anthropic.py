"""What the agency has Anthropic do. A job returns what its app got to see, which metering must not change."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2

from .desk import PROMPT, SYSTEM, TOOL_RESULT, failing

if TYPE_CHECKING:
    from anthropic.types import Message, MessageParam

    from .desk import Desk

MESSAGES: list[MessageParam] = [{"role": "user", "content": PROMPT}]

WEATHER_TOOL: Any = {
    "name": "look_up_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def _cached_system(*lifetimes: str) -> Any:
    return [
        {"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": lifetime}}
        for lifetime in lifetimes
    ]


def _seen(message: Message) -> str:
    texts = [block.text for block in message.content if block.type == "text"]
    usage = message.usage
    return f"{message.model} {texts} {message.stop_reason} {usage.input_tokens}+{usage.output_tokens}"


def message(desk: Desk) -> str:
    return _seen(desk.anthropic.messages.create(model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES))


def message_with_caches(desk: Desk) -> str:
    """Writes of both lifetimes in one request."""
    answer = desk.anthropic.messages.create(
        model="claude-sonnet-5", max_tokens=1024, messages=MESSAGES, system=_cached_system("1h", "5m")
    )
    return _seen(answer)


def stream_with_cache_and_thinking(desk: Desk) -> str:
    with desk.anthropic.messages.stream(
        model="claude-sonnet-5",
        max_tokens=4096,
        messages=MESSAGES,
        system=_cached_system("1h"),
        thinking={"type": "enabled", "budget_tokens": 2048},
    ) as stream:
        return _seen(stream.get_final_message())


def web_search(desk: Desk) -> str:
    answer = desk.anthropic.messages.create(
        model="claude-sonnet-5",
        max_tokens=1024,
        messages=MESSAGES,
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
    )
    return _seen(answer)


def web_search_stream(desk: Desk) -> str:
    """The input grows while the model searches: the last statement counts, not the sum."""
    with desk.anthropic.messages.stream(
        model="claude-opus-5",
        max_tokens=1024,
        messages=MESSAGES,
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
    ) as stream:
        return _seen(stream.get_final_message())


def tool_loop(desk: Desk) -> str:
    """Two calls: the model asks for a tool, with usage forged in its arguments, and answers."""
    asked = desk.anthropic.messages.create(
        model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES, tools=[WEATHER_TOOL]
    )
    use = next(block for block in asked.content if block.type == "tool_use")
    answer = desk.anthropic.messages.create(
        model="claude-haiku-4-5",
        max_tokens=1024,
        messages=[
            *MESSAGES,
            {"role": "assistant", "content": asked.content},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": use.id, "content": TOOL_RESULT}],
            },
        ],
        tools=[WEATHER_TOOL],
    )
    return _seen(answer)


def tool_stream(desk: Desk) -> str:
    with desk.anthropic.messages.stream(
        model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES, tools=[WEATHER_TOOL]
    ) as stream:
        return _seen(stream.get_final_message())


def advised_message(desk: Desk) -> str:
    """A second model helps; its tokens stand outside the message's usage and bill at its own price."""
    advisor: Any = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-8"}
    answer = desk.anthropic.beta.messages.create(
        model="claude-sonnet-5",
        max_tokens=1024,
        messages=[{"role": "user", "content": PROMPT}],
        betas=["advisor-tool-2026-03-01"],
        tools=[advisor],
    )
    return f"{answer.model} {answer.usage.input_tokens}+{answer.usage.output_tokens}"


def count_tokens(desk: Desk) -> str:
    """Free."""
    counted = desk.anthropic.messages.count_tokens(model="claude-haiku-4-5", messages=MESSAGES)
    return f"{counted.input_tokens} counted"


def refused_then_answered(desk: Desk) -> str:
    """The SDK tries again by itself: two exchanges, of which one bills."""
    once = failing(f"fail=529; once={uuid.uuid4()}")
    answer = desk.anthropic.messages.create(
        model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES, extra_headers=once
    )
    return _seen(answer)


def refused(desk: Desk) -> str:
    try:
        desk.anthropic.messages.create(
            model="claude-haiku-4-5",
            max_tokens=1024,
            messages=MESSAGES,
            extra_headers=failing("fail=400"),
        )
    except anthropic.BadRequestError as error:
        return f"refused {error.status_code}"
    return "answered"


def stop_reading(desk: Desk) -> str:
    """The reader leaves at the first words: what the stream had stated by then is a lower bound."""
    seen = []
    with desk.anthropic.messages.create(
        model="claude-sonnet-5",
        max_tokens=1024,
        messages=MESSAGES,
        system=_cached_system("5m"),
        stream=True,
        extra_headers=failing("stall=5"),
    ) as stream:
        for event in stream:
            seen.append(event.type)
            if event.type == "content_block_delta":
                break
    return " ".join(seen)


def stream_that_breaks_off(desk: Desk) -> str:
    seen: list[str] = []
    try:
        stream = desk.anthropic.messages.create(
            model="claude-sonnet-5",
            max_tokens=1024,
            messages=MESSAGES,
            stream=True,
            extra_headers=failing("cut=6"),
        )
        for event in stream:
            seen.append(event.type)  # noqa: PERF401 - what came before the break is kept
    except httpx2.RemoteProtocolError as error:
        seen.append(type(error).__name__)
    return " ".join(seen)


def stream_that_fails_inside(desk: Desk) -> str:
    """An error event on an HTTP 200, behind a first statement of usage."""
    seen: list[str] = []
    try:
        stream = desk.anthropic.messages.create(
            model="claude-sonnet-5",
            max_tokens=1024,
            messages=MESSAGES,
            stream=True,
            extra_headers=failing("fail_inside=overloaded_error"),
        )
        for event in stream:
            seen.append(event.type)  # noqa: PERF401 - what came before the break is kept
    except anthropic.APIStatusError as error:
        seen.append(type(error).__name__)
    return " ".join(seen)


async def async_message(desk: Desk) -> str:
    answer = await desk.async_anthropic.messages.create(
        model="claude-opus-5", max_tokens=1024, messages=MESSAGES, system=_cached_system("5m")
    )
    return _seen(answer)


async def async_stream(desk: Desk) -> str:
    async with desk.async_anthropic.messages.stream(
        model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES, system=_cached_system("1h", "5m")
    ) as stream:
        return _seen(await stream.get_final_message())
