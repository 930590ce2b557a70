"""Finished spans, as OpenTelemetry's SDK has them and as delivery takes them."""

import threading
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from spanledger.delivery import Delivery
from spanledger.delivery.otlp import EncodedSpan, delimited, group_of


class _Last(SpanProcessor):
    def __init__(self) -> None:
        self.of_thread = threading.local()

    def on_end(self, span: ReadableSpan) -> None:
        self.of_thread.span = span


_last = _Last()
_provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
_provider.add_span_processor(_last)
_tracer = _provider.get_tracer("spanledger", "1")


def finished(name: str, **attributes: Any) -> ReadableSpan:
    _tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes).end()
    span: ReadableSpan = _last.of_thread.span
    return span


def encode(span: ReadableSpan) -> EncodedSpan:
    """By OpenTelemetry's own encoder."""
    (message,) = encode_spans([span]).resource_spans[0].scope_spans[0].spans
    field = b"\x12" + delimited(message.SerializeToString())
    return EncodedSpan(group_of(span.resource, span.instrumentation_scope), field)


def encoded(name: str, **attributes: Any) -> EncodedSpan:
    return encode(finished(name, **attributes))


def submit(delivery: Delivery, *names: str) -> None:
    for name in names:
        delivery.submit(encoded(name))
