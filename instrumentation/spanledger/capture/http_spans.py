"""Ordinary HTTP spans beside ours: `opentelemetry-instrumentation-httpx`, kept from telling too much.

That library works below `send` and writes URLs into its spans. Gemini's keys stand in the query, so
during an LLM call its URLs lose it, whether we enabled it or the app did; on the wire nothing changes.
Its spans go to the app's TracerProvider and never bill.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import wrapt

from spanledger import health
from spanledger.capture import meter as metering

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MODULE = "opentelemetry.instrumentation.httpx"

_INSTRUMENTORS = (("httpx", "HTTPXClientInstrumentor"), ("httpx2", "HTTPX2ClientInstrumentor"))
_enabled: list[Any] = []


def enable() -> None:
    """Enable the instrumentors of the libraries this app has."""
    try:
        module = importlib.import_module(MODULE)
    except ImportError:
        health.count(
            "http_spans_missing",
            log="http_spans needs opentelemetry-instrumentation-httpx: pip install 'spanledger[http]'",
        )
        return
    for library, name in _INSTRUMENTORS:
        try:
            importlib.import_module(library)
            instrumentor = getattr(module, name)()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()
                _enabled.append(instrumentor)
        except ImportError:
            continue


def disable() -> None:
    """Disable those that `enable` enabled."""
    while _enabled:
        _enabled.pop().uninstrument()


def keep_queries_out(module: ModuleType) -> None:
    """Make that library drop the query of an LLM call's URL from its spans. Called when it is imported."""
    shown = getattr(module, "redact_url", None)
    if shown is not None and not isinstance(shown, wrapt.FunctionWrapper):
        setattr(module, "redact_url", wrapt.FunctionWrapper(shown, _without_query))  # noqa: B010 - no attribute mypy knows


def _without_query(wrapped: Callable[[str], str], _instance: Any, args: Any, kwargs: Any) -> str:
    url = wrapped(*args, **kwargs)
    return url.partition("?")[0] if metering.inside_call() else url
