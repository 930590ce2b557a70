"""A TracerProvider of our own, which nothing that the app configures can switch off or thin out.

Billing spans must not depend on the app's sampler, on attribute limits meant for its APM, or on
`OTEL_SDK_DISABLED`. They keep the app's current span as parent, so they join its trace.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from spanledger._version import __version__
from spanledger.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import Tracer


class SystemIdGenerator(IdGenerator):
    """Ids from the operating system: apps seed `random`, and two of them alike would share ids."""

    def generate_span_id(self) -> int:
        """64 random bits, never 0 (which means no span)."""
        return int.from_bytes(os.urandom(8)) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """128 random bits, never 0 (which means no trace)."""
        return int.from_bytes(os.urandom(16)) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """True: every bit is random."""
        return True


class _Sink(SpanProcessor):
    def __init__(self, sink: Callable[[ReadableSpan], None]) -> None:
        self._sink = sink

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        self._sink(span)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the interface's
        return True


class _BillingTracerProvider(TracerProvider):
    def __init__(self, resource: Resource) -> None:
        unset = SpanLimits.UNSET
        super().__init__(
            sampler=ALWAYS_ON,
            resource=resource,
            shutdown_on_exit=False,
            id_generator=SystemIdGenerator(),
            # Explicitly unset: what is absent here would be read from the app's OTEL_* variables.
            span_limits=SpanLimits(
                max_attributes=unset,
                max_events=unset,
                max_links=unset,
                max_span_attributes=unset,
                max_event_attributes=unset,
                max_link_attributes=unset,
                max_attribute_length=unset,
                max_span_attribute_length=unset,
            ),
            meter_provider=NoOpMeterProvider(),
        )
        # OTEL_SDK_DISABLED is the app's word on its telemetry, not on what its clients owe.
        self._disabled = False


def billing_tracer(sink: Callable[[ReadableSpan], None], *, service_name: str | None = None) -> Tracer:
    """A tracer of scope `spanledger` that hands every ended span to `sink`, in the ending thread."""
    attributes = {"service.name": service_name} if service_name else {}
    try:
        resource = Resource.create(attributes)
    except Exception:
        # A malformed OTEL_RESOURCE_ATTRIBUTES or a failing detector costs the resource, not the call.
        resource = Resource(attributes)
    provider = _BillingTracerProvider(resource)
    provider.add_span_processor(_Sink(sink))
    return provider.get_tracer(SCOPE, __version__)
