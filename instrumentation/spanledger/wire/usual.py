r"""What nearly every event of a stream looks like, so that it can be told at a glance that it states nothing.

Of a thousand events that a model writes, most are alike but for a word or two: the text, and OpenAI's
`obfuscation`. From a few that state nothing the fixed text around these words is learned. An event of the
same text has the same members with the same values, whatever the words are, so it states nothing either:
a word holds no quote, so no name; no backslash, so its closing quote closes it; no line end, so no event.
"""

from __future__ import annotations

import re
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORD: Final = rb'[^"\\\r\n]*'
_OPENS: Final = re.compile(
    rb'"(?:content|text|delta|arguments|partial_json|thinking|reasoning(?:_content)?|obfuscation)" ?: ?"\Z'
)
"""What opens a word: a member that a provider fills with what the model writes, never one that tells the
event's type or a reason."""
_END: Final = b"\n\n"


class Usual(NamedTuple):
    """An event is usual where `event[:length] == begin` and `rest(event, length)` is not None.

    For who looks at each chunk of a stream: as two steps of C, and no function of ours.
    """

    begin: bytes
    length: int
    """Of `begin`."""
    rest: Callable[[bytes, int], Any]


_rests: Final = Remembered[Any](lambda pattern: re.compile(pattern).fullmatch, 64)
NOTHING_USUAL: Final = Usual(b"\xff", 1, _rests[rb"(?!)"])
"""Of a stream that nothing is known of yet, or in the middle of an event."""


def usual_of(events: Sequence[bytes]) -> Usual:
    """What these have in common, where each is one whole event, and they differ in one word or two only."""
    if len(events) < 2 or any(event.find(_END) != len(event) - len(_END) for event in events):
        return NOTHING_USUAL
    begin = _up_to_word(events)
    if not begin:
        return NOTHING_USUAL
    rests = [_behind_word(event, len(begin)) for event in events]
    pattern = _WORD
    if not _same(rests):
        between = _up_to_word(rests)
        if not between:
            return NOTHING_USUAL
        pattern += re.escape(between) + _WORD
        rests = [_behind_word(rest, len(between)) for rest in rests]
    if b"\\" in begin or not _same(rests) or not _closes(rests[0]):
        return NOTHING_USUAL
    return Usual(begin, len(begin), _rests[pattern + re.escape(rests[0])])


def _up_to_word(texts: Sequence[bytes]) -> bytes:
    """How all of them begin, up to the quote that opens a word; empty where they differ elsewhere."""
    begin = commonprefix(texts) or b""  # noqa: RUF071 - no paths: as far as all are alike
    begin = begin[: begin.rfind(b'"') + 1]
    return begin if _OPENS.search(begin) else b""


def _behind_word(text: bytes, start: int) -> bytes:
    """From the next quote on."""
    at = text.find(b'"', start)
    return text[at:] if at >= 0 else b""


def _same(texts: Sequence[bytes]) -> bool:
    return texts.count(texts[0]) == len(texts)


def _closes(rest: bytes) -> bool:
    return rest.startswith(b'"') and b"\\" not in rest
