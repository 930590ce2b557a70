"""What an app's sender puts on the wire, without an SDK in between: requests one can look at and repeat."""

import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

START_NS = 1_790_000_000_000_000_000


def request(count: int, attributes: Mapping[str, str] | None = None) -> tuple[bytes, list[str]]:
    """An OTLP request with that many spans, and their span ids in hex."""
    told = [
        KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in (attributes or {}).items()
    ]
    spans = [
        Span(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            name="chat test",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=START_NS,
            end_time_unix_nano=START_NS + 1,
            attributes=told,
        )
        for _ in range(count)
    ]
    scope = ScopeSpans(scope=InstrumentationScope(name="spanledger"), spans=spans)
    whole = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])])
    return whole.SerializeToString(), [span.span_id.hex() for span in spans]


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
    """The status that the collector at this OTLP/HTTP address answers with."""
    sent = urllib.request.Request(f"{url}/v1/traces", data=body, headers=dict(headers or {}))
    sent.add_header("Content-Type", "application/x-protobuf")
    try:
        with urllib.request.urlopen(sent, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def quoted(ids: Sequence[str]) -> str:
    """Ids for an SQL list."""
    return ", ".join(f"'{one}'" for one in ids)
