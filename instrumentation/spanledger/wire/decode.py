"""Undoes a Content-Encoding piece by piece: the tee sees the bytes of the wire.

brotli and zstandard are taken where the app has them, as its own HTTP library does; an answer in a
coding that nobody here can undo is a call whose usage is missing, and is counted as such.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_CODINGS: Final = 5


class ContentDecodingError(ValueError):
    """A coding that cannot be undone here, or data that is not in it."""


class ContentDecoder(Protocol):
    def feed(self, data: bytes) -> bytes:
        """What these bytes add to the decoded body.

        Raises:
            ContentDecodingError: the data is not in the coding that was announced.

        """


def content_decoder(content_encoding: str | None) -> ContentDecoder | None:
    """A decoder for this header's value; None where there is nothing to undo.

    Raises:
        ContentDecodingError: one of the codings is unknown here.

    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return None
    if len(names) > _MAX_CODINGS:
        raise ContentDecodingError(f"found {len(names)} content codings, at most {_MAX_CODINGS} are undone")
    return _Codings([_coding(name) for name in reversed(names)])


def _coding(name: str) -> ContentDecoder:
    if name in ("gzip", "x-gzip"):
        return _Zlib(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Engine(_brotli())
    if name == "zstd":
        return _Engine(_zstandard())
    raise ContentDecodingError(
        f"found content coding {name[:32]!r}; gzip, deflate, br and zstd can be undone"
    )


class _Codings:
    """Codings laid one over the other, the outermost first."""

    def __init__(self, decoders: list[ContentDecoder]) -> None:
        self._decoders = decoders

    def feed(self, data: bytes) -> bytes:
        for decoder in self._decoders:
            data = decoder.feed(data)
        return data


class _Zlib:
    """gzip (of any number of members) and deflate (in zlib's wrapper or, as some send it, without)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._engine = zlib.decompressobj(wbits)
        self._head: bytes | None = b"" if wbits == zlib.MAX_WBITS else None

    def feed(self, data: bytes) -> bytes:
        if self._head is not None:
            # Two bytes tell zlib's wrapper: a multiple of 31 whose low four bits say "deflate".
            self._head = data = self._head + data
            if len(data) < 2:
                return b""
            self._head = None
            if data[0] & 15 != 8 or int.from_bytes(data[:2], "big") % 31:
                self._wbits = -zlib.MAX_WBITS
                self._engine = zlib.decompressobj(self._wbits)
        decoded = []
        while data:
            try:
                decoded.append(self._engine.decompress(data))
            except zlib.error as error:
                raise ContentDecodingError(str(error)) from error
            data = self._engine.unused_data if self._engine.eof else b""
            if self._engine.eof:
                self._engine = zlib.decompressobj(self._wbits)
        return b"".join(decoded)


class _Engine:
    """A library's own incremental decompressor."""

    def __init__(self, decompress: Callable[[bytes], bytes]) -> None:
        self._decompress = decompress

    def feed(self, data: bytes) -> bytes:
        try:
            return self._decompress(data) if data else b""
        except Exception as error:
            raise ContentDecodingError(str(error)) from error


def _brotli() -> Callable[[bytes], bytes]:
    for name in ("brotli", "brotlicffi"):
        try:
            engine: Any = import_module(name).Decompressor()
        except ImportError:
            continue
        decompress: Callable[[bytes], bytes] = getattr(engine, "process", None) or engine.decompress
        return decompress
    raise ContentDecodingError("found content coding 'br' and no brotli package to undo it")


def _zstandard() -> Callable[[bytes], bytes]:
    try:
        import zstandard
    except ImportError:
        raise ContentDecodingError(
            "found content coding 'zstd' and no zstandard package to undo it"
        ) from None
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress
