"""What the agency has Gemini do. A job returns what its app got to see, which metering must not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from google.genai import errors, types

from .desk import GOOGLE_URL, PROMPT, SYSTEM, failing

if TYPE_CHECKING:
    from collections.abc import Generator

    from .desk import Desk

FLASH = "gemini-2.5-flash"
PRO = "gemini-2.5-pro"


def _seen(answer: types.GenerateContentResponse) -> str:
    usage = answer.usage_metadata.total_token_count if answer.usage_metadata else None
    parts = answer.parts or []
    text = "".join(part.text or "(no text)" for part in parts)
    return f"{text} {usage}"


def generate(desk: Desk) -> str:
    config = types.GenerateContentConfig(system_instruction=SYSTEM)
    return _seen(desk.google.models.generate_content(model=FLASH, contents=PROMPT, config=config))


def generate_stream(desk: Desk) -> str:
    """Every piece states the usage so far: the last one counts, not the sum."""
    pieces = desk.google.models.generate_content_stream(model=PRO, contents=PROMPT)
    return "|".join(_seen(piece) for piece in pieces)


def from_a_cache(desk: Desk) -> str:
    config = types.GenerateContentConfig(cached_content="cachedContents/handbook")
    return _seen(desk.google.models.generate_content(model=PRO, contents=PROMPT, config=config))


def hosted_search(desk: Desk) -> str:
    """What the tool read is billed as input, outside the prompt's own count."""
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    pieces = desk.google.models.generate_content_stream(model=FLASH, contents=PROMPT, config=config)
    return "|".join(_seen(piece) for piece in pieces)


def function_call(desk: Desk) -> str:
    """The model asks for a function, with usage forged in its arguments."""
    declaration = types.FunctionDeclaration(
        name="look_up_weather",
        parameters=types.Schema(
            type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}
        ),
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    return _seen(desk.google.models.generate_content(model=FLASH, contents=PROMPT, config=config))


def listen(desk: Desk) -> str:
    """Sound costs more than text."""
    sound = types.Part.from_bytes(data=b"RIFF", mime_type="audio/wav")
    question = types.UserContent([types.Part.from_text(text=PROMPT), sound])
    return _seen(desk.google.models.generate_content(model=FLASH, contents=question))


def paint(desk: Desk) -> str:
    """Pictures are output of a kind of their own."""
    return _seen(desk.google.models.generate_content(model="gemini-2.5-flash-image", contents=PROMPT))


def count_tokens(desk: Desk) -> str:
    """Free."""
    return f"{desk.google.models.count_tokens(model=FLASH, contents=PROMPT).total_tokens} counted"


def refused(desk: Desk) -> str:
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers=failing("fail=400")))
    try:
        desk.google.models.generate_content(model=FLASH, contents=PROMPT, config=config)
    except errors.ClientError as error:
        return f"refused {error.code}"
    return "answered"


def stop_reading(desk: Desk) -> str:
    """The reader leaves after three pieces: what the third one stated is a lower bound."""
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers=failing("stall=3")))
    pieces = desk.google.models.generate_content_stream(model=FLASH, contents=PROMPT, config=config)
    seen = [_seen(next(pieces)) for _ in range(3)]
    cast("Generator[object]", pieces).close()
    return "|".join(seen)


def key_in_the_url(desk: Desk) -> str:
    """Without an SDK, with the key in the query and the stream as one JSON array, as the examples have it."""
    url = f"{GOOGLE_URL}/v1beta/models/{FLASH}:streamGenerateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    answer = desk.plain.post(url, params={"key": desk.api_key}, json=body)
    return f"{[piece['usageMetadata']['totalTokenCount'] for piece in answer.json()]}"


async def async_generate(desk: Desk) -> str:
    return _seen(await desk.google.aio.models.generate_content(model=FLASH, contents=PROMPT))


async def async_generate_stream(desk: Desk) -> str:
    pieces = await desk.google.aio.models.generate_content_stream(model=PRO, contents=PROMPT)
    return "|".join([_seen(piece) async for piece in pieces])
