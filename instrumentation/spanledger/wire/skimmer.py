"""Reads a JSON text for a few members and skips the rest, as it arrives, in bounded memory.

An answer is mostly content: prose, embeddings, images. None of it is wanted (law: no content), and
building Python objects of it would delay the app by as much as its own parsing does. A skimmer is told
by a `Spec` which members to keep; everything else passes by at the speed of a regular expression and
is never decoded. That members are found only at their path from the root is not a check but the way it
works: a `usage` that a model wrote into a tool's arguments lies on no path.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP: Final = "keep"
"""The member as it is. Of the size of a usage object, not of content."""
HAS: Final = "has"
"""True where the member is there at all."""
COUNT: Final = "count"
"""How many elements an array has."""

Spec = str | dict[str, Any] | list[Any]
"""KEEP, HAS, COUNT; or members by name, each with its spec; or one spec for each element of an array."""

MAX_KEPT: Final = 1 << 20
"""Bytes of one kept member. A usage object has hundreds; a response's prompt as `input` may have more."""
MAX_ITEMS: Final = 1 << 16
_MAX_KEY: Final = 256
_VECTOR: Final = 1 << 17
_DEEP: Final = 64
"""Levels that no content has: below them brackets are not looked at one by one."""
_DIGITS: Final = frozenset((b"-", *(b"%d" % digit for digit in range(10))))
_BOM: Final = b"\xef\xbb\xbf"
_NO_NAME: Final = "\0"
"""Stands for a member's name that cannot be a wanted one."""

# Possessive throughout: no input makes these backtrack.
_BETWEEN: Final = re.compile(rb"[\s,:\xef\xbb\xbf]*+")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TO_QUOTE: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR: Final = re.compile(rb'[^\s,:\[\]{}"]*+')


def _in_one_match(levels: int) -> tuple[bytes, bytes]:
    """Patterns of what is short and holds no container, and of a container of few levels of that."""
    atom = rb'[^"{}\[\]]{1,256}+(?=["{}\[\]])|"[^"\\]{0,1024}+(?:\\.[^"\\]{0,1024}+){0,1024}+"'
    container = rb"[{\[](?:" + atom + rb")*+[}\]]"
    for _ in range(levels):
        container = rb"[{\[](?:" + atom + rb"|" + container + rb")*+[}\]]"
    return atom, container


_ATOM, _SHALLOW = _in_one_match(3)
_LONG: Final = re.compile(rb'[^"{}\[\]]*+')
_CONTAINER: Final = re.compile(_SHALLOW, re.DOTALL)
_PASSABLE: Final = re.compile(rb"(?:" + _ATOM + rb"|" + _SHALLOW + rb")*+", re.DOTALL)


def _integer(digits: str) -> int | None:
    # Python refuses to convert thousands of digits; no count has more than nineteen.
    return int(digits) if len(digits) <= 20 else None


def _decimal(digits: str) -> Decimal | None:
    try:
        return Decimal(digits)
    except ArithmeticError:
        return None


_scan: Final = json.JSONDecoder(
    parse_float=_decimal, parse_constant=lambda _name: None, strict=False
).scan_once  # type: ignore[attr-defined]
_scan_long: Final = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=lambda _name: None, strict=False
).scan_once  # type: ignore[attr-defined]
_SPACE: Final = " \t\n\r"


def parsed(data: bytes | bytearray) -> Any:
    """A whole JSON text, by the same rules for numbers as a skimmer's.

    Raises:
        ValueError: it is no JSON, or not whole.
        RecursionError: it is nested too deep to be parsed at once.

    """
    text = data.removeprefix(_BOM).decode("utf-8", "replace")
    start = 0 if text[:1] in "{[" else len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = _scan(text, start)
    except StopIteration:
        raise ValueError("no JSON") from None
    except ValueError:
        # Also raised for a number of more digits than Python converts.
        try:
            value, end = _scan_long(text, start)
        except StopIteration:
            raise ValueError("no JSON") from None
    if end != len(text) and text[end:].strip(_SPACE):
        raise ValueError("more than one value")
    return value


def _decoded(kept: bytes | bytearray) -> Any:
    try:
        return parsed(kept)
    except (ValueError, RecursionError):
        return None


