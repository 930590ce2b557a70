"""Amazon Bedrock: converse and invoke, in one piece or as AWS event frames.

The model stands in the URL only. `inputTokens` leaves cached tokens out. An invoke answers in the shape
of the model's own family, and repeats the counts in headers, for some models only there.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.anthropic import AnthropicParser
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.parser import Parser, stated
from spanledger.wire.reading import Usage
from spanledger.wire.skim import COUNT, KEEP, skim
from spanledger.wire.values import count, mapping, sequence, text, tool_counts, total

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading

_DUPLICATES = {
    "input": ("x-amzn-bedrock-input-token-count", "inputTokenCount"),
    "output": ("x-amzn-bedrock-output-token-count", "outputTokenCount"),
    "cache_read": ("x-amzn-bedrock-cache-read-input-token-count", "cacheReadInputTokenCount"),
    "cache_write": ("x-amzn-bedrock-cache-write-input-token-count", "cacheWriteInputTokenCount"),
}
"""Header of an answer in one piece, member of a stream's last event."""


def bedrock_usage(raw: dict[str, Any], *, cache_inside: bool = False) -> Usage:
    """`cache_inside`: the model's family is known to state `inputTokens` with cached tokens in it."""
    usage = Usage(
        input=count(raw.get("inputTokens")),
        output=count(raw.get("outputTokens")),
        cache_read=count(raw.get("cacheReadInputTokens")),
        cache_write=count(raw.get("cacheWriteInputTokens")),
        server_tools=tool_counts(raw.get("serverToolUsage")),
    )
    for entry in map(mapping, sequence(raw.get("cacheDetails"))):
        name = {"5m": "cache_write_5m", "1h": "cache_write_1h"}.get(text(entry.get("ttl")) or "")
        if name:
            setattr(usage, name, total(getattr(usage, name), count(entry.get("inputTokens"))))
    cached = total(usage.cache_read, usage.cache_write)
    if usage.input is not None and cached:
        proven = count(raw.get("totalTokens")) == total(usage.input, usage.output)
        if not proven and not (cache_inside and usage.input >= cached):
            usage.input = total(usage.input, cached)
    return usage


class ConverseParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "usage": KEEP,
        "stopReason": KEEP,
        "serviceTier": {"type": KEEP},
        "trace": {"promptRouter": {"invokedModelId": KEEP}},
        "message": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"usage"|"stopReason"')

    def wants(self, data: bytes) -> bool:
        return self.EVENTS.search(data) is not None

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = True

    def event(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = self.complete or self.event_name == b"metadata"

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        raw = mapping(root.get("usage"))
        if raw:
            self.shaped = True
            # Measured on openai.gpt-5.6: a stream (only) states inputTokens 4995, cacheWriteInputTokens 4993
            # and a total with the latter twice; the same prompt answered in one piece has inputTokens 2.
            openai = self.streamed is True and "openai." in (reading.request_model or "")
            reading.usage = bedrock_usage(raw, cache_inside=openai)
        reason = text(root.get("stopReason"))
        if reason:
            reading.finish_reasons = (reason,)
        reading.service_tier = text(mapping(root.get("serviceTier")).get("type")) or reading.service_tier
        router = mapping(mapping(root.get("trace")).get("promptRouter"))
        reading.response_model = text(router.get("invokedModelId")) or reading.response_model


class InvokeParser(AnthropicParser):
    """Claude's messages, and the few fields in which the other families count."""

    SPEC: ClassVar[dict[str, Any]] = {
        **AnthropicParser.SPEC,
        "amazon-bedrock-invocationMetrics": KEEP,
        "inputTextTokenCount": KEEP,
        "results": [{"tokenCount": KEEP, "completionReason": KEEP}],
        "totalOutputTextTokenCount": KEEP,
        "completionReason": KEEP,
        "prompt_token_count": KEEP,
        "generation_token_count": KEEP,
        "choices": [{"finish_reason": KEEP}],
        "images": COUNT,
        "stopReason": KEEP,
        "metadata": {"usage": KEEP},
        "messageStop": {"stopReason": KEEP},
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"usage"|invocationMetrics|"message_(?:start|delta|stop)"|oken_?[cC]ount|"stop_?[rR]eason"'
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._own: Usage | None = None
        self._metrics: dict[str, Any] = {}
        self._images: int | None = None

    def whole(self, root: dict[str, Any]) -> None:
        super().whole(root)
        self._family(root)

    def bare(self, *, ended: bool) -> None:
        self.complete = ended

    def frame(self, payload: bytes) -> None:
        """A frame of a stream: the family's own event in base64."""
        packed = mapping(skim(payload, {"bytes": KEEP}, long_texts=True)).get("bytes")
        if not isinstance(packed, str):
            return
        try:
            data = base64.b64decode(packed, validate=True)
        except (ValueError, binascii.Error):
            return
        if self.wants(data):
            self.event(mapping(skim(data, self.SPEC)))

    def event(self, root: dict[str, Any]) -> None:
        super().event(root)
        self._family(root)
        metrics = mapping(root.get("amazon-bedrock-invocationMetrics"))
        if metrics:
            self._metrics = metrics
            self.complete = True

    def _family(self, root: dict[str, Any]) -> None:
        results = [mapping(result) for result in sequence(root.get("results"))]
        tokens = [count(result.get("tokenCount")) for result in results]
        raw = mapping(root.get("usage")) or mapping(mapping(root.get("metadata")).get("usage"))
        # Prompt counts come with the first event of a stream, generated ones grow with each.
        own = self._own or Usage()
        own.input = _known(root.get("inputTextTokenCount"), root.get("prompt_token_count"), own.input)
        own.output = _known(
            root.get("totalOutputTextTokenCount"),
            root.get("generation_token_count"),
            total(*tokens) if None not in tokens else None,
            own.output,
        )
        if "inputTokens" in raw or "outputTokens" in raw:
            own = bedrock_usage(raw)
        elif "prompt_tokens" in raw:
            own = openai_usage(raw)
        self._own = own
        self._images = count(root.get("images")) or self._images
        reasons = [result.get("completionReason") for result in results]
        reasons += [mapping(choice).get("finish_reason") for choice in sequence(root.get("choices"))]
        reasons += [root.get("completionReason"), root.get("stopReason")]
        reasons += [mapping(root.get("messageStop")).get("stopReason")]
        known = tuple(reason for reason in map(text, reasons) if reason)
        if known:
            self.reading.finish_reasons = known

    def collect(self, reading: Reading) -> None:
        super().collect(reading)
        if reading.usage.input is None and reading.usage.output is None:
            self._fall_back(reading)

    def _fall_back(self, reading: Reading) -> None:
        """What Anthropic's shape did not state: the family's own fields, then Bedrock's duplicates."""
        if self._own is not None and stated(self._own):
            reading.usage = self._own
            return
        usage = reading.usage
        for field, (header, metric) in _DUPLICATES.items():
            number = self.headers.get(header, "")
            known = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
            setattr(usage, field, known if known is not None else count(self._metrics.get(metric)))
        if usage.input is not None:
            usage.input = total(usage.input, usage.cache_read, usage.cache_write)
        if self._images and not stated(usage):
            usage.images = self._images


def _known(*values: Any) -> int | None:
    return next((known for known in map(count, values) if known is not None), None)
