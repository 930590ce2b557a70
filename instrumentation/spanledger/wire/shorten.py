"""A JSON text with its long strings cut short, so that parsing it costs what its members do, not its prose.

Questions and answers are a few long strings among short members. None of the long ones is wanted, and of a
name that is, the first `_KEPT` bytes are more than anybody keeps (`values.MAX_TEXT`). To pass by a string
takes a tenth of the time that it takes to decode it.
"""

from __future__ import annotations

import re
from typing import Final

_KEPT: Final = 4096
"""Bytes of a long string that stay: more than `MAX_TEXT` characters, each a pair of surrogates in escapes."""
_LONG_STRINGS: Final = 16
"""That many are cut; a text of more is mostly short ones, which are parsed faster than looked at."""
# Possessive throughout. What fits none of these is a string that may be long.
_SHORT: Final = re.compile(rb'(?:[^"]++|"[^"\\]{0,1024}+(?:\\.[^"\\]{0,1024}+){0,16}+"){0,512}+', re.DOTALL)
_QUOTES: Final = 16
_APART: Final = 1024
"""Bytes between escaped quotes, on average and beyond `_QUOTES` of them. Where they stand closer, to decode
the string takes less time than to look at them."""
_ESCAPE: Final = len(r"\u0000")


def shortened(data: bytes) -> bytes:
    """`data`, at most of `_LONG_STRINGS` long strings only the first bytes. What is no JSON stays none."""
    parts: list[bytes] = []
    begin = position = 0
    for _ in range(_LONG_STRINGS):
        position = _SHORT.match(data, position).end()  # type: ignore[union-attr]
        if data[position : position + 1] != b'"':
            break  # the end, or too many short ones
        closing = _closing(data, position + 1)
        if closing < 0:
            break
        if closing - position > 2 * _KEPT:
            parts.append(_cut(data[begin : position + 1 + _KEPT]))
            begin = closing
        position = closing + 1
    if not parts:
        return data
    parts.append(data[begin:])
    return b"".join(parts)


def _closing(data: bytes, position: int) -> int:
    """Where the string ends that begins at `position`; -1 where that is not seen soon."""
    enough = position - _QUOTES * _APART
    while position >= enough:
        quote = data.find(b'"', position)
        if quote < 0 or _backslashes(data, quote) % 2 == 0:
            return quote
        position = quote + 1
        enough += _APART
    return -1


def _cut(start: bytes) -> bytes:
    """Without an escape at its end that may be there in part."""
    last = start.rfind(b"\\", len(start) - _ESCAPE)
    return start if last < 0 or _backslashes(start, last) % 2 else start[:last]


def _backslashes(data: bytes, position: int) -> int:
    """How many stand before `position`, which lies in a string."""
    before = position
    while data[before - 1] == 0x5C:
        before -= 1
    return position - before
