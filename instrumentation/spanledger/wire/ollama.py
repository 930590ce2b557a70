"""Ollama's own API, on any host: lines of JSON, the last of which counts."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from spanledger.wire.parser import Parser
from spanledger.wire.skim import HAS, KEEP
from spanledger.wire.values import count, text


class OllamaParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "model": KEEP,
        "done": KEEP,
        "done_reason": KEEP,
        "prompt_eval_count": KEEP,
        "eval_count": KEEP,
        "embeddings": HAS,
        "error": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"done"\s*:\s*true|"error"')

    def wants(self, data: bytes) -> bool:
        return self.reading.response_model is None or self.EVENTS.search(data) is not None

    def whole(self, root: dict[str, Any]) -> None:
        self.event(root)
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        reading = self.reading
        done = root.get("done")
        reading.response_model = reading.response_model or text(root.get("model"))
        self.shaped = self.shaped or isinstance(done, bool) or "prompt_eval_count" in root
        self.shaped = self.shaped or ("embeddings" in root and reading.response_model is not None)
        self.generated = self.generated or done is False
        if self.shaped:
            reading.provider = "ollama"
        # A prompt that is all in its cache has no count: unknown, not zero.
        for field, member in (("input", "prompt_eval_count"), ("output", "eval_count")):
            known = count(root.get(member))
            if known is not None:
                setattr(reading.usage, field, known)
        if done is True:
            self.complete = True
            reason = text(root.get("done_reason"))
            reading.finish_reasons = (reason,) if reason else ()
        if root.get("error") is not None:
            self.fail(root["error"])
