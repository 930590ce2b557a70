"""Configuration: an argument of `instrument()`, else its `SPANLEDGER_*` variable, else the default.

The app's own `OTEL_*` settings neither switch billing off nor redirect it. Only
`SPANLEDGER_USE_OTEL_EXPORTER=true` (or `use_otel_exporter=True`) takes endpoint, headers and certificate
from `OTEL_EXPORTER_OTLP_*`, and then only where ours are not set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
"""The collector on the same machine, OTLP over HTTP."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What `instrument()` runs with."""

    endpoint: str = DEFAULT_ENDPOINT
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    client_id: str | None = None
    service_name: str | None = None
    trust_baggage: bool = False
    ask_for_usage: bool = True
    http_spans: bool = False


def resolve(
    *,
    endpoint: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    certificate: str | None = None,
    client_certificate: str | None = None,
    client_key: str | None = None,
    client_id: str | None = None,
    service_name: str | None = None,
    trust_baggage: bool | None = None,
    ask_for_usage: bool | None = None,
    http_spans: bool | None = None,
    use_otel_exporter: bool | None = None,
) -> Settings:
    """Arguments over variables over defaults. A bad value is logged and the default taken: never raises."""
    otel = _flag("SPANLEDGER_USE_OTEL_EXPORTER", use_otel_exporter, default=False)
    return Settings(
        endpoint=endpoint
        or _text("SPANLEDGER_ENDPOINT")
        or (_otel("ENDPOINT") if otel else None)
        or DEFAULT_ENDPOINT,
        token=token or _text("SPANLEDGER_TOKEN") or _from_file("SPANLEDGER_TOKEN_FILE"),
        headers=dict(headers) if headers is not None else _otel_headers() if otel else {},
        certificate=certificate
        or _text("SPANLEDGER_CERTIFICATE")
        or (_otel("CERTIFICATE") if otel else None),
        client_certificate=client_certificate
        or _text("SPANLEDGER_CLIENT_CERTIFICATE")
        or (_otel("CLIENT_CERTIFICATE") if otel else None),
        client_key=client_key or _text("SPANLEDGER_CLIENT_KEY") or (_otel("CLIENT_KEY") if otel else None),
        client_id=client_id or _text("SPANLEDGER_CLIENT"),
        service_name=service_name,
        trust_baggage=_flag("SPANLEDGER_TRUST_BAGGAGE", trust_baggage, default=False),
        ask_for_usage=_flag("SPANLEDGER_ASK_FOR_USAGE", ask_for_usage, default=True),
        http_spans=_flag("SPANLEDGER_HTTP_SPANS", http_spans, default=False),
    )


def _text(variable: str) -> str | None:
    return os.environ.get(variable, "").strip() or None


def _from_file(variable: str) -> str | None:
    path = _text(variable)
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not needed for anything else
            return file.read().strip() or None
    except OSError as error:
        health.count(
            "bad_setting",
            log=f"{variable} names a file that cannot be read ({error.strerror}); no token is sent",
        )
        return None


def _flag(variable: str, argument: bool | None, *, default: bool) -> bool:
    if argument is not None:
        return argument
    text = os.environ.get(variable)
    if text is None:
        return default
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word not in _FALSE:
        health.count("bad_setting", log=f"{variable} must be true or false; {default} is used")
        return default
    return False if word else default


def _otel(name: str) -> str | None:
    return _text(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or _text(f"OTEL_EXPORTER_OTLP_{name}")


def _otel_headers() -> dict[str, str]:
    pairs = (_otel("HEADERS") or "").split(",")
    return {
        unquote(key).strip().lower(): unquote(value).strip()
        for key, equals, value in (pair.partition("=") for pair in pairs)
        if equals and key.strip()
    }
