"""The wanted members of a JSON text, whole or arriving in pieces, by whichever way is faster."""

from __future__ import annotations

from typing import Any, Final

from spanledger.wire.shorten import shortened
from spanledger.wire.skimmer import COUNT, HAS, KEEP, Skimmer, Spec, parsed

__all__ = ["COUNT", "HAS", "KEEP", "Document", "Skimmer", "Spec", "skim"]

_SMALL: Final = 1 << 16
"""Bytes up to which a whole text is parsed at once in C and pruned: faster, and soon forgotten."""
_SHORT: Final = 1 << 13
"""Bytes up to which its strings are not worth being cut."""
_END: Final = 2048
"""Bytes at either end of a text in which its small members are looked for."""


def skim(data: bytes, spec: Spec, *, long_texts: bool = False) -> Any:
    """The wanted members of one whole JSON text; None where it is not whole or no JSON.

    `long_texts`: what is kept is wanted to its end, whatever its length; else some thousand bytes of it are.
    """
    short = data if long_texts or len(data) <= _SHORT else shortened(data)
    if len(short) <= _SMALL:
        try:
            return _pruned(parsed(short), spec)
        except (ValueError, RecursionError):
            pass  # A skimmer is more lenient; what it finds does not depend on the size.
    skimmer = Skimmer(spec)
    skimmer.feed(data)
    return skimmer.root if skimmer.closed else None


def _pruned(value: Any, spec: Any) -> Any:
    if spec == KEEP:
        return value
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            return None
        members = {}
        for name, member in value.items():
            inner = spec.get(name)
            if inner is not None:
                members[name] = member if inner == KEEP else _pruned(member, inner)
        return members
    if isinstance(spec, list):
        return [_pruned(item, spec[0]) for item in value] if isinstance(value, list) else None
    if spec == COUNT:
        return len(value) if isinstance(value, list) else None
    return True


class Document:
    """One JSON text: in one piece, or in several, collected while they are few bytes and skimmed else."""

    __slots__ = ("_ends", "_first", "_more", "_skimmer", "_spec")

    def __init__(self, spec: Spec, *, ends: bool = False) -> None:
        """`ends`: the large array in it holds nothing that anybody wrote (vectors), so that what stands
        before and behind it can be read without passing through it, unless the text was cut.
        """
        self._spec = spec
        self._ends = ends
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

    def root(self, *, ended: bool = True) -> Any:
        """The wanted members; None where the text has not ended or is no JSON."""
        if self._skimmer is not None:
            return self._skimmer.root if self._skimmer.closed else None
        whole = self._first or b""
        if self._more:
            whole += self._more
        elif self._ends and ended and len(whole) > _SMALL and (root := ends(whole, self._spec)) is not None:
            return root
        return skim(whole, self._spec)


def ends(data: bytes, spec: Any) -> dict[str, Any] | None:
    """The wanted members that stand before and behind one large array at the root.

    None where it is not as simple as that, or no usage stands there. The text is taken to be whole: of one
    that was cut inside the array, the end of an element would pass for the root's.
    """
    tail = data[-_END:].rstrip()
    closing = tail.rfind(b"]")
    behind = tail[closing + 1 :].lstrip()
    if closing < 0 or not behind.startswith(b","):
        return None
    try:
        last = parsed(b"{" + behind[1:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(last, dict) or not isinstance(last.get("usage"), dict):
        return None
    first = Skimmer(spec)
    first.feed(data[:_END])
    return {**first.members, **_pruned(last, spec)}
