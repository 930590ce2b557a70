"""Batches: the file of results, whose items bill by their own ids, and the totals over them.

A file can be fetched any number of times, so each item carries the response's id as its key. A
`custom_id` is the app's own and recurs from one file to the next. Where an answer has no id
(embeddings), the provider's id of the item stands in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.anthropic import AnthropicParser
from spanledger.wire.gemini import GeminiParser
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.parser import Parser
from spanledger.wire.shape import SHAPES, ShapeParser
from spanledger.wire.skim import KEEP
from spanledger.wire.values import mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spanledger.wire.call import Call
    from spanledger.wire.reading import Reading

_TIER = "batch"
_MAX_ITEMS = 200_000
"""Readings of one file; OpenAI's largest has 50,000 items, Google's 200,000."""


class _Items(Parser):
    """An answer that makes a Reading of each item with usage, and none of itself."""

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        super().__init__(call, headers)
        self._items: list[Reading] = []

    def wants(self, data: bytes) -> bool:
        return b'"usage' in data

    def add(self, parser: Parser, answer: dict[str, Any], item: str | None) -> None:
        parser.whole(answer)
        (reading,) = parser.finish()
        if not reading.found:
            return
        if len(self._items) >= _MAX_ITEMS:
            self.dropped += 1
            return
        key = reading.response_id or item
        # Without any id two looks at the item cannot be told from two items: it is not billed unseen.
        reading.billing_key = f"{reading.provider}:{key}" if key else None
        reading.billable = "once_per_response_id" if key else "unknown"
        reading.operation = "batch_result"
        reading.service_tier = _TIER
        reading.stream = None
        self._items.append(reading)
        self.shaped = True

    def whole(self, root: dict[str, Any]) -> None:
        self.event(root)

    def finish(self) -> list[Reading]:
        return self._items


class BatchFileParser(_Items):
    """JSONL, as OpenAI and those who speak it, Anthropic and Google write it."""

    SPEC: ClassVar[dict[str, Any]] = {
        "id": KEEP,
        "key": KEEP,
        "response": {"request_id": KEEP, "body": SHAPES, **GeminiParser.SPEC},
        "result": {"type": KEEP, "message": AnthropicParser.SPEC},
    }

    def event(self, root: dict[str, Any]) -> None:
        response, result = mapping(root.get("response")), mapping(root.get("result"))
        if response.get("body"):
            item = text(response.get("request_id")) or text(root.get("id"))
            self.add(ShapeParser(self.call, {}), mapping(response["body"]), item)
        elif result.get("message"):
            self.add(AnthropicParser(self.call, {}), mapping(result["message"]), None)
        elif response.get("usageMetadata"):
            self.add(GeminiParser(self.call, {}), response, None)


class GeminiBatchParser(_Items):
    """An operation with its answers inlined."""

    _RESPONSES: ClassVar[dict[str, Any]] = {
        "inlinedResponses": {"inlinedResponses": [{"response": GeminiParser.SPEC}]}
    }
    SPEC: ClassVar[dict[str, Any]] = {
        "response": _RESPONSES,
        "output": _RESPONSES,
        "metadata": {"output": _RESPONSES},
    }

    def event(self, root: dict[str, Any]) -> None:
        places = (root.get("response"), root.get("output"), mapping(root.get("metadata")).get("output"))
        for place in places:
            inlined = mapping(mapping(mapping(place).get("inlinedResponses")))
            items = sequence(inlined.get("inlinedResponses"))
            for entry in map(mapping, items):
                self.add(GeminiParser(self.call, {}), mapping(entry.get("response")), None)
            if items:
                return


class BatchObjectParser(Parser):
    """A batch's own total, to check its items against; it bills only if the operator says so."""

    SPEC: ClassVar[dict[str, Any]] = {"id": KEEP, "object": KEEP, "model": KEEP, "usage": KEEP}
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"usage"')

    def whole(self, root: dict[str, Any]) -> None:
        self.names(root)
        raw = mapping(root.get("usage"))
        if raw:
            self.reading.usage = openai_usage(raw, provider=self.call.provider)
        self.complete = True

    def event(self, root: dict[str, Any]) -> None:
        self.whole(root)

    def settle(self, reading: Reading) -> None:
        reading.service_tier = _TIER
        reading.billable = "check_only"
        if reading.response_id:
            reading.billing_key = f"{reading.provider}:{reading.response_id}"

    def finish(self) -> list[Reading]:
        (reading,) = super().finish()
        return [reading] if reading.found else []
