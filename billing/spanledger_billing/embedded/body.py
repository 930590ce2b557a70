"""A request's body: its length, its transfer encoding and its content encoding, each bounded.

The body is read whole before anything is done with it, so that a connection that breaks half-way never
leaves half an insert. What is not as HTTP says is answered and the connection closed: where a body's end
is unknown, the next request's start is too.
"""

import contextlib
import importlib
import re
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any, BinaryIO, Final

MAX_BODY: Final = 256 * 2**20
"""Bytes, decoded. The collector takes in 64 MiB at a time at most; rows are about as large as OTLP."""

_PIECE: Final = 1 << 20
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_MAX_LINE: Final = 4096


class BadRequestError(Exception):
    """A request that is not as HTTP says; with the status to answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def read(stream: BinaryIO, headers: Message) -> bytes:
    """The decoded body; empty where the request has none."""
    encoding = (headers.get("Content-Encoding") or "identity").strip().lower()
    decoder = _decoder(encoding)
    whole = bytearray()
    for piece in _transferred(stream, headers):
        for decoded in decoder(piece):
            if len(whole) + len(decoded) > MAX_BODY:
                raise BadRequestError(413, f"the body is larger than {MAX_BODY} bytes")
            whole += decoded
    for _ in decoder(b""):
        pass
    return bytes(whole)


def _transferred(stream: BinaryIO, headers: Message) -> Iterator[bytes]:
    lengths = headers.get_all("Content-Length") or []
    transfer = (headers.get("Transfer-Encoding") or "").strip().lower()
    if transfer:
        if transfer != "chunked":
            raise BadRequestError(501, "the only transfer encoding is chunked")
        if lengths:
            raise BadRequestError(400, "a request has a Content-Length or is chunked, never both")
        yield from _chunks(stream)
    elif lengths:
        if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,15}", lengths[0].strip()):
            raise BadRequestError(400, "Content-Length is not one number")
        yield from _exactly(stream, int(lengths[0]))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        size = _CHUNK_SIZE.fullmatch(_line(stream).partition(b";")[0].strip())
        if size is None:
            raise BadRequestError(400, "a chunk does not begin with its size")
        length = int(size.group(), 16)
        if length == 0:
            while _line(stream):  # trailers, of which none means anything here
                pass
            return
        yield from _exactly(stream, length)
        if _line(stream):
            raise BadRequestError(400, "a chunk is longer than its size")


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BadRequestError(400, "the body ends early, or a line of its framing does not")
    return line.rstrip(b"\r\n")


def _exactly(stream: BinaryIO, length: int) -> Iterator[bytes]:
    if length > MAX_BODY:
        raise BadRequestError(413, f"the body is larger than {MAX_BODY} bytes")
    while length:
        piece = stream.read(min(length, _PIECE))
        if not piece:
            raise BadRequestError(400, "the body ends early")
        length -= len(piece)
        yield piece


# Content encodings ------------------------------------------------------------------------------

_Decoder = Callable[[bytes], Iterator[bytes]]
"""Takes the next piece, gives what it decodes to; an empty piece means the end."""


def _decoder(encoding: str) -> _Decoder:
    if encoding in {"identity", ""}:
        return lambda piece: iter((piece,))
    if encoding in {"gzip", "deflate"}:
        # 32: gzip and zlib alike, told by their header. Never raw deflate, which nobody sends here.
        return _bounded(encoding, lambda: zlib.decompressobj(32 + zlib.MAX_WBITS), zlib.error)
    if encoding == "lz4":
        lz4 = _module("lz4.frame")
        return _bounded(encoding, lz4.LZ4FrameDecompressor, RuntimeError)
    if encoding == "zstd":
        zstd = _module("compression.zstd", "backports.zstd")
        return _bounded(encoding, zstd.ZstdDecompressor, zstd.ZstdError)
    raise BadRequestError(
        415, f"Content-Encoding {encoding[:40]!r} is not known here; known: gzip, deflate, lz4, zstd"
    )


def _module(*names: str) -> Any:
    for name in names:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise BadRequestError(415, f"the Python package {names[-1]} is not installed; send gzip or no encoding")


def _bounded(encoding: str, begin: Callable[[], Any], failure: type[Exception]) -> _Decoder:
    """At most `_PIECE` bytes at a time, so that a small body that decodes to a huge one is noticed.

    A body may be several encoded texts in a row: clickhouse-connect encodes each block of rows apart.
    """
    decompressor = begin()

    def decode(piece: bytes) -> Iterator[bytes]:
        nonlocal decompressor
        if not piece and not decompressor.eof:
            raise BadRequestError(400, f"the {encoding} body ends early")
        while piece or not _drained(decompressor):
            if decompressor.eof:
                decompressor = begin()
            try:
                decoded = decompressor.decompress(piece, _PIECE)
            except failure as error:
                raise BadRequestError(400, f"the body is not {encoding}") from error
            yield decoded
            piece = decompressor.unused_data or getattr(decompressor, "unconsumed_tail", b"")

    return decode


def _drained(decompressor: Any) -> bool:
    """Zlib hands back the input it has not used; the others keep it, and say whether they want more."""
    return bool(decompressor.eof or getattr(decompressor, "needs_input", True))
