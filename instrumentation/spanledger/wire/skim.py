"""The wanted members of a JSON text, whole or arriving in pieces, by whichever way is faster."""

from __future__ import annotations

from typing import Any, Final

from spanledger.wire.skimmer import COUNT, HAS, KEEP, Skimmer, Spec, parsed

__all__ = ["COUNT", "HAS", "KEEP", "Document", "Skimmer", "Spec", "skim"]

_SMALL: Final = 1 << 16
"""Bytes up to which a whole text is parsed at once in C and pruned: faster, and soon forgotten."""


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

    __slots__ = ("_skimmer", "_small", "_spec")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._small = bytearray()
        self._skimmer: Skimmer | None = None

    def feed(self, data: bytes) -> None:
        if self._skimmer is None:
            self._small += data
            if len(self._small) <= _SMALL:
                return
            self._skimmer = Skimmer(self._spec)
            data = bytes(self._small)
            self._small.clear()
        self._skimmer.feed(data)

    @property
    def root(self) -> Any:
        """The wanted members; None where the text has not ended or is no JSON."""
        if self._skimmer is None:
            return skim(bytes(self._small), self._spec)
        return self._skimmer.root if self._skimmer.closed else None
