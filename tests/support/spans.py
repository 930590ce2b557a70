"""Billing spans as the collector writes them: rows of `otel_traces` made from attributes, put in by one insert.

The columns are the exporter's 22, every attribute as text, so that the ledger sees here what it sees behind the
real collector.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from spanledger import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EXPORTER_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind", "ServiceName",
    "ResourceAttributes", "ScopeName", "ScopeVersion", "SpanAttributes", "Duration", "StatusCode",
    "StatusMessage", "Events.Timestamp", "Events.Name", "Events.Attributes", "Links.TraceId", "Links.SpanId",
    "Links.TraceState", "Links.Attributes",
)  # fmt: skip

_serial = itertools.count(1)


@dataclass(frozen=True)
class Span:
    """One span. `at` is its start; a text is taken as it stands, for times that `datetime` cannot hold."""

    attributes: Mapping[str, str]
    at: datetime | str
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    scope: str = names.SCOPE
    service: str = "shop"
    duration_ns: int = 1_500_000_000

    def row(self) -> dict[str, Any]:
        """What the exporter would write."""
        at = self.at if isinstance(self.at, str) else f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}000"
        return {
            "Timestamp": at,
            "TraceId": self.trace_id,
            "SpanId": self.span_id,
            "ParentSpanId": self.parent_span_id,
            "TraceState": "",
            "SpanName": "chat",
            "SpanKind": "Client",
            "ServiceName": self.service,
            "ResourceAttributes": {"service.name": self.service},
            "ScopeName": self.scope,
            "ScopeVersion": "0",
            "SpanAttributes": dict(self.attributes),
            "Duration": self.duration_ns,
            "StatusCode": "Unset",
            "StatusMessage": "",
        } | {column: [] for column in EXPORTER_COLUMNS if "." in column}

    def with_attributes(self, **changes: str) -> Span:
        """The same span, some attributes (by their names in `names`) otherwise."""
        return replace(self, attributes={**self.attributes, **_named(changes)})


@dataclass
class _Defaults:
    attributes: dict[str, str] = field(
        default_factory=lambda: {
            names.CLIENT_ID: "acme",
            names.PROVIDER: "openai",
            names.OPERATION: "chat",
            names.REQUEST_MODEL: "gpt-4o",
            names.RESPONSE_MODEL: "gpt-4o-2024-08-06",
            names.SERVER_ADDRESS: "api.openai.com",
            names.HTTP_STATUS: "200",
            names.BILLABLE: "yes",
            names.USAGE_FOUND: "true",
            names.USAGE_COMPLETE: "true",
        }
    )


def span(
    usage: Mapping[str, object] | None = None,
    *,
    at: datetime | str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    parent_span_id: str = "",
    scope: str = names.SCOPE,
    service: str = "shop",
    extra: Mapping[str, str] | None = None,
    **attributes: str,
) -> Span:
    """A call by acme to OpenAI, unless said otherwise; 1,000 tokens in and 100 out unless `usage` says otherwise.

    `usage` is by the names of `names.USAGE`, `tool:NAME` for server tools; `attributes` by the constants of `names`.
    `extra` holds attributes by their own names. An attribute whose value is empty is left out.
    """
    number = next(_serial)
    stated = {"input": 1000, "output": 100} if usage is None else usage
    merged = (
        _Defaults().attributes
        | {_usage_attribute(name): str(amount) for name, amount in stated.items()}
        | _named(attributes)
        | dict(extra or {})
    )
    return Span(
        attributes={name: value for name, value in merged.items() if value != ""},
        at=at if at is not None else datetime.now(UTC) - timedelta(minutes=5),
        trace_id=trace_id or f"{number:032x}",
        span_id=span_id or f"{number:016x}",
        parent_span_id=parent_span_id,
        scope=scope,
        service=service,
    )


def deliver(client: Any, spans: Iterable[Span]) -> None:
    """Put spans into `otel_traces` by one insert, as one pushed batch of the exporter is."""
    block = "\n".join(json.dumps(each.row()) for each in spans).encode()
    client.raw_insert("otel_traces", column_names=EXPORTER_COLUMNS, insert_block=block, fmt="JSONEachRow")


def _usage_attribute(name: str) -> str:
    if name.startswith("tool:"):
        return names.SERVER_TOOL_PREFIX + name.removeprefix("tool:")
    return names.USAGE[name]


def _named(attributes: Mapping[str, str]) -> dict[str, str]:
    return {getattr(names, name.upper()): value for name, value in attributes.items()}
