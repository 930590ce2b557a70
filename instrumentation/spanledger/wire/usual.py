r"""What nearly every event of a stream looks like, so that it can be told at a glance that it states nothing.

Of a thousand events that a model writes, most are alike but for a word or two: the text, and OpenAI's
`obfuscation`; some are numbered. From a few that state nothing the fixed text around these is learned. An
event of the same text has the same members with the same values, whatever the words are, so it states nothing
either: a word holds no quote, so no name; no backslash, so its closing quote closes it; no line end, so no
event. A number is digits.
"""

from __future__ import annotations

import re
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DIGITS: Final = b"0123456789"
_NUMBER: Final = rb"[0-9]++"
_NUMBERED: Final = re.compile(rb'"sequence_number" ?: ?\Z')
"""What stands before the event's own number: OpenAI's responses have one."""
_WORD: Final = rb'[^"\\\r\n]*+'
_OPENS: Final = re.compile(
    rb'"(?:content|text|delta|arguments|partial_json|thinking|reasoning(?:_content)?|obfuscation)" ?: ?"\Z'
)
"""What opens a word: a member that a provider fills with what the model writes, never one that tells the
event's type or a reason."""
_AT_MOST: Final = {_NUMBER: 1, _WORD: 2}
"""Places where usual events differ: the number; the text and the padding."""
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
    """What these have in common, where each is one whole event and they differ as `_AT_MOST` says only."""
    if len(events) < 2 or any(event.find(_END) != len(event) - len(_END) for event in events):
        return NOTHING_USUAL
    fixed: list[bytes] = []
    different: list[bytes] = []
    rests = events
    while not _same(rests):
        start, kind = _up_to_difference(rests)
        if not start or different.count(kind) == _AT_MOST[kind]:
            return NOTHING_USUAL
        fixed.append(start)
        different.append(kind)
        rests = [_behind(kind, text, len(start)) for text in rests]
    fixed.append(rests[0])
    # Without a difference, it is not known where a word could be; an escape might hide where one ends.
    if not different or not rests[0] or any(b"\\" in text for text in fixed):
        return NOTHING_USUAL
    begin, *others = fixed
    pattern = b"".join([kind + re.escape(text) for kind, text in zip(different, others, strict=True)])
    return Usual(begin, len(begin), _rests[pattern])


def _up_to_difference(texts: Sequence[bytes]) -> tuple[bytes, bytes]:
    """How all of them begin, up to a number or to the quote that opens a word, and which of the two it is.

    Empty where they differ elsewhere.
    """
    begin = commonprefix(texts) or b""  # noqa: RUF071 - no paths: as far as all are alike
    number = begin.rstrip(_DIGITS)
    if _NUMBERED.search(number):
        return number, _NUMBER
    word = begin[: begin.rfind(b'"') + 1]
    return (word if _OPENS.search(word) else b""), _WORD


def _behind(kind: bytes, text: bytes, start: int) -> bytes:
    """From what is behind the number on; or from the word's closing quote on, if it has one."""
    if kind is _NUMBER:
        return text[start:].lstrip(_DIGITS)
    at = text.find(b'"', start)
    return text[at:] if at >= 0 else b""


def _same(texts: Sequence[bytes]) -> bool:
    return texts.count(texts[0]) == len(texts)
