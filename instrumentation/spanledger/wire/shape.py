"""Finds out by its shape which family an answer is of: for hosts that nobody has listed.

The shape is looked for at the answer's root only, in the members that each family's own parser reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.anthropic import AnthropicParser
from spanledger.wire.cohere import CohereParser
from spanledger.wire.gemini import GeminiParser
from spanledger.wire.media import ConversationParser
from spanledger.wire.ollama import OllamaParser
from spanledger.wire.openai_chat import NO_GENERATION, ChatParser
from spanledger.wire.openai_responses import ResponsesParser
from spanledger.wire.parser import Parser
from spanledger.wire.skim import KEEP
from spanledger.wire.values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spanledger.wire.call import Call
    from spanledger.wire.marks import Mark
    from spanledger.wire.reading import Reading

_CANDIDATES: tuple[type[Parser], ...] = (
    ChatParser,
    ResponsesParser,
    AnthropicParser,
    GeminiParser,
    CohereParser,
    OllamaParser,
    ConversationParser,
)


def _merged(one: Any, other: Any) -> Any:
    """Keeps what either keeps."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: _merged(spec, other[name]) for name, spec in one.items() if name in other}
        return one | other | both
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    if KEEP in (one, other):
        return KEEP
    return one if isinstance(one, (dict, list)) else other


def _all_specs() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for parser in _CANDIDATES:
        merged = _merged(merged, parser.SPEC)
    return merged


SHAPES: dict[str, Any] = _all_specs()


def family_of(root: dict[str, Any], *, certain: bool) -> type[Parser] | None:
    """The family whose answer, or event, this root is.

    `certain`: the request left no doubt, so that OpenAI's `choices` need no further witness.
    """
    kind, named = text(root.get("type")) or "", text(root.get("object")) or ""
    usage = mapping(root.get("usage"))
    if kind in ("message_start", "message_delta") or (kind == "message" and "input_tokens" in usage):
        return AnthropicParser
    if kind.startswith("conversation.response.") or named == "conversation.response":
        return ConversationParser
    if kind.startswith("response.") or named in ("response", "response.compaction"):
        return ResponsesParser
    if "usageMetadata" in root or ("candidates" in root and "modelVersion" in root):
        return GeminiParser
    completion = named.startswith(("chat.completion", "text_completion"))
    if "prompt_tokens" in usage or completion or (certain and root.get("choices") is not None):
        return ChatParser
    if "billed_units" in usage or "billed_units" in mapping(root.get("meta")):
        return CohereParser
    if "prompt_eval_count" in root or (isinstance(root.get("done"), bool) and "model" in root):
        return OllamaParser
    if certain and "input_tokens" in usage and "output_tokens" in usage:
        return ResponsesParser
    # Voyage and other rerankers: the total alone, beside the vectors or scores.
    return ChatParser if "total_tokens" in usage else None


class ShapeParser(Parser):
    """Hands everything to the family that the first telling object belongs to."""

    SPEC: ClassVar[dict[str, Any]] = SHAPES
    _LOOKS: ClassVar[int] = 16

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        super().__init__(call, headers)
        self._family: Parser | None = None
        self._looked = 0
        self._marked = False

    def wants(self, data: bytes) -> bool:
        if self._family is not None:
            return self._family.wants(data)
        self._looked += 1
        return self._looked <= self._LOOKS

    def sieve(self) -> tuple[Mark, ...] | None:
        return None if self._family is None else self._family.sieve()

    def whole(self, root: dict[str, Any]) -> None:
        if self._decide(root):
            self._family.whole(root)  # type: ignore[union-attr]

    def event(self, root: dict[str, Any]) -> None:
        if self._decide(root):
            self._family.event_name = self.event_name  # type: ignore[union-attr]
            self._family.event(root)  # type: ignore[union-attr]

    def end_mark(self) -> None:
        self.complete = True
        if self._family is not None:
            self._family.end_mark()

    def _decide(self, root: dict[str, Any]) -> bool:
        if self._family is None:
            family = family_of(root, certain=self.call.certain)
            if family is None:
                return False
            self._family = family(self.call, self.headers)
            self._family.streamed = self.streamed
            self.shaped = True
            reading = self._family.reading
            if not self.call.certain:
                reading.operation = _operation(family, root, reading.operation)
        return True

    def finish(self) -> list[Reading]:
        return self._family.finish() if self._family is not None else super().finish()


def _operation(family: type[Parser], root: dict[str, Any], asked: str) -> str:
    if family is GeminiParser:
        return "generate_content" if "candidates" in root else "embeddings"
    if root.get("object") == "list" or "embeddings" in root:
        return "embeddings"
    if root.get("object") == "text_completion" or (family is OllamaParser and asked == "text_completion"):
        return "text_completion"
    return asked if asked in NO_GENERATION else "chat"
