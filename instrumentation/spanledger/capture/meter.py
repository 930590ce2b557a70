"""What the hooks ask: is this request an LLM call, who pays for it, and how must it go out.

A `Meter` is one configured way of metering (where spans go). The hooks in the HTTP libraries are
installed once; which meter they use, or none, is a single reference swapped by `instrument()`,
`uninstrument()` and `recorded_calls()`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span

from spanledger import baggage, context, health
from spanledger.capture import include_usage, reaper
from spanledger.capture.call import Call
from spanledger.wire import Request, recognise

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from spanledger.capture.tracing import Finished


class _Sending:
    """A metered request whose `send` runs, or ran, in the context that holds this.

    A transport may itself send through httpx or aiohttp (openai's DefaultAioHttpClient, in-process
    gateways): that is the same call once more, not another. An object that says when it is over stays where
    it is: to put a context back as it was costs as much as to change it.
    """

    __slots__ = ("last_segment", "outer")

    def __init__(self, last_segment: str, outer: _Sending | None) -> None:
        self.last_segment: str | None = last_segment
        """Of the request's path; None where it is over."""
        self.outer = outer


_last_sending: ContextVar[_Sending | None] = ContextVar("spanledger_sending", default=None)


class Begun(NamedTuple):
    """A recognised request, about to go out."""

    call: Call
    body: bytes | None
    """The amended body, where usage had to be asked for."""
    sending: _Sending
    attached: Token[Context] | None


class Meter:
    """Meters recognised requests and hands their spans to `record`."""

    def __init__(self, record: Callable[[Finished], None], *, ask_for_usage: bool = True) -> None:
        self._record = record
        self._ask_for_usage = ask_for_usage
        self._refused_by: set[str] = set()

    def begin(self, request: Request) -> Begun | None:
        """Start metering, or None where this request is no LLM call. Never raises.

        What is returned must be given to `leave` as soon as `send` is over.
        """
        try:
            recognised = recognise(request)
            if recognised is None:
                return None
            last_segment = request.path.rpartition("/")[2]
            outer = _sending()
            if outer is not None and outer.last_segment == last_segment:
                return None
            parent = attached = None
            around = otel_context.get_current()
            if around:
                parent = _parent(around)
                # Baggage is for the app's own services. What an instrumentation below us injects into
                # headers would carry it to the provider.
                free = baggage.baggage_free(around)
                attached = None if free is around else free
            call = Call(self._record, recognised, request, context.current(), parent)
            body = None
            if recognised.asks_for_stream and self._ask_for_usage and request.host not in self._refused_by:
                body = include_usage.amended_body(request, recognised)
            reaper.watch(call)
            sending = _Sending(last_segment, outer)
            token = None if attached is None else otel_context.attach(attached)
            _last_sending.set(sending)
        except Exception:
            begin_failed()
            return None
        return Begun(call, body, sending, token)

    def refused(self, host: str) -> None:
        """A host answered 400 to an amended request: it is asked as the app asks from now on."""
        self._refused_by.add(host)
        health.count(
            "include_usage_refused",
            log="a provider refused stream_options.include_usage; its streams go without usage",
        )


def begin_failed() -> None:
    """A hook could not make out what a request is."""
    health.count(
        "begin_failed",
        log="a request could not be looked at; if it is an LLM call, it is not metered",
    )


def leave(begun: Begun) -> None:
    """The `send` is over: give the context back as it was before `begin`."""
    # A coroutine that was dropped is closed in another context: there is nothing to give back there.
    if begun.attached is not None and _sending() is begun.sending:
        otel_context.detach(begun.attached)
    begun.sending.last_segment = None


def inside_call() -> bool:
    """Whether the code that asks runs below the `send` of a metered request."""
    return _sending() is not None


def _sending() -> _Sending | None:
    """What this code runs below, if anything."""
    sending = _last_sending.get()
    while sending is not None and sending.last_segment is None:
        sending = sending.outer
    return sending


def _parent(around: Context) -> SpanContext | None:
    span = get_current_span(around).get_span_context()
    return span if span.is_valid else None


in_force: Meter | None = None
"""None while nothing is metered. Every request of the app looks here."""


def activate(meter: Meter | None) -> Meter | None:
    """Put a meter (or none) in force; returns the one before."""
    global in_force
    before, in_force = in_force, meter
    return before
