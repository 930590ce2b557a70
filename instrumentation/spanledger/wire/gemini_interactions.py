"""Google's interactions: an answer, its stream, or an answer in the background."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from spanledger.wire.background import BackgroundParser
from spanledger.wire.gemini import modalities, set_modalities
from spanledger.wire.reading import Usage
from spanledger.wire.skim import HAS, KEEP
from spanledger.wire.values import code, count, mapping, sequence, text, total

_INTERACTION: dict[str, Any] = {
    "id": KEEP,
    "object": KEEP,
    "model": KEEP,
    "agent": KEEP,
    "status": KEEP,
    "background": KEEP,
    "service_tier": KEEP,
    "usage": KEEP,
    "steps": HAS,
    "outputs": HAS,
    "error": KEEP,
}


class InteractionsParser(BackgroundParser):
    SPEC: ClassVar[dict[str, Any]] = {
        **_INTERACTION,
        "event_type": KEEP,
        "interaction_id": KEEP,
        "interaction": _INTERACTION,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"event_type"\s*:\s*"(?:interaction\.|error")')

    def whole(self, root: dict[str, Any]) -> None:
        self._take(root)
        self.complete = self.over or (self.status is None and not self.failed)

    def event(self, root: dict[str, Any]) -> None:
        kind = text(root.get("event_type")) or self.event_name.decode("ascii", "replace")
        if kind.startswith("interaction."):
            self.names(root, key="interaction_id")
            self._take(mapping(root.get("interaction")) or root)
            self.complete = self.complete or kind == "interaction.completed" or self.over
        elif kind == "error":
            self.fail(root.get("error"))
        elif kind.startswith("step."):
            self.shaped = self.generated = True

    def _take(self, root: dict[str, Any]) -> None:
        reading = self.reading
        self.names(root)
        raw = mapping(root.get("usage"))
        self.shaped = self.shaped or root.get("object") == "interaction" or "total_input_tokens" in raw
        self.status = text(root.get("status")) or self.status
        self.note_background(root.get("background"))
        self.generated = self.generated or bool(root.get("steps") or root.get("outputs"))
        reading.service_tier = text(root.get("service_tier")) or reading.service_tier
        if raw:
            reading.usage = _interaction_usage(raw)
        if root.get("error") is not None:
            self.fail(root["error"])
        elif self.status == "failed":
            self.fail("failed")


def _interaction_usage(raw: dict[str, Any]) -> Usage:
    prompt, tools = count(raw.get("total_input_tokens")), count(raw.get("total_tool_use_tokens"))
    output, thoughts = count(raw.get("total_output_tokens")), count(raw.get("total_thought_tokens"))
    usage = Usage(
        input=total(prompt, tools),
        output=total(output, thoughts),
        cache_read=count(raw.get("total_cached_tokens")),
        reasoning=thoughts,
        tool_in=tools,
    )
    for entry in map(mapping, sequence(raw.get("grounding_tool_count"))):
        tool, known = code(entry.get("type")), count(entry.get("count"))
        if tool and known is not None:
            usage.server_tools[tool] = usage.server_tools.get(tool, 0) + known
    set_modalities(
        usage,
        modalities(raw.get("input_tokens_by_modality"), "tokens"),
        modalities(raw.get("cached_tokens_by_modality"), "tokens"),
        modalities(raw.get("output_tokens_by_modality"), "tokens"),
    )
    return usage
