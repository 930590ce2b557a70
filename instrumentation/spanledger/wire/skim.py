"""The wanted members of a JSON text, whole or arriving in pieces, by whichever way is faster."""

from __future__ import annotations

from typing import Any, Final

from spanledger.wire.shorten import shortened
from spanledger.wire.skimmer import COUNT, HAS, KEEP, MAX_KEPT, Skimmer, Spec, parsed

__all__ = ["COUNT", "HAS", "KEEP", "Document", "Skimmer", "Spec", "pruned", "skim"]

_SMALL: Final = 1 << 16
"""Bytes up to which a whole text is parsed at once in C and pruned: faster, and soon forgotten."""
_SAMPLED: Final = 512
"""Bytes by which it is told what a text is mostly made of."""
_OF_NUMBERS: Final = b"0123456789-+.eE,[] \n"
LARGE: Final = 1 << 13
"""Bytes beyond which it is worth a search for what can be left out."""


def skim(data: bytes, spec: Spec, *, long_texts: bool = False, at_once: int = MAX_KEPT) -> Any:
    """The wanted members of one whole JSON text; None where it is not whole or no JSON.

    `long_texts`: what is kept is wanted to its end, whatever its length; else some thousand bytes of it are.
    `at_once`: bytes of a large one that may be parsed at once, which may take twenty times as much memory.
    """
    short = data if long_texts or len(data) <= LARGE else shortened(data)
    if len(short) <= _SMALL or (len(short) <= at_once and _worded(short)):
        try:
            return pruned(parsed(short), spec)
        except (ValueError, RecursionError):
            pass  # A skimmer is more lenient; what it finds does not depend on the size.
    skimmer = Skimmer(spec)
    skimmer.feed(data)
    return skimmer.root if skimmer.closed else None


def _worded(data: bytes) -> bool:
    """Whether it is mostly words, as an agent's prompt with code and tools is: then a skimmer, which looks at
    each escape and at each member on a wanted path, takes several times as long as to parse it in C. Of
    vectors it is the other way round.
    """
    sample = data[:: len(data) // _SAMPLED + 1]
    return len(sample.translate(None, _OF_NUMBERS)) * 2 > len(sample)


def pruned(value: Any, spec: Any) -> Any:
    """The wanted members of a value."""
    if spec == KEEP:
        return value
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            return None
        members = {}
        for name, member in value.items():
            inner = spec.get(name)
            if inner is not None:
                members[name] = member if inner == KEEP else pruned(member, inner)
        return members
    if isinstance(spec, list):
        return [pruned(item, spec[0]) for item in value] if isinstance(value, list) else None
    if spec == COUNT:
        return len(value) if isinstance(value, list) else None
    return True


class Document:
    """One JSON text: in one piece, or in several, collected while they are few bytes and skimmed else."""

    __slots__ = ("_first", "_more", "_skimmer", "_spec")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._first: bytes | None = None
        """Not copied: it may be all of a large answer."""
        self._more = bytearray()
        self._skimmer: Skimmer | None = None

    def feed(self, data: bytes) -> None:
        if self._skimmer is not None:
            self._skimmer.feed(data)
        elif self._first is None:
            self._first = data
        elif len(self._first) + len(self._more) + len(data) <= _SMALL:
            self._more += data
        else:
            self._skimmer = Skimmer(self._spec)
            for piece in (self._first, bytes(self._more), data):
                self._skimmer.feed(piece)
            self._first, self._more = None, bytearray()

    def root(self) -> Any:
        """The wanted members; None where the text has not ended or is no JSON."""
        if self._skimmer is not None:
            return self._skimmer.root if self._skimmer.closed else None
        whole = self._first or b""
        return skim(whole + self._more if self._more else whole, self._spec)
