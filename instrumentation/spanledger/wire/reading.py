"""What one HTTP exchange tells about a call: the types between the wire parsers and the spans.

A parser turns a request and an answer into `Reading`s; nothing here knows HTTP or OpenTelemetry.
Unknown is never zero: a quantity that the provider did not state is `None`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from spanledger.wire.usual import Usual

Billable = Literal[
    "yes",
    "no",
    "unknown",  # a cut stream: what was proven is a lower bound
    "pending",  # a background response that is not finished
    "once_per_response_id",  # the provider shows the same usage again at every look: see billing_key
    "check_only",  # a total over items that bill themselves
    "no_if_refused_before_output",
    "no_lines_follow",  # the lines replace this total
]


@dataclass(init=False)
class Usage:
    """Quantities as the provider states them, made inclusive as the GenAI conventions ask.

    `input` holds everything billed as input (cache reads and writes, tool prompts); `output` holds
    reasoning. The rest are parts of these or units of their own. Tokens and counts are `int`;
    `seconds` may be a `Decimal`.

    An answer states a few of them. Only these are in `vars()` of the object; the others are the class's.
    """

    def __init__(self, **stated: Any) -> None:
        self.server_tools = {}
        self.__dict__.update(stated)

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    cache_write_30m: int | None = None
    cache_write_12h: int | None = None
    reasoning: int | None = None
    text_in: int | None = None
    audio_in: int | None = None
    image_in: int | None = None
    video_in: int | None = None
    text_out: int | None = None
    audio_out: int | None = None
    image_out: int | None = None
    cache_read_text: int | None = None
    cache_read_audio: int | None = None
    cache_read_image: int | None = None
    cache_read_video: int | None = None
    tool_in: int | None = None
    accepted_prediction: int | None = None
    rejected_prediction: int | None = None
    citation: int | None = None
    seconds: int | Decimal | None = None
    characters: int | None = None
    pages: int | None = None
    search_units: int | None = None
    images: int | None = None
    server_tools: dict[str, int] = field(default_factory=dict)
    provider_cost_usd: str | None = None
    """Decimal text in USD, exactly as far as the provider states it."""


@dataclass(slots=True)
class Line:
    """A part of a call that is billed at a model of its own; it becomes a child span."""

    kind: str
    """The iteration's type or the tool, as the provider names it: `advisor_message`, `image_generation`."""
    model: str | None
    usage: Usage


@dataclass(init=False)
class Reading:
    """One call as its exchange shows it. A batch file gives one Reading for each item with usage.

    As of `Usage`, only what is known is in the object.
    """

    def __init__(self, provider: str, operation: str, **known: Any) -> None:
        self.provider = provider
        self.operation = operation
        self.usage = Usage()
        self.lines = []
        self.__dict__.update(known)

    provider: str
    operation: str
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    found: bool = False
    """Whether the answer stated any usage."""
    complete: bool = False
    """Whether the answer's terminal event was seen (not merely the end of the connection)."""
    billable: Billable = "yes"
    billing_key: str | None = None
    """Provider plus the response's own id, where the provider shows one usage more than once."""
    stream: bool | None = None
    service_tier: str | None = None
    service_tier_requested: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    traffic_type: str | None = None
    image_size: str | None = None
    image_quality: str | None = None
    finish_reasons: Sequence[str] = ()
    error_type: str | None = None
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)  # not frozen: that would be a third of the time that recognising one takes
class Request:
    """What a parser may see of a request. `body` is None where it cannot be read without consuming it."""

    method: str
    host: str
    """Lower case."""
    port: int | None
    """Where it is not the scheme's own."""
    path: str
    """As sent, still percent-encoded, without the query."""
    query: str
    headers: Mapping[str, str]
    """Found by lower-case names."""
    body: bytes | None


class Reader(Protocol):
    """Reads one answer as it arrives. Bounded in memory, and it never searches for usage: only at its path.

    Called from one thread at a time. It may raise; the caller counts that and the call is still recorded.
    """

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body, content-decoded, of any size, possibly empty."""

    def usual(self, latest: Sequence[bytes]) -> Usual:
        """What the events look like that say nothing, by the latest pieces: such ones need not be fed."""

    def finish(self, *, ended: bool) -> list[Reading]:
        """Say what was read. `ended` is False where the body was not read to its end.

        An empty list means that the exchange was no LLM call.
        """


class Recognised(Protocol):
    """A request that is, or may turn out to be, an LLM call."""

    request_model: str | None
    provider: str
    operation: str

    @property
    def asks_for_stream(self) -> bool:
        """Whether the body says `"stream": true`."""

    @property
    def has_stream_options(self) -> bool:
        """Whether the body has such a member, be it null."""

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """A reader for the answer with this status and these headers (lower-case names)."""

    def whole(self, status: int, headers: Mapping[str, str], data: bytes) -> list[Reading]:
        """What such a reader would say of a body that is there in one piece, to its end."""

    def unanswered(self, error_type: str) -> list[Reading]:
        """The call as it stands when no answer came: a time-out, a refused connection."""
