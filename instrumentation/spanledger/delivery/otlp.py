"""Encoded spans, and requests that are made by joining them.

A protobuf message is a run of fields, a field a tag, a length and bytes; a repeated field stands once for
each value, in any place. So encoded spans of one resource and scope are joined into a request without
decoding any:

    ExportTraceServiceRequest { resource_spans = 1: ResourceSpans }
    ResourceSpans             { resource = 1, scope_spans = 2: ScopeSpans, schema_url = 3 }
    ScopeSpans                { scope = 1, spans = 2: Span, schema_url = 3 }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_FIELD_1: Final = b"\x0a"
_FIELD_2: Final = b"\x12"
_FIELD_3: Final = b"\x1a"

_MEMORY_OF_OBJECTS: Final = 160
"""Bytes that Python needs around the encoded span."""


@dataclass(frozen=True, slots=True)
class Group:
    """What spans must share to stand together: encoded resource and scope, as fields of their messages."""

    resource: bytes
    scope: bytes


@dataclass(slots=True, eq=False)  # not frozen: to make one would take three times as long
class EncodedSpan:
    """One span as field 2 of a ScopeSpans."""

    group: Group
    field: bytes

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, the group aside, which is shared."""
        return len(self.field) + _MEMORY_OF_OBJECTS


def join(spans: Iterable[EncodedSpan]) -> bytes:
    """An ExportTraceServiceRequest of these spans, in order within their group; of none, an empty one."""
    groups: dict[Group, list[bytes]] = {}
    for span in spans:
        groups.setdefault(span.group, []).append(span.field)
    return b"".join(
        _field(_FIELD_1, group.resource + _field(_FIELD_2, group.scope + b"".join(fields)))
        for group, fields in groups.items()
    )


def delimited(content: bytes) -> bytes:
    """`content` behind its length."""
    return varint(len(content)) + content


_SHORT: Final = tuple(bytes((number,)) for number in range(0x80))


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    if number < 0x80:
        return _SHORT[number]
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + delimited(content)


_NO_SPAN: Final = SpanContext(0, 0, is_remote=False)
_groups: dict[tuple[int, int], tuple[object, object, Group]] = {}


def group_of(resource: Resource, scope: InstrumentationScope | None) -> Group:
    """Encode what spans share; the same again is remembered."""
    known = _groups.get((id(resource), id(scope)))
    if known is not None and known[0] is resource and known[1] is scope:
        return known[2]
    bare = ReadableSpan("", context=_NO_SPAN, resource=resource, instrumentation_scope=scope)
    encoded = encode_spans([bare]).resource_spans[0]
    scope_spans = encoded.scope_spans[0]
    group = Group(
        _field(_FIELD_1, encoded.resource.SerializeToString()) + _text_field(encoded.schema_url),
        _field(_FIELD_1, scope_spans.scope.SerializeToString()) + _text_field(scope_spans.schema_url),
    )
    if len(_groups) >= 64:
        _groups.clear()
    _groups[id(resource), id(scope)] = (resource, scope, group)
    return group


def _text_field(text: str) -> bytes:
    return _field(_FIELD_3, text.encode()) if text else b""
