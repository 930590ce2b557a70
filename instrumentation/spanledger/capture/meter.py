"""What the hooks ask: is this request an LLM call, who pays for it, and how must it go out.

A `Meter` is one configured way of metering (where spans go). The hooks in the HTTP libraries are
installed once; which meter they use, or none, is a single reference swapped by `instrument()`,
`uninstrument()` and `recorded_calls()`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span

from spanledger import baggage, context, health
from spanledger.capture import include_usage, reaper
from spanledger.capture.call import Call
from spanledger.capture.spans import CallFacts
from spanledger.wire import Request, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from spanledger.capture.tracing import Finished

_outer: ContextVar[str | None] = ContextVar("spanledger_outer_send", default=None)
"""Last path segment of the metered request whose `send` is running in this context.

A transport may itself send through httpx or aiohttp (openai's DefaultAioHttpClient, in-process
gateways): that is the same call once more, not another.
"""


class Begun(NamedTuple):
    """A recognised request, about to go out."""

    call: Call
    body: bytes | None
    """The amended body, where usage had to be asked for."""
    inside: tuple[Token[Context] | None, Token[str | None]]


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
            if _outer.get() == last_segment:
                return None
            parent = attached = None
            around = otel_context.get_current()
            if around:
                parent = _parent(around)
                # Baggage is for the app's own services. What an instrumentation below us injects into
                # headers would carry it to the provider.
                free = baggage.baggage_free(around)
                attached = None if free is around else free
            call = Call(
                self._record,
                recognised,
                CallFacts(
                    context.current(),
                    parent,
                    time.time_ns(),
                    request.host,
                    request.port,
                    _resend_count(request.headers),
                ),
            )
            body = None
            if recognised.asks_for_stream and self._ask_for_usage and request.host not in self._refused_by:
                body = include_usage.amended_body(request)
            reaper.watch(call)
            inside = (None if attached is None else otel_context.attach(attached), _outer.set(last_segment))
        except Exception:
            begin_failed()
            return None
        return Begun(call, body, inside)

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
    """Give the context back as it was before `begin`."""
    token, outer = begun.inside
    try:
        _outer.reset(outer)
    except ValueError:
        # A coroutine that was dropped is closed in another context: there is nothing to give back here.
        return
    if token is not None:
        otel_context.detach(token)


def inside_call() -> bool:
    """Whether the code that asks runs below the `send` of a metered request."""
    return _outer.get() is not None


def _parent(around: Context) -> SpanContext | None:
    span = get_current_span(around).get_span_context()
    return span if span.is_valid else None


def _resend_count(headers: Mapping[str, str]) -> int | None:
    """Told by the SDKs of OpenAI and Anthropic."""
    text = headers.get("x-stainless-retry-count")
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 4 else None


in_force: Meter | None = None
"""None while nothing is metered. Every request of the app looks here."""


def activate(meter: Meter | None) -> Meter | None:
    """Put a meter (or none) in force; returns the one before."""
    global in_force
    before, in_force = in_force, meter
    return before
