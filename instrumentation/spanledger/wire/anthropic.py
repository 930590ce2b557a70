"""Anthropic's messages, on its own hosts and on those of Azure, Vertex and Bedrock.

Unlike OpenAI's shape, `input_tokens` leaves cached tokens out, and `usage.iterations` can hold billed
tokens that the totals beside it do not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.marks import Mark, marks
from spanledger.wire.parser import Parser
from spanledger.wire.reading import Line, Usage
from spanledger.wire.skim import KEEP
from spanledger.wire.values import count, mapping, sequence, text, tool_counts, total

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading

_MESSAGE: dict[str, Any] = {
    "id": KEEP,
    "type": KEEP,
    "model": KEEP,
    "stop_reason": KEEP,
    "usage": KEEP,
}
_INSIDE = frozenset(("message", "fallback_message"))
"""Iterations that the totals are made of, unless another model declined and this one took over."""


def anthropic_usage(raw: dict[str, Any]) -> Usage:
    split = mapping(raw.get("cache_creation"))
    five, hour = count(split.get("ephemeral_5m_input_tokens")), count(split.get("ephemeral_1h_input_tokens"))
    write = count(raw.get("cache_creation_input_tokens"))
    usage = Usage(
        input=count(raw.get("input_tokens")),
        output=count(raw.get("output_tokens")),
        cache_read=count(raw.get("cache_read_input_tokens")),
        cache_write=write if write is not None else total(five, hour),
        cache_write_5m=five,
        cache_write_1h=hour,
        reasoning=count(mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
        server_tools=tool_counts(raw.get("server_tool_use"), "_requests"),
    )
    if usage.input is not None:
        usage.input = total(usage.input, usage.cache_read, usage.cache_write)
    return usage


class AnthropicParser(Parser):
    SPEC: ClassVar[dict[str, Any]] = {
        **_MESSAGE,
        "message": _MESSAGE,
        "delta": {"stop_reason": KEEP},
        "error": KEEP,
    }
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(
        rb'"type"\s*:\s*"(?:message_start|message_delta|message_stop|error)"'
    )
    SIEVE: ClassVar[tuple[Mark, ...]] = marks(b'"message_', b'"error"')

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._raw: dict[str, Any] = {}

    def whole(self, root: dict[str, Any]) -> None:
        self.shaped = root.get("type") == "message" or isinstance(root.get("usage"), dict)
        self._message(root)
        if root.get("error") is not None:
            self.fail(root["error"])
        self.complete = not self.failed

    def event(self, root: dict[str, Any]) -> None:
        kind = root.get("type")
        if kind == "message_start":
            self.shaped = True
            self._message(mapping(root.get("message")))
        elif kind == "message_delta":
            self.generated = True
            self._message({**mapping(root.get("delta")), "usage": root.get("usage")})
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            self.fail(root.get("error"))

    def _message(self, message: dict[str, Any]) -> None:
        self.names(message)
        reason = text(message.get("stop_reason"))
        if reason:
            self.reading.finish_reasons = (reason,)
        # Cumulative, and partial: a later event overwrites what it states and nothing else. Only the
        # first one has the cache's lifetimes, the tier and the place.
        self._raw.update({k: v for k, v in mapping(message.get("usage")).items() if v is not None})

    def settle(self, reading: Reading) -> None:
        if (
            reading.found
            and self.complete
            and "refusal" in reading.finish_reasons
            and not reading.usage.output
        ):
            reading.billable = "no_if_refused_before_output"

    def collect(self, reading: Reading) -> None:
        raw = self._raw
        reading.usage = anthropic_usage(raw)
        reading.service_tier = text(raw.get("service_tier"))
        reading.inference_geo = text(raw.get("inference_geo"))
        reading.speed = text(raw.get("speed"))
        _add_iterations(reading, [mapping(entry) for entry in sequence(raw.get("iterations"))])


def _add_iterations(reading: Reading, iterations: list[dict[str, Any]]) -> None:
    """Count what `usage.iterations` holds beyond the totals: https://docs.claude.com, "sum across all"."""
    parts = [(text(entry.get("type")) or "iteration", entry) for entry in iterations]
    attempts = [anthropic_usage(entry) for kind, entry in parts if kind in _INSIDE]
    top = reading.usage
    summed = (total(*(a.input for a in attempts)), total(*(a.output for a in attempts)))
    all_inside = summed == (top.input, top.output)
    for kind, entry in parts:
        usage, model = anthropic_usage(entry), text(entry.get("model"))
        other = model is not None and model != reading.response_model
        if kind in _INSIDE:
            # A hop that declined after it wrote something is billed at its own model; the one that
            # served is the total itself, also where it goes by an alias.
            served = usage.input == top.input and usage.output == top.output
            if other and usage.output and not all_inside and not served:
                reading.lines.append(Line(kind, model, usage))
        elif other:
            reading.lines.append(Line(kind, model, usage))
        else:
            _add(reading.usage, usage)


_ADDED = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
)


def _add(usage: Usage, other: Usage) -> None:
    for name in _ADDED:
        setattr(usage, name, total(getattr(usage, name), getattr(other, name)))
