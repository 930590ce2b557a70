"""What the modules of the wire families share.

A parser is fed the JSON objects of one answer, skimmed down to its `SPEC`: the whole answer, or one
event of a stream after another. It keeps the few facts that a `Reading` needs and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from spanledger.wire.values import error_code, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spanledger.wire.call import Call
    from spanledger.wire.marks import Mark
    from spanledger.wire.reading import Reading, Usage

_HEAD_EVENTS = 8
"""Events at a stream's start in which its id and model are looked for, whatever they contain."""


def stated(usage: Usage) -> bool:
    """Whether any quantity is known. What a provider charged is no quantity, but it is stated."""
    if usage.input is not None or usage.output is not None:
        return True
    return any(value is not None and value != {} for value in vars(usage).values())


class Parser:
    """One answer that makes one Reading; families override what differs."""

    SPEC: ClassVar[dict[str, Any]] = {}
    EVENTS: ClassVar[re.Pattern[bytes]] = re.compile(rb'"usage"\s*:\s*\{|"error"')
    """Which events of a stream can matter, after its first ones. The rest is not even parsed."""
    SIEVE: ClassVar[tuple[Mark, ...]] = ()
    """What every such event contains, for searching many at once: all that `EVENTS` finds and more, each
    mark lying in one line. Without one, each event is looked at."""

    def __init_subclass__(cls) -> None:
        # A sieve belongs to the EVENTS beside it.
        if "SIEVE" not in cls.__dict__ and not cls.__dict__.keys().isdisjoint(("EVENTS", "wants")):
            cls.SIEVE = ()

    # What stands so until the answer says otherwise. An object has of it only what was said.
    streamed: bool | None = None
    complete: bool = False
    shaped: bool = False
    """The answer looked like one of this family."""
    failed: bool = False
    """The answer says, inside an HTTP success, that the call failed."""
    generated: bool = False
    """Something was generated, whatever came after."""
    event_name: bytes = b""
    """Of the event being taken, as the framing tells it; most events tell it themselves."""
    dropped: int = 0
    """Calls in the answer beyond those that can be held."""
    _events: int = 0

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self.call = call
        self.headers = headers
        self.reading: Reading = call.reading()

    def wants(self, data: bytes) -> bool:
        """Whether this event of a stream is worth parsing."""
        if self._at_head():
            self._events += 1
            return True
        return self.EVENTS.search(data) is not None

    def _at_head(self) -> bool:
        reading = self.reading
        return self._events < _HEAD_EVENTS and not (reading.response_id and reading.response_model)

    def sieve(self) -> tuple[Mark, ...] | None:
        """What to search the rest of the stream for; None where each event is to be looked at."""
        return self.SIEVE if self.SIEVE and not self._at_head() else None

    def whole(self, root: dict[str, Any]) -> None:
        """Take an answer that is one JSON object."""
        raise NotImplementedError

    def event(self, root: dict[str, Any]) -> None:
        """Take one event of a stream."""
        raise NotImplementedError

    def around(self, data: bytes) -> dict[str, Any] | None:  # noqa: ARG002 - for those that can
        """What `whole` takes, from the ends of a large answer that is known to be whole; None: it is read."""
        return None

    def end_mark(self) -> None:
        """`[DONE]` was seen."""
        self.complete = True

    def bare(self, *, ended: bool) -> None:
        """The answer was no JSON at all: audio, plain text, nothing. Only some families answer so."""

    def names(self, root: dict[str, Any], *, model: str = "model", key: str = "id") -> None:
        """Take id and model from wherever they first stand. Azure's first event has them empty."""
        reading = self.reading
        reading.response_id = reading.response_id or text(root.get(key))
        reading.response_model = reading.response_model or text(root.get(model))

    def fail(self, error: Any) -> None:
        self.failed = True
        self.reading.error_type = error_code(error)

    def finish(self) -> list[Reading]:
        reading = self.reading
        self.collect(reading)
        reading.found = stated(reading.usage)
        if self.failed and not reading.found and not self.generated:
            self.complete = True
            reading.billable = "no"
        elif not self.complete:
            reading.billable = "unknown"
        reading.complete = self.complete
        reading.stream = self.call.asked.stream if self.streamed is None else self.streamed
        self.settle(reading)
        return [reading]

    def collect(self, reading: Reading) -> None:
        """Work out what needs the whole answer."""

    def settle(self, reading: Reading) -> None:
        """The family's last word on whether and how the call bills."""
