"""OpenAI's chat completions, completions and embeddings, and everyone who speaks them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.around import around_choice, around_vectors
from spanledger.wire.marks import Mark, marks, unless_null
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.parser import Parser, stated
from spanledger.wire.reading import Line
from spanledger.wire.skim import HAS, KEEP
from spanledger.wire.values import mapping, sequence, text

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading

NO_GENERATION = frozenset(("embeddings", "rerank"))


class ChatParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "id": KEEP,
        "object": KEEP,
        "model": KEEP,
        "choices": [{"finish_reason": KEEP}],
        "data": HAS,
        "usage": KEEP,
        "service_tier": KEEP,
        "error": KEEP,
        # Groq
        "usage_breakdown": KEEP,
        "x_groq": {"usage": KEEP, "usage_breakdown": KEEP, "error": KEEP},
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|"error"|"x_groq"|"usage_breakdown"\s*:\s*\{'
    )
    SIEVE: ClassVar[tuple[Mark, ...]] = marks(
        unless_null(b"usage", rb'"usage(?:_breakdown)?"'),
        unless_null(b"finish_reason"),
        b'"error"',
        b'"x_groq"',
    )
    _OPENAIS: ClassVar[tuple[Mark, ...]] = SIEVE[:-1]
    """Without Groq's."""

    def sieve(self) -> tuple[Mark, ...] | None:
        marks = super().sieve()
        return self._OPENAIS if marks and self.call.provider in ("openai", "azure.ai.openai") else marks

    def around(self, data: bytes) -> dict[str, Any] | None:
        if self.call.operation == "embeddings":
            return around_vectors(data, self.SPEC)
        return around_choice(data, self.SPEC) if self.call.asked.choices in (None, 1) else None

    def whole(self, root: dict[str, Any]) -> None:
        # `x_groq.usage` of an answer in one piece counts hardware caches; only a stream's is usage.
        self._take(root, mapping(root.get("usage")))
        self._lines(root)
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        groq = mapping(root.get("x_groq"))
        usage = mapping(root.get("usage")) or mapping(groq.get("usage"))
        self._take(root, usage)
        if groq.get("error") is not None:
            self.fail(groq["error"])
        self._lines(root)
        self._lines(groq)
        if usage and (not root.get("choices") or self.reading.finish_reasons):
            self.complete = True

    def _take(self, root: dict[str, Any], usage: dict[str, Any]) -> None:
        choices = sequence(root.get("choices"))
        self.names(root)
        reading = self.reading
        self.shaped = self.shaped or "choices" in root or bool(usage) or root.get("object") == "list"
        if choices:
            self.generated = True
            reasons = [text(mapping(choice).get("finish_reason")) for choice in choices]
            if any(reasons):
                reading.finish_reasons = tuple([reason for reason in reasons if reason])
        if usage:
            generates = reading.operation not in NO_GENERATION
            used = openai_usage(usage, provider=self.call.provider, generates=generates)
            if stated(used):
                reading.usage = used
        tier = text(root.get("service_tier")) or text(usage.get("service_tier"))
        reading.service_tier = tier or reading.service_tier
        if root.get("error") is not None:
            self.fail(root["error"])

    def _lines(self, root: dict[str, Any]) -> None:
        """Groq's compound systems: what each model inside used; together they are the total."""
        if "usage_breakdown" not in root:
            return
        models = sequence(mapping(root["usage_breakdown"]).get("models"))
        lines = []
        for entry in map(mapping, models):
            usage = openai_usage(mapping(entry.get("usage")), provider=self.call.provider)
            if stated(usage):
                lines.append(Line("usage_breakdown", text(entry.get("model")), usage))
        if lines:
            self.reading.lines = lines

    def settle(self, reading: Reading) -> None:
        if reading.lines and self.complete:
            reading.billable = "no_lines_follow"
