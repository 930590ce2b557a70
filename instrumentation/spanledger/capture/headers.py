"""The headers of a request or an answer, looked up by lower-case name a few times and then forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class _Headers(Mapping[str, str]):
    """httpx's own mapping decodes all headers anew for each look; this one only what is asked for."""

    __slots__ = ("_raw",)

    def __init__(self, raw: dict[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("ascii")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, name: str, default: Any = None) -> Any:
        value = self._raw.get(name.encode("ascii"))
        return default if value is None else value.decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode("ascii", "replace") in self._raw


def headers_of(message: Any) -> Mapping[str, str]:
    """Those of a request or a response of httpx or httpx2."""
    headers = message.headers
    raw: list[tuple[bytes, bytes]] = headers.raw
    by_name = {name.lower(): value for name, value in raw}
    # A header that is there twice is rare, and the library knows how to join it.
    return _Headers(by_name) if len(by_name) == len(raw) else headers
