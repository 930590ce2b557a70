"""The wanted members of a JSON text, whole or arriving in pieces, by whichever way is faster."""

from __future__ import annotations

from typing import Any, Final

from spanledger.wire.skimmer import COUNT, HAS, KEEP, Skimmer, Spec, parsed

__all__ = ["COUNT", "HAS", "KEEP", "Document", "Skimmer", "Spec", "skim"]

_SMALL: Final = 1 << 16
"""Bytes up to which a whole text is parsed at once in C and pruned: faster, and soon forgotten."""
_END: Final = 2048
"""Bytes at either end of a text in which its small members are looked for."""


def skim(data: bytes, spec: Spec) -> Any:
    """The wanted members of one whole JSON text; None where it is not whole or no JSON."""
    if len(data) <= _SMALL:
        try:
            return _pruned(parsed(data), spec)
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
    """One JSON text that arrives in pieces: collected while it is small, skimmed once it is not."""

    __slots__ = ("_ends", "_skimmer", "_small", "_spec", "_whole")

    def __init__(self, spec: Spec, *, ends: bool = False) -> None:
        """`ends`: the large array in it holds nothing that anybody wrote (vectors), so that what stands
        before and behind it can be read without passing through it, unless the text was cut.
        """
        self._spec = spec
        self._ends = ends
        self._small = bytearray()
        self._whole: bytes | None = None
        self._skimmer: Skimmer | None = None

    def feed(self, data: bytes) -> None:
        if self._skimmer is None:
            if self._whole is None:
                if len(self._small) + len(data) <= _SMALL:
                    self._small += data
                    return
                if self._ends and not self._small:
                    self._whole = data
                    return
            self._skimmer = Skimmer(self._spec)
            if self._whole is not None:
                self._skimmer.feed(self._whole)
                self._whole = None
            elif self._small:  # what is large in one piece is not copied
                data = bytes(self._small) + data
                self._small.clear()
        self._skimmer.feed(data)

    def root(self, *, ended: bool = True) -> Any:
        """The wanted members; None where the text has not ended or is no JSON."""
        if self._whole is not None:
            root = ends(self._whole, self._spec) if ended else None
            return skim(self._whole, self._spec) if root is None else root
        if self._skimmer is None:
            return skim(bytes(self._small), self._spec)
        return self._skimmer.root if self._skimmer.closed else None


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
