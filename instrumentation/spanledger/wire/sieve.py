r"""Server-sent events of which only a few matter: the others are passed by without being cut apart.

A stream is a thousand events of a word each, and three that say what it was. Once its first events have
told id and model, a block of it is searched for what a telling event cannot be without (`Parser.SIEVE`),
and only events with a hit go the ordinary way, through `ServerSentEvents` and the parser. A hit decides
nothing; a model that writes `"usage"` costs a look. What is not plain (a lone CR, an event longer than a
block) goes the ordinary way whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spanledger.wire.framing import ServerSentEvents
from spanledger.wire.usual import NOTHING_USUAL, usual_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spanledger.wire.marks import Mark
    from spanledger.wire.parser import Parser
    from spanledger.wire.usual import Usual

_CARRIED_AT_MOST: Final = 1 << 20
_LOOKS: Final = 16
"""Events of a block after each of which the parser is asked what it looks for."""


class SievedEvents:
    """As `ServerSentEvents`, for a parser that says what it looks for."""

    __slots__ = ("_amid", "_carry", "_events", "_parser", "_plain")

    def __init__(self, parser: Parser, each: Callable[[bytes, bytes], None]) -> None:
        self._parser = parser
        self._events = ServerSentEvents(each)
        self._carry = b""
        """The beginning of an event, not looked at yet."""
        self._amid = True
        """Whether the ordinary way has part of an event, and gets the rest of it."""
        self._plain = True

    @property
    def overlong(self) -> int:
        return self._events.overlong

    def feed(self, data: bytes) -> None:
        if self._carry:
            data = self._carry + data
            self._carry = b""
        looks = 0
        while self._amid or not self._plain:
            # Event by event, until the parser knows what it will look for.
            end = _first_end(data) if self._plain and looks < _LOOKS else 0
            if not end:
                self._ordinarily(data)
                return
            self._events.feed(data[:end])
            data = data[end:]
            self._amid = self._parser.sieve() is None
            looks += 1
        end = _last_end(data)
        self._carry = data[end:]
        if end:
            self._whole_events(data[:end], self._parser.sieve() or ())
        if len(self._carry) > _CARRIED_AT_MOST:
            self._ordinarily(self._carry)

    def usual(self, latest: Sequence[bytes]) -> Usual:
        """What the pieces look like that state nothing, if the latest are whole events and do not."""
        sieve = self._parser.sieve()
        if sieve is None:
            return NOTHING_USUAL
        found = usual_of(latest)
        if found is NOTHING_USUAL:
            return found
        data = b"".join(latest)
        return NOTHING_USUAL if any(mark.find(data) >= 0 for mark in sieve) else found

    def finish(self) -> None:
        self._ordinarily(self._carry)
        self._events.finish()

    def _ordinarily(self, data: bytes) -> None:
        self._carry = b""
        self._amid = True
        self._events.feed(data)

    def _whole_events(self, data: bytes, sieve: tuple[Mark, ...]) -> None:
        if b"\r" in data:
            plain = data.replace(b"\r\n", b"\n")
            if b"\r" in plain:
                self._plain = False
                self._ordinarily(data + self._carry)
                return
            data = plain
        hits = [(at, mark) for mark in sieve if (at := mark.find(data)) >= 0]
        position = 0
        while hits:
            first = min(hits, key=_position)[0]
            before = data.rfind(b"\n\n", position, first)
            start = before + 2 if before >= 0 else position
            position = data.find(b"\n\n", first) + 2
            self._events.feed(data[start:position])
            hits = [hit for old in hits if (hit := _from(position, old, data)) is not None]


def _position(hit: tuple[int, Mark]) -> int:
    return hit[0]


def _from(position: int, hit: tuple[int, Mark], data: bytes) -> tuple[int, Mark] | None:
    """The mark's next hit, no earlier than `position`."""
    if hit[0] >= position:
        return hit
    at = hit[1].find(data, position)
    return None if at < 0 else (at, hit[1])


def _first_end(data: bytes) -> int:
    """Behind the first blank line; 0 where there is none."""
    ends = [end + len(blank) for blank in (b"\n\n", b"\r\n\r\n") if (end := data.find(blank)) >= 0]
    return min(ends, default=0)


def _last_end(data: bytes) -> int:
    """Behind the last blank line; 0 where there is none."""
    end = data.rfind(b"\n\n") + 2
    # A search backwards is slow where it finds nothing.
    other = data.rfind(b"\r\n\r\n") + 4 if b"\r" in data else 0
    return max(end if end > 1 else 0, other if other > 3 else 0)
