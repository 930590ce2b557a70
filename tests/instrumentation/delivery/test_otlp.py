"""What is joined from spans encoded one by one is what OpenTelemetry's exporter would send for them."""

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanledger.delivery.otlp import join
from support.finished_spans import encode, finished

CONTEXT = SpanContext(
    0xA1 << 120, 0xB2, is_remote=True, trace_state=TraceState([("k", "v")]), trace_flags=TraceFlags(1)
)
SHOP = Resource({"service.name": "shop", "number": 7}, schema_url="https://schema.example/1")
LAB = Resource({"service.name": "lab"})
OURS = InstrumentationScope("spanledger", "1", "https://schema.example/2", {"a": "b"})
OTHER = InstrumentationScope("other")


def span(
    name: str, resource: Resource = SHOP, scope: InstrumentationScope = OURS, **more: Any
) -> ReadableSpan:
    return ReadableSpan(
        **{
            "name": name,
            "context": CONTEXT,
            "parent": SpanContext(1, 2, is_remote=True),
            "resource": resource,
            "instrumentation_scope": scope,
            "kind": SpanKind.CLIENT,
            "attributes": {"text": "ü", "count": 3, "share": 0.5, "yes": True, "list": ("a", "b")},
            "status": Status(StatusCode.ERROR, "broken"),
            "start_time": 1_700_000_000_000_000_001,
            "end_time": 1_700_000_000_000_000_002,
            **more,
        }
    )


def joined(*spans: ReadableSpan) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(join([encode(each) for each in spans]))


def test_joined_spans_of_one_resource_and_scope_stand_together_in_order():
    spans = [finished(f"call {i}", client_id="acme", tokens=i) for i in range(5)]
    assert joined(*spans) == encode_spans(spans)
    assert len(joined(*spans).resource_spans) == 1


def test_spans_of_several_resources_and_scopes_are_grouped_and_keep_their_order_within():
    spans = [
        span("1"),
        span("2", resource=LAB),
        span("3", scope=OTHER),
        span("4"),
        span("5", resource=LAB),
    ]
    request = joined(*spans)
    grouped = [
        (
            resource.resource.attributes[0].value.string_value,
            scope.scope.name,
            [each.name for each in scope.spans],
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
    ]
    assert grouped == [
        ("shop", "spanledger", ["1", "4"]),
        ("lab", "spanledger", ["2", "5"]),
        ("shop", "other", ["3"]),
    ]
    assert {each.schema_url for each in request.resource_spans} == {"https://schema.example/1", ""}


@pytest.mark.parametrize("length", [0, 1, 100, 127, 128, 16_383, 16_384, 2_100_000])
def test_spans_of_any_length_are_joined(length: int):
    spans = [span("a", attributes={"text": "x" * length}), span("b")]
    assert joined(*spans) == encode_spans(spans)


def test_no_spans_make_an_empty_request():
    assert join([]) == b""
