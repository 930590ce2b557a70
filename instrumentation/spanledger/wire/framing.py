r"""Cuts a stream into its events as it arrives: server-sent events, lines of JSON, AWS event streams.

Pieces may be of any size and end anywhere, inside a UTF-8 sequence or a line's `\r\n`. Each byte is
looked at a fixed number of times. An event larger than `MAX_EVENT` is passed over and counted.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_EVENT: Final = 16 << 20
"""Bytes. The last event of a response repeats its whole output, images in base64 included."""


class Lines:
    r"""Lines ended by `\n`, `\r\n` or `\r`."""

    __slots__ = ("_after_cr", "_dropping", "_open", "overlong")

    def __init__(self) -> None:
        self._open = bytearray()
        self._after_cr = False
        self._dropping = False
        self.overlong = 0

    def feed(self, data: bytes) -> list[bytes]:
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        if not data:
            return []
        lines = data.splitlines()
        rest = b"" if data[-1] in b"\r\n" else lines.pop()
        self._after_cr = data[-1] == 0x0D
        if lines:
            if self._dropping:
                self._dropping = False
                del lines[0]
            elif self._open:
                lines[0] = bytes(self._open) + lines[0]
                self._open.clear()
        if rest and not self._dropping:
            if len(self._open) + len(rest) > MAX_EVENT:
                self._open.clear()
                self._dropping = True
                self.overlong += 1
            else:
                self._open += rest
        return lines

    def finish(self) -> bytes:
        """The last line where nothing ended it."""
        return bytes(self._open)


class ServerSentEvents:
    """Calls `each(event, data)` for every event with data; comments and ids are nobody's business."""

    __slots__ = ("_data", "_each", "_event", "_lines", "_size", "_started")

    def __init__(self, each: Callable[[bytes, bytes], None]) -> None:
        self._each = each
        self._lines = Lines()
        self._event = b""
        self._data: list[bytes] = []
        self._size = 0
        self._started = False

    @property
    def overlong(self) -> int:
        return self._lines.overlong

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._line(line)

    def finish(self) -> None:
        """What stands there when the connection ends counts, though no blank line follows it."""
        rest = self._lines.finish()
        if rest:
            self._line(rest)
        self._line(b"")

    def _line(self, line: bytes) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data = []
                self._size = 0
                self._each(self._event, data)
            self._event = b""
        elif line.startswith(b"data"):
            name, _, value = line.partition(b":")
            if name == b"data":
                self._size += len(value)
                if self._size <= MAX_EVENT:
                    self._data.append(value.removeprefix(b" "))
        elif line.startswith(b"event:"):
            self._event = line[6:].strip()


class JsonLines:
    """Calls `each(b"", line)` for every line that is not blank."""

    __slots__ = ("_each", "_lines")

    def __init__(self, each: Callable[[bytes, bytes], None]) -> None:
        self._each = each
        self._lines = Lines()

    @property
    def overlong(self) -> int:
        return self._lines.overlong

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if line:
                self._each(b"", line)

    def finish(self) -> None:
        rest = self._lines.finish()
        if rest:
            self._each(b"", rest)


class AwsEventStream:
    """Calls `each(event, payload)` for every frame of `application/vnd.amazon.eventstream`.

    `event` is the frame's `:event-type`, or its `:exception-type`. A frame that fails its checksum ends
    the reading: nothing behind it can be found again.
    """

    __slots__ = ("_buffer", "_each", "_skip", "broken", "overlong")

    def __init__(self, each: Callable[[bytes, bytes], None]) -> None:
        self._each = each
        self._buffer = bytearray()
        self._skip = 0
        self.broken = False
        self.overlong = 0

    def feed(self, data: bytes) -> None:
        if self.broken:
            return
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        self._buffer += data
        position = 0
        while not self.broken and len(self._buffer) - position >= 12:
            total, headers = struct.unpack_from(">II", self._buffer, position)
            prelude = bytes(self._buffer[position : position + 12])
            if zlib.crc32(prelude[:8]) != int.from_bytes(prelude[8:], "big") or total < headers + 16:
                self.broken = True
                break
            if total > MAX_EVENT:
                self.overlong += 1
                self._skip = total - (len(self._buffer) - position)
                position = len(self._buffer) if self._skip >= 0 else position + total
                self._skip = max(self._skip, 0)
                continue
            if len(self._buffer) - position < total:
                break
            self._frame(bytes(self._buffer[position : position + total]), headers)
            position += total
        if self.broken:
            self._buffer.clear()
        else:
            del self._buffer[:position]

    def finish(self) -> None:
        """Half a frame says nothing."""

    def _frame(self, frame: bytes, headers: int) -> None:
        if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
            self.broken = True
            return
        named = dict(_headers(frame[12 : 12 + headers]))
        kind = named.get(b":exception-type") or named.get(b":error-code") or named.get(b":event-type") or b""
        if named.get(b":message-type", b"event") != b"event":
            kind = b"exception:" + kind
        self._each(kind, frame[12 + headers : -4])


_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Of a header's value, by its type; types 6 and 7, bytes and text, state their own."""


def _headers(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 2 <= len(data):
        name_end = position + 1 + data[position]
        if name_end >= len(data):
            return
        name, kind = data[position + 1 : name_end], data[name_end]
        position = name_end + 1
        if kind in (6, 7):
            size = int.from_bytes(data[position : position + 2], "big")
            position += 2
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            return
        yield name, data[position : position + size]
        position += size
