"""A record: one span as it stands in a segment.

    magic 4 | length of the body 4 | crc32 of length and body 4 | body
    body: written at (Unix ns) 8 | length of the resource 4 | length of the scope 4 | resource | scope | span

All numbers little-endian. A record holds all that its span needs, resource and scope included: damage to one
record costs that one and no other. The magic has bytes that no UTF-8 text has, so nothing that a provider or
an app can put into an attribute looks like the beginning of a record.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spanledger.delivery.otlp import EncodedSpan, Group

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"\xffSp\xfe"
_HEAD: Final = struct.Struct("<4sII")
_LENGTH: Final = struct.Struct("<I")
_BODY: Final = struct.Struct("<QII")
_BOTH: Final = struct.Struct(_HEAD.format + _BODY.format.removeprefix("<"))
LARGEST_BODY: Final = 16 * 1024 * 1024
"""A length beyond it is damage: an attribute of a billing span is bounded to a fraction of that."""


@dataclass(slots=True, eq=False)  # not frozen: to make one would take three times as long
class Record:
    """A whole record, from `start` to `end` of what was read."""

    start: int
    end: int
    written_ns: int
    span: EncodedSpan


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record. `torn`: nothing readable follows them, as after a kill or a power loss."""

    start: int
    end: int
    torn: bool


def framed(span: EncodedSpan, written_ns: int) -> bytes:
    """The record of a span. Raises ValueError where it would be too long to be read back."""
    resource, scope = span.group.resource, span.group.scope
    body = b"".join(
        (_BODY.pack(written_ns, len(resource), len(scope)), resource, scope, span.field),
    )
    if len(body) > LARGEST_BODY:
        raise ValueError("the span is too large for the outbox")
    length = _LENGTH.pack(len(body))
    return b"".join((_HEAD.pack(MAGIC, len(body), zlib.crc32(body, zlib.crc32(length))), body))


def scan(data: bytes, *, final: bool) -> Iterator[Record | Damage]:
    """The records in `data` and what is damaged between them.

    Unless `final`, somebody may still be writing: an end that is no record is left out, to be read again.
    """
    view = memoryview(data)
    at = 0
    while at < len(data):
        record = _record(data, view, at)
        if record is not None:
            yield record
            at = record.end
            continue
        following = _next_record(data, view, at + 1)
        if following:
            yield Damage(at, following, torn=False)
            at = following
            continue
        if final:
            yield Damage(at, len(data), torn=True)
        return


def _record(data: bytes, view: memoryview, at: int) -> Record | None:
    """None where no whole and undamaged record stands."""
    if len(data) - at < _BOTH.size:
        return None
    magic, length, crc, written_ns, resource, scope = _BOTH.unpack_from(data, at)
    begin = at + _HEAD.size
    end = begin + length
    if magic != MAGIC or not _BODY.size <= length <= LARGEST_BODY or end > len(data):
        return None
    if zlib.crc32(view[begin:end], zlib.crc32(view[at + 4 : at + 8])) != crc:
        return None
    shared_at = begin + _BODY.size
    field_at = shared_at + resource + scope
    if field_at > end:
        return None
    group = _group(data[shared_at:field_at], resource)
    return Record(at, end, written_ns, EncodedSpan(group, data[field_at:end]))


def _next_record(data: bytes, view: memoryview, at: int) -> int:
    while (at := data.find(MAGIC, at)) >= 0:
        if _record(data, view, at) is not None:
            return at
        at += 1
    return 0


_groups: dict[tuple[bytes, int], Group] = {}


def _group(shared: bytes, resource: int) -> Group:
    """One object for all spans that share it: thousands may be in memory at once."""
    known = _groups.get((shared, resource))
    if known is None:
        if len(_groups) >= 64:
            _groups.clear()
        group = Group(shared[:resource], shared[resource:])
        known = _groups.setdefault((shared, resource), group)
    return known
