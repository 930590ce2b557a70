"""Google's wire format for Gemini: answers at once and streamed, as events or as one JSON array."""

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
    from collections.abc import Mapping
    from random import Random

    from .books import Units

PROVIDER = "google"

IMAGE_TOKENS = 1_290
"""One picture of 1024 by 1024."""


def count_tokens(asked: Asked, model: str) -> Answer:
    asked.books.write(new_entry(asked, PROVIDER, "count_tokens", model, outcome="free"))
    return Answer(body={"totalTokens": asked.random.randint(10, 5_000)})


def generate(asked: Asked, model: str, *, stream: bool) -> Answer:
    entry = new_entry(asked, PROVIDER, "generate_content", model)
    tokens = _draw(asked.random, asked.body, model)
    entry.units = _units(tokens)
    entry.response_id = new_id("")
    entry.stream = stream
    asked.books.write(entry)

    head = {"modelVersion": model, "responseId": entry.response_id}
    part = _first_part(asked.body, model)
    if not stream:
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        body = {"candidates": [candidate], "usageMetadata": _usage(tokens)} | head
        return Answer(body=body, entries=[entry])
    as_events = asked.query.get("alt") == "sse"
    kind = "text/event-stream" if as_events else "application/json; charset=UTF-8"
    events = _events(head, part, tokens, as_events=as_events)
    return Answer(events=events, content_type=kind, entries=[entry])


def _draw(random: Random, body: Mapping[str, Any], model: str) -> dict[str, int]:
    """Figures as Gemini counts them: the prompt with the cached part, the candidates without the thoughts."""
    cached = random.randint(1_024, 30_000) if body.get("cachedContent") else 0
    audio = random.randint(32, 3_000) if "audio/" in json.dumps(body.get("contents")) else 0
    text = random.randint(3, 3_000)
    pictures = IMAGE_TOKENS if "image" in model else 0
    return {
        "prompt": text + cached + audio,
        "cached": cached,
        "audio": audio,
        "thoughts": 0 if pictures else random.randint(1, 1_200),
        "tool": random.randint(50, 2_000) if body.get("tools") and not _declares_functions(body) else 0,
        "image": pictures,
        "candidates": pictures + random.randint(len(ANSWER_WORDS), 900),
    }


def _declares_functions(body: Mapping[str, Any]) -> bool:
    return any("functionDeclarations" in tool for tool in body.get("tools") or ())


def _first_part(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    if "image" in model:
        return {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    if _declares_functions(body):
        name = body["tools"][0]["functionDeclarations"][0]["name"]
        return {"functionCall": {"name": name, "args": TOOL_ARGUMENTS}}
    return {"text": ANSWER_TEXT}


def _units(tokens: Mapping[str, int]) -> Units:
    return nonzero(
        input=tokens["prompt"] - tokens["cached"] - tokens["audio"] + tokens["tool"],
        cache_read=tokens["cached"],
        audio_input=tokens["audio"],
        output=tokens["candidates"] - tokens["image"],
        reasoning=tokens["thoughts"],
        image_output=tokens["image"],
    )


def _usage(tokens: Mapping[str, int]) -> dict[str, Any]:
    def modalities(**counts: int) -> list[dict[str, Any]]:
        return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]

    prompt, candidates, image, audio = (tokens[key] for key in ("prompt", "candidates", "image", "audio"))
    usage: dict[str, Any] = {
        "promptTokenCount": prompt,
        "promptTokensDetails": modalities(TEXT=prompt - audio, AUDIO=audio),
        "totalTokenCount": prompt + tokens["tool"] + candidates + tokens["thoughts"],
    }
    if candidates:
        usage["candidatesTokenCount"] = candidates
        usage["candidatesTokensDetails"] = modalities(TEXT=candidates - image, IMAGE=image)
    if tokens["thoughts"]:
        usage["thoughtsTokenCount"] = tokens["thoughts"]
    if tokens["cached"]:
        usage["cachedContentTokenCount"] = tokens["cached"]
        usage["cacheTokensDetails"] = modalities(TEXT=tokens["cached"])
    if tokens["tool"]:
        usage["toolUsePromptTokenCount"] = tokens["tool"]
        usage["toolUsePromptTokensDetails"] = modalities(TEXT=tokens["tool"])
    return usage


def _events(
    head: Mapping[str, Any], part: Mapping[str, Any], tokens: Mapping[str, int], *, as_events: bool
) -> list[Event]:
    """Pieces whose usage grows: each states what was used so far, so the last one states it all."""
    parts = [{"text": word} for word in ANSWER_WORDS] if "text" in part else [dict(part)]
    events = []
    for number, piece in enumerate(parts, 1):
        last = number == len(parts)
        candidates = tokens["candidates"] if last else tokens["candidates"] * number // len(parts)
        # Tool prompts are stated with the last piece only.
        so_far = dict(tokens) | {"candidates": candidates, "tool": tokens["tool"] if last else 0}
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [piece]}, "index": 0}
        if last:
            candidate["finishReason"] = "STOP"
        document = json.dumps({"candidates": [candidate], "usageMetadata": _usage(so_far), **head}).encode()
        if as_events:
            data = b"data: " + document + b"\r\n\r\n"
        else:
            data = (b"[" if number == 1 else b",\r\n") + document + (b"]" if last else b"")
        events.append(Event(data, states=_units(so_far), ends=last))
    return events
