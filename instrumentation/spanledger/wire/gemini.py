"""Google's generateContent, embeddings and interactions, on AI Studio's host and on Vertex's.

`promptTokenCount` holds cached tokens but not the tools' prompts; `candidatesTokenCount` does not hold
thoughts. Every chunk of a stream states the usage so far, so the last one counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.marks import Mark, marks
from spanledger.wire.parser import Parser
from spanledger.wire.reading import Usage
from spanledger.wire.skim import COUNT, HAS, KEEP
from spanledger.wire.values import count, mapping, sequence, text, total

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading


def modalities(raw: Any, tokens: str = "tokenCount") -> dict[str, int]:
    """Tokens by modality. The lists need not add up to the totals beside them."""
    found: dict[str, int] = {}
    for entry in map(mapping, sequence(raw)):
        known, kind = count(entry.get(tokens)), text(entry.get("modality"))
        if known is not None and kind:
            found[kind.lower()] = found.get(kind.lower(), 0) + known
    return found


def set_modalities(usage: Usage, prompt: dict[str, int], cached: dict[str, int], out: dict[str, int]) -> None:
    usage.text_in, usage.audio_in = prompt.get("text"), prompt.get("audio")
    usage.image_in, usage.video_in = prompt.get("image"), prompt.get("video")
    usage.cache_read_text, usage.cache_read_audio = cached.get("text"), cached.get("audio")
    usage.cache_read_image, usage.cache_read_video = cached.get("image"), cached.get("video")
    usage.text_out, usage.audio_out, usage.image_out = out.get("text"), out.get("audio"), out.get("image")


def gemini_usage(raw: dict[str, Any]) -> Usage:
    prompt, tools = count(raw.get("promptTokenCount")), count(raw.get("toolUsePromptTokenCount"))
    thoughts = count(raw.get("thoughtsTokenCount"))
    candidates = count(raw.get("candidatesTokenCount"))
    if candidates is None:
        candidates = count(raw.get("responseTokenCount"))  # the live API's name for it
    usage = Usage(
        input=total(prompt, tools),
        output=total(candidates, thoughts),
        cache_read=count(raw.get("cachedContentTokenCount")),
        reasoning=thoughts,
        tool_in=tools,
    )
    stated = count(raw.get("totalTokenCount"))
    if usage.output is None and stated is not None and usage.input is not None:
        usage.output = max(stated - usage.input, 0) or None
    set_modalities(
        usage,
        # Embeddings spell it without the s.
        modalities(raw.get("promptTokensDetails") or raw.get("promptTokenDetails")),
        modalities(raw.get("cacheTokensDetails")),
        modalities(raw.get("candidatesTokensDetails") or raw.get("responseTokensDetails")),
    )
    return usage


class GeminiParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "usageMetadata": KEEP,
        "modelVersion": KEEP,
        "responseId": KEEP,
        "candidates": [{"finishReason": KEEP, "groundingMetadata": {"webSearchQueries": COUNT}}],
        "promptFeedback": {"blockReason": KEEP},
        "embedding": HAS,
        "embeddings": HAS,
        "error": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"usageMetadata"|"finishReason"|"webSearchQueries"|"blockReason"|"error"'
    )
    SIEVE: ClassVar[tuple[Mark, ...]] = marks(
        b'"usageMetadata"', b'"finishReason"', b'"webSearchQueries"', b'"blockReason"', b'"error"'
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._searches = 0
        self._usage: dict[str, Any] = {}
        """As it was last stated: nearly every chunk does, and only the last one's is made out."""

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        self._take(root)
        blocked = mapping(root.get("promptFeedback")).get("blockReason")
        if blocked or self.reading.finish_reasons:
            self.complete = True

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        self.shaped = self.shaped or not root.keys().isdisjoint(
            ("usageMetadata", "candidates", "modelVersion", "embedding", "embeddings")
        )
        self.names(root, model="modelVersion", key="responseId")
        raw = mapping(root.get("usageMetadata"))
        if raw:
            self._usage = raw
            reading.service_tier = text(raw.get("serviceTier")) or reading.service_tier
            reading.traffic_type = text(raw.get("trafficType")) or reading.traffic_type
        candidates = [mapping(candidate) for candidate in sequence(root.get("candidates"))]
        self.generated = self.generated or bool(candidates)
        reasons = [text(candidate.get("finishReason")) for candidate in candidates]
        if any(reasons):
            reading.finish_reasons = tuple(reason for reason in reasons if reason)
        # Grounding is billed by the search, and told anew with the chunk that has it.
        searches = total(
            *(count(mapping(c.get("groundingMetadata")).get("webSearchQueries")) for c in candidates)
        )
        self._searches = max(self._searches, searches or 0)
        if root.get("error") is not None:
            self.fail(root["error"])

    def collect(self, reading: Reading) -> None:
        if self._usage:
            reading.usage = gemini_usage(self._usage)

    def settle(self, reading: Reading) -> None:
        if self._searches:
            reading.usage.server_tools["google_search"] = self._searches


class PredictParser(Parser):
    """Vertex's older `:predict`: embeddings that count tokens one by one, and images."""

    SPEC: ClassVar[dict[str, Any]] = {
        "predictions": [{"embeddings": {"statistics": KEEP}, "bytesBase64Encoded": HAS, "mimeType": KEEP}],
        "metadata": {"billableCharacterCount": KEEP},
        "error": KEEP,
    }

    def whole(self, root: dict[str, Any]) -> None:
        self.complete = True
        predictions = [mapping(prediction) for prediction in sequence(root.get("predictions"))]
        usage = self.reading.usage
        tokens = [
            count(mapping(mapping(p.get("embeddings")).get("statistics")).get("token_count"))
            for p in predictions
        ]
        if tokens and None not in tokens:
            usage.input = total(*tokens)
        usage.characters = count(mapping(root.get("metadata")).get("billableCharacterCount"))
        images = sum(1 for p in predictions if p.get("bytesBase64Encoded"))
        if images:
            self.reading.operation = "image_generation"
            usage.images = images
        self.shaped = usage.input is not None or bool(images)
        if root.get("error") is not None:
            self.fail(root["error"])

    def event(self, root: dict[str, Any]) -> None:
        self.whole(root)
