"""Spans of our own making, which nothing that the app configures can switch off or thin out.

Billing spans must not depend on the app's sampler, on attribute limits meant for its APM, or on
`OTEL_SDK_DISABLED`. They keep the app's current span as parent, so they join its trace. No TracerProvider
makes them: all of a span is known when its call ends, so it is put together once and encoded at once, in a
fifth of the time that OpenTelemetry's objects for a span under way take.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from spanledger._version import __version__
from spanledger.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import TraceState

Value = str | bool | int | float | tuple[str, ...]
"""What an attribute of a billing span holds."""


@dataclass(slots=True, eq=False)
class Recurring:
    """What many spans have alike; one object for all of them."""

    name: str
    attributes: dict[str, Value]
    failed: bool = False
    encoded: bytes | None = None
    """Set by who encodes them first."""


@dataclass(slots=True)
class Finished:
    """A billing span. Its kind is CLIENT, its scope ours."""

    trace_id: bytes
    span_id: bytes
    parent: SpanContext | None
    started_ns: int
    ended_ns: int
    attributes: dict[str, Value]
    """Its own, beside those that recur."""
    recurring: Recurring

    @property
    def trace_state(self) -> TraceState | None:
        """Its trace's."""
        return None if self.parent is None else self.parent.trace_state

    def context(self) -> SpanContext:
        """What its children have as parent."""
        return SpanContext(
            int.from_bytes(self.trace_id),
            int.from_bytes(self.span_id),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=self.trace_state,
        )


def ids(parent: SpanContext | None) -> tuple[bytes, bytes]:
    """The ids of a new span, its trace's and its own: in its parent's trace, else in one of its own.

    From the operating system: apps seed `random`, and two of them alike would share ids. Never all zero,
    which means no span.
    """
    while True:
        drawn = os.urandom(24)
        trace_id = drawn[8:] if parent is None else parent.trace_id.to_bytes(16)
        span_id = drawn[:8]
        if trace_id != _NO_TRACE and span_id != _NO_SPAN:
            return trace_id, span_id


_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)


def our_resource(service_name: str | None = None) -> Resource:
    """What the app is, as OpenTelemetry's variables and detectors tell it."""
    attributes = {"service.name": service_name} if service_name else {}
    try:
        return Resource.create(attributes)
    except Exception:
        # A malformed OTEL_RESOURCE_ATTRIBUTES or a failing detector costs the resource, not the call.
        return Resource(attributes)


def our_scope() -> InstrumentationScope:
    """The scope that bills."""
    return InstrumentationScope(SCOPE, __version__)


def readable(take: Callable[[ReadableSpan], None]) -> Callable[[Finished], None]:
    """Gives `take` each span as OpenTelemetry's own type."""
    resource, scope = our_resource(), our_scope()

    def record(span: Finished) -> None:
        take(
            ReadableSpan(
                name=span.recurring.name,
                context=span.context(),
                parent=span.parent,
                resource=resource,
                attributes=span.attributes | span.recurring.attributes,
                kind=SpanKind.CLIENT,
                instrumentation_scope=scope,
                status=Status(StatusCode.ERROR if span.recurring.failed else StatusCode.UNSET),
                start_time=span.started_ns,
                end_time=span.ended_ns,
            )
        )

    return record
