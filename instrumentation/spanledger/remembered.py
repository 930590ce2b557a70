"""A memory of what is made again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_V = TypeVar("_V")


class Remembered(dict[Any, _V]):
    """What `make` makes of a key, by that key; all is forgotten where it has become too much.

    A look is one step that only reads. `functools.lru_cache` writes an order of use at each,
    in memory that has left the processor's caches between two calls of an app.
    """

    __slots__ = ("_at_most", "_make")

    def __init__(self, make: Callable[[Any], _V], at_most: int = 1024) -> None:
        super().__init__()
        self._make = make
        self._at_most = at_most

    def __missing__(self, key: Any) -> _V:
        if len(self) >= self._at_most:
            self.clear()
        value = self[key] = self._make(key)
        return value
