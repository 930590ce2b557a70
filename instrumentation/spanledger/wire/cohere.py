"""Cohere: what it bills (`billed_units`), not what its models consumed (`tokens`)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from spanledger.wire.parser import Parser
from spanledger.wire.reading import Usage
from spanledger.wire.skim import HAS, KEEP
from spanledger.wire.values import count, mapping, text, total

_RESPONSE: dict[str, Any] = {
    "id": KEEP,
    "response_id": KEEP,
    "generation_id": KEEP,
    "finish_reason": KEEP,
    "usage": KEEP,
    "meta": KEEP,
}


def cohere_usage(billed: dict[str, Any]) -> Usage:
    # Text and image tokens of an embedding are units side by side.
    images = count(billed.get("image_tokens"))
    return Usage(
        input=total(count(billed.get("input_tokens")), images),
        output=count(billed.get("output_tokens")),
        image_in=images,
        search_units=count(billed.get("search_units")),
    )


class CohereParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        **_RESPONSE,
        "type": KEEP,
        "event_type": KEEP,
        "delta": _RESPONSE,  # v2's `message-end`
        "response": _RESPONSE,  # v1's `stream-end`
        "message": HAS,
        "text": HAS,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"(?:event_)?type"\s*:\s*"(?:message-start|message-end|stream-start|stream-end)"'
    )

    def wants(self, data: bytes) -> bool:
        return self.EVENTS.search(data) is not None

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = True

    def event(self, root: dict[str, Any]) -> None:
        kind = root.get("type") or root.get("event_type")
        self.shaped = True
        self._take(root)
        if kind in ("message-end", "stream-end"):
            self._take(mapping(root.get("delta")) or mapping(root.get("response")))
            self.complete = True

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        for key in ("id", "response_id", "generation_id"):
            reading.response_id = reading.response_id or text(root.get(key))
        reason = text(root.get("finish_reason"))
        if reason:
            reading.finish_reasons = (reason,)
        billed = mapping(mapping(root.get("usage")).get("billed_units"))
        billed = billed or mapping(mapping(root.get("meta")).get("billed_units"))
        if billed:
            self.shaped = True
            reading.usage = cohere_usage(billed)
