"""A call as its request shows it: what a parser of the answer starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spanledger.wire.answer import answer_reader, read_whole
from spanledger.wire.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER: Final = "_OTHER"
"""The provider of an unknown host whose answers have a known shape."""


@dataclass(slots=True)
class Asked:
    """What a request's body tells. Never its content."""

    model: str | None = None
    stream: bool | None = None
    stream_options: bool = False
    """Whether it has such a member, be it null."""
    background: bool | None = None
    service_tier: str | None = None
    choices: int | None = None
    """How many answers are asked for."""
    image_size: str | None = None
    image_quality: str | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    """Models of hosted tools, by the tool's type."""
    characters: int | None = None
    """Of the text to be spoken."""


@dataclass(slots=True)
class Call:
    """A request that is, or may turn out to be, an LLM call."""

    provider: str
    operation: str
    family: str
    request_model: str | None
    asked: Asked
    known: bool
    """The host is a known provider's; else the answer's shape decides whether this is a call at all."""
    certain: bool
    """Path or body leave no doubt, so that a failure without any answer is a call, too."""
    fetch: bool = False
    """Looks at what another request caused; costs nothing by itself."""
    item: str | None = None
    """What a fetch looks at: the id in its path."""

    @property
    def asks_for_stream(self) -> bool:
        return self.asked.stream is True

    @property
    def has_stream_options(self) -> bool:
        return self.asked.stream_options

    def reading(self) -> Reading:
        return Reading(
            provider=self.provider,
            operation=self.operation,
            request_model=self.request_model,
            stream=self.asked.stream,
            service_tier_requested=self.asked.service_tier,
        )

    reader = answer_reader
    whole = read_whole

    def unanswered(self, error_type: str) -> list[Reading]:
        if not self.certain:
            return []
        reading = self.reading()
        reading.error_type = error_type
        reading.billable = "no" if self.fetch or self.family == "free" else "unknown"
        return [reading]
