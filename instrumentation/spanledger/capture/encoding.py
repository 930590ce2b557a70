"""A billing span as an OTLP message, written field by field. A test holds it equal to what OpenTelemetry's
encoder makes of the same span.

Every call is encoded in the app's own thread. What recurs (names of attributes, hosts, models, clients) is
encoded once and remembered. Field numbers: opentelemetry/proto/trace/v1/trace.proto, common/v1/common.proto.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from spanledger import names
from spanledger.delivery.otlp import EncodedSpan, delimited, group_of, varint

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
_UNIQUE: Final = frozenset((names.RESPONSE_ID, names.PROVIDER_REQUEST_ID, names.BILLING_KEY))
"""Texts that no other call has; to remember them is no use."""


def encoder(resource: Resource, scope: InstrumentationScope) -> Callable[[Finished], EncodedSpan]:
    """Encodes the spans of this resource and scope."""
    group = group_of(resource, scope)

    def encode(span: Finished) -> EncodedSpan:
        message = _message(span)
        return EncodedSpan(group, b"".join((b"\x12", varint(len(message)), message)))

    return encode


def _message(span: Finished) -> bytes:
    parent = span.parent
    flags = _HAS_IS_REMOTE
    parts = [
        _HEAD.pack(b"\x0a\x10", span.trace_id, b"\x12\x08", span.span_id),
        _name(span.name),
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
    recurring = span.recurring
    if recurring is not None:
        if recurring.encoded is None:
            recurring.encoded = b"".join(_attributes(recurring.attributes))
        parts.append(recurring.encoded)
    parts += _attributes(span.attributes)
    parts.append(_ERROR if span.failed else _UNSET)
    return b"".join(parts)


def _attributes(attributes: dict[str, Value]) -> list[bytes]:
    parts: list[bytes] = []
    for key, value in attributes.items():
        kind = type(value)
        if kind is int and 0 <= value < 0x4000:  # type: ignore[operator]
            if value < 0x80:  # type: ignore[operator]
                parts.append(_known(key, value))
            else:
                parts.append(_before_number(key, 2))
                parts.append(_two_bytes(value & 0x7F | 0x80, value >> 7))  # type: ignore[operator]
        elif kind is str and key in _UNIQUE:
            text = value.encode("utf-8", "replace")  # type: ignore[union-attr]
            parts.append(_before_text(key, len(text)))
            parts.append(text)
        elif kind is str or kind is bool:
            parts.append(_known(key, value))
        else:
            parts.append(_attribute(key, value))
    return parts


def _attribute(key: str, value: Value) -> bytes:
    name, encoded = _key(key), _value(value)
    return b"\x4a" + delimited(name + b"\x12" + delimited(encoded))


_known: Final = lru_cache(maxsize=8192, typed=True)(_attribute)


@lru_cache(maxsize=1024)
def _key(key: str) -> bytes:
    return b"\x0a" + delimited(key.encode("utf-8", "replace"))


@lru_cache(maxsize=4096)
def _before_number(key: str, size: int) -> bytes:
    """What stands before a number that takes so many bytes."""
    name = _key(key)
    return b"".join((b"\x4a", varint(len(name) + 3 + size), name, b"\x12", varint(1 + size), b"\x18"))


@lru_cache(maxsize=4096)
def _before_text(key: str, size: int) -> bytes:
    """What stands before a text of so many bytes."""
    head = b"\x0a" + varint(size)
    inner = _key(key) + b"\x12" + varint(len(head) + size) + head
    return b"\x4a" + varint(len(inner) + size) + inner


_two_bytes: Final = struct.Struct("2B").pack


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return b"\x2a" + delimited(name.encode("utf-8", "replace"))


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
