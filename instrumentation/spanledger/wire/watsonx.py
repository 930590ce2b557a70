"""IBM watsonx: its own shape of generation and embeddings. Its chat is OpenAI's."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from spanledger.wire.parser import Parser
from spanledger.wire.skim import KEEP
from spanledger.wire.values import count, mapping, sequence, text, total

_UNFINISHED = "not_finished"


class WatsonxParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        "model_id": KEEP,
        "input_token_count": KEEP,
        "results": [{"input_token_count": KEEP, "generated_token_count": KEEP, "stop_reason": KEEP}],
        "errors": [{"code": KEEP}],
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'_token_count"|"errors"')

    def whole(self, root: dict[str, Any]) -> None:
        self.event(root)
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        reading = self.reading
        self.names(root, model="model_id")
        results = [mapping(result) for result in sequence(root.get("results"))]
        # Counts grow during a stream; an event may leave out, or set to 0, what an earlier one stated.
        read = total(
            count(root.get("input_token_count")), *(count(r.get("input_token_count")) for r in results)
        )
        written = total(*(count(r.get("generated_token_count")) for r in results))
        reading.usage.input = _larger(reading.usage.input, read)
        reading.usage.output = _larger(reading.usage.output, written)
        self.generated = self.generated or bool(results)
        reasons = [text(result.get("stop_reason")) for result in results]
        finished = tuple(reason for reason in reasons if reason and reason.lower() != _UNFINISHED)
        if finished:
            reading.finish_reasons = finished
            self.complete = True
        errors = sequence(root.get("errors"))
        if errors:
            self.fail(errors[0])


def _larger(one: int | None, other: int | None) -> int | None:
    return one if other is None or (one is not None and one > other) else other
