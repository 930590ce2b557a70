"""What the agency has OpenAI do. A job returns what its app got to see, which metering must not change."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any, cast

import openai

from .desk import PROMPT, SYSTEM, TOOL_RESULT, failing

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

    from .desk import Desk

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]

WEATHER_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def _seen(answer: ChatCompletion) -> str:
    usage = answer.usage.total_tokens if answer.usage else None
    return f"{answer.model} {answer.choices[0].message.content} {usage}"


def _seen_chunk(chunk: ChatCompletionChunk) -> str:
    # An app that indexes choices breaks on an event that it did not ask for; this one shows it instead.
    text = chunk.choices[0].delta.content or "" if chunk.choices else "(no choices)"
    return text + (f" {chunk.usage.total_tokens}" if chunk.usage else "")


def chat(desk: Desk) -> str:
    return _seen(desk.openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES))


def chat_with_reasoning(desk: Desk) -> str:
    return _seen(desk.openai.chat.completions.create(model="gpt-5-mini", messages=MESSAGES))


def chat_stream(desk: Desk) -> str:
    """As most apps stream: without asking for usage."""
    stream = desk.openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    return "".join(_seen_chunk(chunk) for chunk in stream)


def chat_stream_with_usage(desk: Desk) -> str:
    stream = desk.openai.chat.completions.create(
        model="gpt-4.1-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    return "".join(_seen_chunk(chunk) for chunk in stream)


def tool_loop(desk: Desk) -> str:
    """Two calls: the model asks for a tool, and answers with what it got."""
    asked = desk.openai.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES, tools=[WEATHER_TOOL])
    message = asked.choices[0].message
    call = (message.tool_calls or [])[0]
    answer = desk.openai.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[
            *MESSAGES,
            cast("ChatCompletionMessageParam", message.to_dict()),
            {"role": "tool", "tool_call_id": call.id, "content": TOOL_RESULT},
        ],
        tools=[WEATHER_TOOL],
    )
    return _seen(answer)


def embeddings(desk: Desk) -> str:
    answer = desk.openai.embeddings.create(model="text-embedding-3-small", input=[PROMPT, SYSTEM])
    return f"{len(answer.data)} vectors, {answer.usage.total_tokens}"


def response(desk: Desk) -> str:
    """Made, then looked at once more: the look is no second call."""
    answer = desk.openai.responses.create(model="gpt-5-mini", input=PROMPT)
    again = desk.openai.responses.retrieve(answer.id)
    return f"{answer.output_text} {again.usage.total_tokens if again.usage else None}"


def response_stream_with_search(desk: Desk) -> str:
    with desk.openai.responses.stream(
        model="gpt-5-mini", input=PROMPT, tools=[{"type": "web_search"}]
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    return f"{final.output_text} {final.usage.total_tokens if final.usage else None}"


def response_that_fails_inside(desk: Desk) -> str:
    """An HTTP 200 whose stream ends by saying that it failed."""
    stream = desk.openai.responses.create(
        model="gpt-5-mini", input=PROMPT, stream=True, extra_headers=failing("fail_inside=server_error")
    )
    return " ".join(event.type for event in stream)


def response_in_the_background(desk: Desk) -> str:
    """Asked for here, watched from another process until it is done, and looked at here once more."""
    queued = desk.openai.responses.create(model="gpt-5", input=PROMPT, background=True)
    watcher = [sys.executable, "-m", "spanledger_billing.demo.watch_response", queued.id]
    environment = os.environ | {"DEMO_API_KEY": desk.api_key, "DEMO_PROVIDERS_URL": desk.providers_url}
    watched = subprocess.run(  # noqa: S603 - our own module
        watcher, check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    done = desk.openai.responses.retrieve(queued.id)
    return f"{queued.status} {watched.stdout.strip()} {done.status}"


def refused_then_answered(desk: Desk) -> str:
    """The SDK tries again by itself: two exchanges, of which one bills."""
    once = failing(f"fail=500; once={uuid.uuid4()}")
    return _seen(
        desk.openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, extra_headers=once)
    )


def refused_for_good(desk: Desk) -> str:
    """The limit is used up, at the third attempt too."""
    try:
        desk.openai.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, extra_headers=failing("fail=429")
        )
    except openai.RateLimitError as error:
        return f"refused {error.status_code}"
    return "answered"


def stop_reading(desk: Desk) -> str:
    """The reader leaves in the middle: the usage never comes."""
    stream = desk.openai.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, extra_headers=failing("stall=4")
    )
    seen = [_seen_chunk(next(stream)) for _ in range(4)]
    stream.close()
    return "".join(seen)


def forget_a_stream(desk: Desk) -> str:
    """Nobody closes it; the garbage collector finds it."""
    stream = desk.openai.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, extra_headers=failing("stall=3")
    )
    seen = [_seen_chunk(next(stream)) for _ in range(3)]
    del stream
    gc.collect()
    return "".join(seen)


def stream_that_breaks_off(desk: Desk) -> str:
    """The provider's connection ends in the middle of the answer."""
    stream = desk.openai.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, extra_headers=failing("cut=5")
    )
    seen: list[str] = []
    try:
        for chunk in stream:
            seen.append(_seen_chunk(chunk))  # noqa: PERF401 - what came before the break is kept
    except openai.APIConnectionError as error:
        seen.append(type(error).__name__)
    return "".join(seen)


def model_without_a_price(desk: Desk) -> str:
    return _seen(desk.openai.chat.completions.create(model="gpt-preview-unlisted", messages=MESSAGES))


def own_model_server(desk: Desk) -> str:
    """An OpenAI-compatible host of one's own: counted, and without a price."""
    return _seen(desk.own_model.chat.completions.create(model="kestrel-7b", messages=MESSAGES))


def own_model_server_stream(desk: Desk) -> str:
    """Asked for usage by the app: a host that nobody knows is asked for nothing more than the app asks."""
    stream = desk.own_model.chat.completions.create(
        model="kestrel-7b", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    return "".join(_seen_chunk(chunk) for chunk in stream)


async def async_chat(desk: Desk) -> str:
    return _seen(await desk.async_openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES))


async def async_chat_stream(desk: Desk) -> str:
    stream = await desk.async_openai.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True
    )
    return "".join([_seen_chunk(chunk) async for chunk in stream])


async def async_response(desk: Desk) -> str:
    answer = await desk.async_openai.responses.create(model="gpt-5-mini", input=PROMPT)
    return f"{answer.output_text} {answer.usage.total_tokens if answer.usage else None}"


async def async_stop_reading(desk: Desk) -> str:
    stream = await desk.async_openai.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, extra_headers=failing("stall=2")
    )
    seen = [_seen_chunk(await anext(stream)) for _ in range(2)]
    await stream.close()
    return "".join(seen)