def _vector_end(data: bytes, position: int) -> int:
    """Where the array of numbers that begins here ends; -1 if it is none, or goes on for long."""
    if data[position : position + 1] not in _DIGITS or _holds_more(data, position, position + 256):
        return -1
    closing = data.find(b"]", position, position + _VECTOR)
    return closing if closing == -1 or not _holds_more(data, position, closing) else -1


def _holds_more(data: bytes, start: int, end: int) -> bool:
    # Braces without a quote between them are an empty object, which changes nothing about the array's end.
    return data.find(b'"', start, end) != -1 or data.find(b"[", start, end) != -1


class _Frame:
    """An object or array on the path to something wanted."""

    __slots__ = ("items", "key", "members", "object", "seen", "spec")

    def __init__(self, spec: Any, *, is_object: bool) -> None:
        self.object = is_object
        self.spec = spec
        self.members: dict[str, Any] = {}
        self.items: list[Any] = []
        self.seen = 0
        self.key: str | None = None

    @property
    def value(self) -> Any:
        if self.object:
            return self.members
        return self.seen if self.spec == COUNT else self.items


class Skimmer:
    """One JSON text. Feed it pieces of any size; `closed` says that the root ended, `root` holds it."""

    __slots__ = (
        "_carry",
        "_depth",
        "_each",
        "_escaped",
        "_in_scalar",
        "_in_string",
        "_kept",
        "_skipping",
        "_spec",
        "_stack",
        "_want",
        "broken",
        "closed",
        "root",
    )

    def __init__(self, spec: Spec, each: Callable[[Any], None] | None = None) -> None:
        """`each` takes the elements of a root array one by one, instead of `root` collecting them."""
        self._spec = spec
        self._each = each
        self._stack: list[_Frame] = []
        self._carry = b""
        self._skipping = False
        self._in_string = False
        self._in_scalar = False
        self._escaped = False
        self._depth = 0
        self._want: Any = None
        self._kept: bytearray | None = None
        self.root: Any = None
        self.closed = False
        self.broken = False

    @property
    def members(self) -> dict[str, Any]:
        """Of a root object that has not ended: what has been read so far."""
        if not self._stack:
            return {}
        frame = self._stack[0]
        under_way = frame.key if frame.object and frame.spec.get(frame.key) == HAS else None
        return frame.members if under_way is None else {**frame.members, under_way: True}

    @property
    def passes_array(self) -> bool:
        """Whether it is inside of a member of the root that is wanted for being there, no text or number."""
        root = self._stack[0] if len(self._stack) == 1 else None
        return root is not None and root.object and root.spec.get(root.key) == HAS and self._depth > 0

    def feed(self, data: bytes) -> None:
        if self._carry:
            data = self._carry + data
            self._carry = b""
        position, end = 0, len(data)
        while position < end and not self.closed and not self.broken:
            if self._skipping:
                position = self._skip(data, position)
                continue
            position = _BETWEEN.match(data, position).end()  # type: ignore[union-attr]
            if position < end:
                position = self._token(data, position)

    def _token(self, data: bytes, position: int) -> int:
        first = data[position]
        frame = self._stack[-1] if self._stack else None
        if first in b"}]":
            if frame is None or frame.object is not (first == 0x7D):
                self.broken = True
                return position
            self._stack.pop()
            self._put(frame.value)
            return position + 1
        if frame is not None and frame.object and frame.key is None:
            return self._key(frame, data, position)
        want: Any = self._spec
        if frame is not None:
            frame.seen += 1
            if frame.object:
                want = frame.spec.get(frame.key)
            else:
                want = frame.spec[0] if isinstance(frame.spec, list) else None
        elif first == 0x5B and self._each is not None:
            want = [self._spec]
        return self._value(first, want, position)

    def _key(self, frame: _Frame, data: bytes, position: int) -> int:
        if data[position] != 0x22:
            self.broken = True
            return position
        match = _STRING.match(data, position)
        if match is not None:
            raw = match.group()
            key = _decoded(raw)
            frame.key = key if isinstance(key, str) else _NO_NAME
            return match.end()
        if len(data) - position <= _MAX_KEY:
            self._carry = data[position:]
            return len(data)
        frame.key = _NO_NAME
        self._start(None, in_string=True, as_key=True)
        return position + 1

    def _value(self, first: int, want: Any, position: int) -> int:
        if first == 0x7B and isinstance(want, dict):
            self._stack.append(_Frame(want, is_object=True))
            return position + 1
        if first == 0x5B and (isinstance(want, list) or want == COUNT):
            self._stack.append(_Frame(want, is_object=False))
            return position + 1
        if first == 0x22:
            self._start(want, in_string=True)
            if self._kept is not None:
                self._kept += b'"'
            return position + 1
        self._start(want, in_scalar=first not in b"{[")
        return position

    def _start(
        self, want: Any, *, in_string: bool = False, in_scalar: bool = False, as_key: bool = False
    ) -> None:
        self._skipping = True
        self._depth = -1 if as_key else 0
        self._in_string = in_string
        self._in_scalar = in_scalar
        self._escaped = False
        self._want = want
        self._kept = bytearray() if want == KEEP else None

    def _skip(self, data: bytes, position: int) -> int:
        """Pass by one value, or copy it where it is kept."""
        start, end = position, len(data)
        done = False
        while position < end and not done:
            if self._in_string:
                position, done = self._skip_string(data, position, end)
            elif self._in_scalar:
                position = _SCALAR.match(data, position).end()  # type: ignore[union-attr]
                done = position < end
            else:
                position, done = self._skip_container(data, position, end)
        if self._kept is not None:
            if len(self._kept) + position - start > MAX_KEPT:
                self._kept, self._want = None, None
            else:
                self._kept += data[start:position]
        if done:
            self._skipping = False
            if self._depth != -1:
                self._finish_value()
        return position

    def _skip_container(self, data: bytes, position: int, end: int) -> tuple[int, bool]:
        if self._depth == 0 and (shallow := _CONTAINER.match(data, position)) is not None:
            return shallow.end(), True
        if self._depth > _DEEP:
            position = self._pass_deep(data, position, end)
        elif self._depth:
            position = _PASSABLE.match(data, position).end()  # type: ignore[union-attr]
            position = _LONG.match(data, position).end()  # type: ignore[union-attr]
        if position == end:
            return end, False
        char = data[position]
        position += 1
        if char == 0x22:
            self._in_string = True
            return position, False
        if char in b"}]":
            self._depth -= 1
            return position, self._depth <= 0
        self._depth += 1
        # A vector of thousands of numbers: its end is the first bracket there is.
        closing = _vector_end(data, position) if char == 0x5B else -1
        if closing == -1:
            return position, False
        self._depth -= 1
        return closing + 1, self._depth <= 0

    def _pass_deep(self, data: bytes, position: int, end: int) -> int:
        """As far as it cannot end, whatever brackets are there."""
        stop = min(end, position + self._depth - 1)
        quote = data.find(b'"', position, stop)
        if quote != -1:
            stop = quote
        self._depth += sum(data.count(opening, position, stop) for opening in (b"[", b"{"))
        self._depth -= sum(data.count(closing, position, stop) for closing in (b"]", b"}"))
        return stop

    def _skip_string(self, data: bytes, position: int, end: int) -> tuple[int, bool]:
        if self._escaped:
            self._escaped = False
            return position + 1, False
        # A long string is base64 or prose without quotes, mostly: its end is the first quote there is.
        quote = data.find(b'"', position)
        if quote == -1 or (quote > position and data[quote - 1] == 0x5C):
            quote = _TO_QUOTE.match(data, position).end()  # type: ignore[union-attr]
        if quote == end:
            return end, False
        if data[quote] == 0x5C:
            # The piece ends in a backslash: what it escapes is still to come.
            self._escaped = True
            return quote + 1, False
        self._in_string = False
        return quote + 1, self._depth <= 0

    def _finish_value(self) -> None:
        if self._kept is not None:
            self._put(_decoded(self._kept))
            self._kept = None
        else:
            self._put(True if self._want == HAS else None)

    def _put(self, value: Any) -> None:
        if not self._stack:
            self.root = value
            self.closed = True
            return
        frame = self._stack[-1]
        if frame.object:
            if frame.key is not None and frame.key in frame.spec:
                frame.members[frame.key] = value
            frame.key = None
        elif len(self._stack) == 1 and self._each is not None:
            self._each(value)
        elif frame.spec != COUNT and len(frame.items) < MAX_ITEMS:
            frame.items.append(value)
