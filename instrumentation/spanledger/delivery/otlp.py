"""Encoding: a span once, at submission; a request by joining what is encoded already.

A protobuf message is a run of fields, a field a tag, a length and bytes; a repeated field stands once for
each value, in any place. So encoded spans of one resource and scope are joined into a request without
decoding any:

    ExportTraceServiceRequest { resource_spans = 1: ResourceSpans }
    ResourceSpans             { resource = 1, scope_spans = 2: ScopeSpans, schema_url = 3 }
    ScopeSpans                { scope = 1, spans = 2: Span, schema_url = 3 }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSpan:
    """One span as field 2 of a ScopeSpans."""

    group: Group
    field: bytes

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, the group aside, which is shared."""
        return len(self.field) + _MEMORY_OF_OBJECTS


def encode(span: ReadableSpan) -> EncodedSpan:
    """Encode a finished span. May raise where its ids or times are none."""
    return EncodedSpan(_group_of(span), _field(_FIELD_2, _message(span)))


def join(spans: Iterable[EncodedSpan]) -> bytes:
    """An ExportTraceServiceRequest of these spans, in order within their group; of none, an empty one."""
    groups: dict[Group, list[bytes]] = {}
    for span in spans:
        groups.setdefault(span.group, []).append(span.field)
    return b"".join(
        _field(_FIELD_1, group.resource + _field(_FIELD_2, group.scope + b"".join(fields)))
        for group, fields in groups.items()
    )


def _field(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    size = bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return b"".join((tag, size, content))


_NO_RESOURCE: Final = Resource.get_empty()


def _message(span: ReadableSpan) -> bytes:
    # The resource is encoded with the group, not again with every span.
    alone = ReadableSpan(
        name=_encodable(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=_NO_RESOURCE,
        attributes=_encodable_attributes(span.attributes or {}),
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
    )
    encoded: bytes = encode_spans([alone]).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    return encoded


def _encodable_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoder drops an attribute it cannot encode, and with it the reason why a call is odd."""
    odd = {key: _encodable(value) for key, value in attributes.items() if _encodable(value) is not value}
    return {**attributes, **odd} if odd else attributes


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        # A lone surrogate is no text to protobuf.
        replaced = value.encode("utf-8", "replace").decode("utf-8")
        return value if replaced == value else replaced
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)  # as text the ledger refuses it with a reason
    return value


_groups: dict[tuple[int, int], tuple[object, object, Group]] = {}


def _group_of(span: ReadableSpan) -> Group:
    resource, scope = span.resource, span.instrumentation_scope
    known = _groups.get((id(resource), id(scope)))
    if known is not None and known[0] is resource and known[1] is scope:
        return known[2]
    encoded = encode_spans([span]).resource_spans[0]
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
