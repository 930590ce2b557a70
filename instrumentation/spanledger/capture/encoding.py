"""A billing span as an OTLP message, written field by field. A test holds it equal to what OpenTelemetry's
encoder makes of the same span.

Every call is encoded in the app's own thread. What recurs (names of attributes, hosts, models, clients) is
encoded once and remembered. Field numbers: opentelemetry/proto/trace/v1/trace.proto, common/v1/common.proto.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from spanledger.delivery.otlp import EncodedSpan, delimited, group_of, varint
from spanledger.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from spanledger.capture.tracing import Finished, Value

_HEAD: Final = struct.Struct("<2s16s2s8s")
_TIMES: Final = struct.Struct("<2scQcQ2sI")
_DOUBLE: Final = struct.Struct("<d")
_KIND_CLIENT: Final = b"\x30\x03"
_UNSET: Final = b"\x7a\x02\x18\x00"
_ERROR: Final = b"\x7a\x02\x18\x02"
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200


def encoder(resource: Resource, scope: InstrumentationScope) -> Callable[[Finished], EncodedSpan]:
    """Encodes the spans of this resource and scope."""
    group = group_of(resource, scope)

    return lambda span: EncodedSpan(group, _field_of(span))


def _field_of(span: Finished) -> bytes:
    parent, recurring = span.parent, span.recurring
    if recurring.encoded is None:
        recurring.encoded = b"".join(
            (
                b"\x2a" + delimited(recurring.name.encode("utf-8", "replace")),
                *_attributes(recurring.attributes),
                _ERROR if recurring.failed else _UNSET,
            )
        )
    flags = _HAS_IS_REMOTE
    parts = [
        _HEAD.pack(b"\x0a\x10", span.trace_id, b"\x12\x08", span.span_id),
        recurring.encoded,
    ]
    if parent is not None:
        if parent.is_remote:
            flags |= _IS_REMOTE
        parts.append(b"\x22\x08" + parent.span_id.to_bytes(8))
        if parent.trace_state:
            state = ",".join(f"{key}={value}" for key, value in parent.trace_state.items())
            parts.append(b"\x1a" + delimited(state.encode("utf-8", "replace")))
    parts.append(
        _TIMES.pack(_KIND_CLIENT, b"\x39", span.started_ns, b"\x41", span.ended_ns, b"\x85\x01", flags)
    )
    parts += _attributes(span.attributes)
    message = b"".join(parts)
    return b"".join((b"\x12", varint(len(message)), message))


def _attributes(attributes: dict[str, Value]) -> list[bytes]:
    parts: list[bytes] = []
    for key, value in attributes.items():
        if type(value) is int and 0 <= value < 0x4000:
            one, two = _before_number[key]
            if value < 0x80:
                parts.append(one)
                parts.append(varint(value))
            else:
                parts.append(two)
                parts.append(_two_bytes(value & 0x7F | 0x80, value >> 7))
        elif type(value) is str:
            text = value.encode("utf-8", "replace")
            parts.append(_before_text[key, len(text)])
            parts.append(text)
        else:
            parts.append(b"\x4a" + delimited(_key(key) + b"\x12" + delimited(_value(value))))
    return parts


def _key(key: str) -> bytes:
    return b"\x0a" + delimited(key.encode("utf-8", "replace"))


def _before_numbers(key: str) -> tuple[bytes, bytes]:
    """What stands before a number of one byte, and of two."""
    name = _key(key)
    one, two = (
        b"".join((b"\x4a", varint(len(name) + 3 + size), name, b"\x12", varint(1 + size), b"\x18"))
        for size in (1, 2)
    )
    return one, two


def _before_texts(key_and_size: tuple[str, int]) -> bytes:
    """What stands before a text of so many bytes."""
    key, size = key_and_size
    head = b"\x0a" + varint(size)
    inner = _key(key) + b"\x12" + varint(len(head) + size) + head
    return b"\x4a" + varint(len(inner) + size) + inner


_before_number: Final = Remembered(_before_numbers)
_before_text: Final = Remembered(_before_texts)
_two_bytes: Final = struct.Struct("2B").pack


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        # A lone surrogate is no text to protobuf; the rest of the text is still worth sending.
        return b"\x0a" + delimited(value.encode("utf-8", "replace"))
    if isinstance(value, int):
        return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    return b"\x2a" + delimited(b"".join(b"\x0a" + delimited(_value(item)) for item in value))
