"""Images, speech, transcriptions, page scans: units of their own, often no usage at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.openai_responses import svg_lines
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.parser import Parser, stated
from spanledger.wire.skim import COUNT, HAS, KEEP
from spanledger.wire.values import count, mapping, sequence, text

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading

_LAST = re.compile(
    r"(?:image_generation|image_edit|transcript\.text|transcription|speech\.audio)\.(?:completed|done)"
)


class MediaParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "id": KEEP,
        "type": KEEP,
        "model": KEEP,
        "usage": KEEP,
        "svg_usage": KEEP,
        "data": COUNT,
        "size": KEEP,
        "quality": KEEP,
        "text": HAS,
        "error": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"type"\s*:\s*"[a-z_.]{1,40}\.(?:completed|done)"|"usage"\s*:\s*\{|"error"'
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._images: int | None = None
        self._size, self._quality = self.call.asked.image_size, self.call.asked.image_quality

    def wants(self, data: bytes) -> bool:
        return self.EVENTS.search(data) is not None

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self._images = count(root.get("data"))
        self.shaped = self.shaped or self._images is not None or "text" in root
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        self._take(root)
        if _LAST.fullmatch(text(root.get("type")) or ""):
            self.shaped = True
            self.complete = True

    def bare(self, *, ended: bool) -> None:
        self.complete = ended
        content = self.headers.get("content-type", "")
        self.shaped = content.startswith(("audio/", "image/", "text/plain", "application/octet-stream"))
        if (self.reading.request_model or "").startswith("tts-1"):
            self.reading.usage.characters = self.call.asked.characters

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        self.names(root)
        raw = mapping(root.get("usage"))
        if raw:
            self.shaped = True
            reading.usage = openai_usage(raw, provider=self.call.provider)
            reading.service_tier = text(raw.get("service_tier")) or reading.service_tier
        reading.lines = svg_lines(root.get("svg_usage")) or reading.lines
        self._size = text(root.get("size")) or self._size
        self._quality = text(root.get("quality")) or self._quality
        if root.get("error") is not None:
            self.fail(root["error"])

    def finish(self) -> list[Reading]:
        (reading,) = super().finish()
        if reading.operation == "image_generation":
            reading.image_size, reading.image_quality = self._size, self._quality
            if not stated(reading.usage):
                # Billed by the image, where nothing is billed by the token.
                reading.usage.images = self._images
        return [reading]


class PagesParser(Parser):
    """Mistral's OCR."""

    SPEC: ClassVar[dict[str, Any]] = {"model": KEEP, "usage_info": KEEP, "pages": HAS}

    def whole(self, root: dict[str, Any]) -> None:
        self.reading.response_model = text(root.get("model"))
        self.reading.usage.pages = count(mapping(root.get("usage_info")).get("pages_processed"))
        self.shaped = self.reading.usage.pages is not None
        self.complete = True

    def event(self, root: dict[str, Any]) -> None:
        self.whole(root)


class ConversationParser(Parser):
    """Mistral's conversations, whose connectors' tokens lie outside the prompt."""

    SPEC: ClassVar[dict[str, Any]] = {
        "type": KEEP,
        "object": KEEP,
        "usage": KEEP,
        "outputs": [{"model": KEEP}],
        "model": KEEP,
        "code": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"conversation\.response\.|"usage"\s*:\s*\{')

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = True

    def event(self, root: dict[str, Any]) -> None:
        kind = text(root.get("type")) or self.event_name.decode("ascii", "replace")
        self._take(root)
        if kind == "conversation.response.done":
            self.complete = True
        elif kind == "conversation.response.error":
            self.fail(root.get("code"))
        elif kind.startswith("message.output"):
            self.generated = True

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        raw = mapping(root.get("usage"))
        if raw:
            self.shaped = True
            reading.usage = openai_usage(raw, provider=self.call.provider)
        for output in [root, *map(mapping, sequence(root.get("outputs")))]:
            reading.response_model = reading.response_model or text(output.get("model"))


class FreeParser(Parser):
    """Counting tokens, moderating: a call that costs nothing, however many tokens it speaks of."""

    SPEC: ClassVar[dict[str, Any]] = {
        "input_tokens": KEEP,
        "inputTokens": KEEP,
        "totalTokens": KEEP,
        "tokensInfo": HAS,
        "results": HAS,
    }

    def whole(self, root: dict[str, Any]) -> None:
        self.shaped = bool(root)

    def event(self, root: dict[str, Any]) -> None:
        self.whole(root)

    def settle(self, reading: Reading) -> None:
        reading.complete, reading.billable = True, "no"
