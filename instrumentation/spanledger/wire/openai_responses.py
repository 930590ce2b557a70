"""OpenAI's responses: foreground, background, looked at again, compacted; and decisions."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from spanledger.wire.background import BackgroundParser
from spanledger.wire.marks import Mark, marks
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.reading import Line
from spanledger.wire.skim import KEEP
from spanledger.wire.values import code, count, mapping, sequence, text

_RESPONSE: dict[str, Any] = {
    "id": KEEP,
    "object": KEEP,
    "model": KEEP,
    "status": KEEP,
    "background": KEEP,
    "service_tier": KEEP,
    "error": KEEP,
    "incomplete_details": KEEP,
    "usage": KEEP,
    "tool_usage": KEEP,
    "tools": [{"type": KEEP, "model": KEEP}],
    "output": [{"type": KEEP, "svg_usage": KEEP}],
}
_LAST = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))
_LINE_NAMES = {"image_gen": "image_generation"}
"""Tools that `tool_usage` abbreviates, as the request names them."""


class ResponsesParser(BackgroundParser):
    SPEC: ClassVar[dict[str, Any]] = {**_RESPONSE, "type": KEEP, "code": KEEP, "response": _RESPONSE}
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"type"\s*:\s*"(?:response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled)'
        rb'|error)"'
    )
    SIEVE: ClassVar[tuple[Mark, ...]] = marks(
        Mark(
            b'"response.',
            b'"response.output_',
            b'"response.function_call_',
            b'"response.reasoning_',
            b'"response.content_part.',
            pattern=rb'"response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled)"',
        ),
        b'"error"',
    )

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        # Compactions and decisions have no status: they are finished when they are answered.
        self.complete = self.over or (self.status is None and not self.failed)

    def event(self, root: dict[str, Any]) -> None:
        kind = text(root.get("type")) or ""
        response = mapping(root.get("response"))
        if response and kind.startswith("response."):
            self._take(response)
            self.complete = self.complete or kind in _LAST
        elif kind == "error":
            self.fail(root.get("error") or {"code": root.get("code")})
        elif kind.startswith("response."):
            self.shaped = self.generated = True

    def _take(self, response: dict[str, Any]) -> None:
        reading = self.reading
        self.names(response)
        kind = text(response.get("object")) or ""
        raw = mapping(response.get("usage"))
        self.shaped = self.shaped or kind.startswith("response") or bool(raw)
        self.status = text(response.get("status")) or self.status
        self.note_background(response.get("background"))
        reading.service_tier = text(response.get("service_tier")) or reading.service_tier
        self.generated = self.generated or bool(response.get("output"))
        if raw:
            reading.usage = openai_usage(raw, provider=self.call.provider)
        self._tools(response)
        reason = text(mapping(response.get("incomplete_details")).get("reason"))
        if reason:
            reading.finish_reasons = (reason,)
        if response.get("error") is not None:
            self.fail(response["error"])
        elif self.status == "failed":
            self.fail("failed")

    def _tools(self, response: dict[str, Any]) -> None:
        """Hosted tools' usage stands outside `usage`: searches by number, image tokens as lines."""
        tools = [mapping(tool) for tool in sequence(response.get("tools"))]
        models = {text(tool.get("type")): text(tool.get("model")) for tool in tools}
        lines: list[Line] = []
        for name, raw in mapping(response.get("tool_usage")).items():
            used, tool = mapping(raw), code(name)
            if tool is None or len(lines) > 32:
                continue
            requests = count(used.get("num_requests"))
            if requests is not None:
                self.reading.usage.server_tools[tool] = requests
            usage = openai_usage(used)
            if usage.input or usage.output:
                kind = _LINE_NAMES.get(tool, tool)
                lines.append(Line(kind, models.get(kind) or self.call.asked.tools.get(kind), usage))
        for item in map(mapping, sequence(response.get("output"))):
            lines += svg_lines(item.get("svg_usage"))
        if lines:
            self.reading.lines = lines


def svg_lines(raw: Any) -> list[Line]:
    """An image drawn as SVG is written by a model of its own."""
    svg = mapping(raw)
    usage = openai_usage(svg)
    return [Line("svg", text(svg.get("model")), usage)] if usage.input or usage.output else []
