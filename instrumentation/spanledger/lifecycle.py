"""`instrument()` and `uninstrument()`: the two lines an app pastes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from spanledger import baggage, context, health, settings
from spanledger.attribution import Attribution
from spanledger.capture import hooks, reaper
from spanledger.capture.encoding import encoder
from spanledger.capture.http_spans import disable as disable_http_spans
from spanledger.capture.http_spans import enable as enable_http_spans
from spanledger.capture.meter import Meter, activate
from spanledger.capture.tracing import our_resource, our_scope
from spanledger.delivery import Delivery, DeliverySettings, process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spanledger.capture.tracing import Finished

_lock = threading.RLock()
_delivery: Delivery | None = None
_settings: settings.Settings | None = None


def instrument(
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
) -> None:
    """Meter every LLM call of this process from now on.

    Call it once, at start-up, before or after the SDKs are imported. Calling it again with the same
    settings does nothing; with others, it goes on with these. It never raises: what it cannot do is
    logged under `spanledger` and counted. An argument that is not given is taken from its variable.

    Args:
        endpoint: URL of the collector's OTLP/HTTP receiver (`SPANLEDGER_ENDPOINT`; default
            `http://127.0.0.1:4318`).
        token: bearer token for the collector (`SPANLEDGER_TOKEN`, or `SPANLEDGER_TOKEN_FILE`).
        headers: further headers for the collector.
        certificate: PEM file of the authority that signed the collector's certificate
            (`SPANLEDGER_CERTIFICATE`).
        client_certificate: PEM file with this app's own certificate, where the collector asks for one
            (`SPANLEDGER_CLIENT_CERTIFICATE`).
        client_key: PEM file with its key (`SPANLEDGER_CLIENT_KEY`); not needed where that file holds both.
        client_id: the client billed where no `bill_to` is in force (`SPANLEDGER_CLIENT`). Without one such
            calls are unattributed, never dropped.
        service_name: name of this app in its spans (else OpenTelemetry's `OTEL_SERVICE_NAME`).
        trust_baggage: take the client from W3C Baggage of upstream services (`SPANLEDGER_TRUST_BAGGAGE`).
            Only where every caller is yours: whoever can set the header chooses who pays.
        ask_for_usage: add `stream_options.include_usage` to OpenAI chat streams that lack it, and hide the
            event this adds (`SPANLEDGER_ASK_FOR_USAGE`; default true).
        http_spans: also make ordinary HTTP spans with `opentelemetry-instrumentation-httpx`
            (`SPANLEDGER_HTTP_SPANS`; needs the extra `spanledger[http]`). They go to the app's own
            TracerProvider and never bill.
        use_otel_exporter: take endpoint, headers and certificates from `OTEL_EXPORTER_OTLP_*` where ours are
            not set (`SPANLEDGER_USE_OTEL_EXPORTER`).

    """
    global _delivery, _settings
    try:
        wanted = settings.resolve(
            endpoint=endpoint,
            token=token,
            headers=headers,
            certificate=certificate,
            client_certificate=client_certificate,
            client_key=client_key,
            client_id=client_id,
            service_name=service_name,
            trust_baggage=trust_baggage,
            ask_for_usage=ask_for_usage,
            http_spans=http_spans,
            use_otel_exporter=use_otel_exporter,
        )
        with _lock:
            if _delivery is not None and wanted == _settings:
                hooks.install()
                return
            before = _delivery
            delivery = Delivery(_delivery_settings(wanted))
            meter = Meter(_recorder(delivery, wanted), ask_for_usage=wanted.ask_for_usage)
            context.set_default(_default_of(wanted))
            baggage.trust_baggage(wanted.trust_baggage)
            activate(meter)
            hooks.install()
            _delivery, _settings = delivery, wanted
            process.before_leaving(_record_what_is_open)
            if wanted.http_spans:
                enable_http_spans()
            if before is not None:
                before.shutdown()
    except Exception as error:
        health.count(
            "instrument_failed", log=f"instrument() failed; LLM calls are not metered: {type(error).__name__}"
        )


def uninstrument() -> None:
    """Stop metering and take the hooks out. Spans that wait are sent first, within the exit's bound."""
    global _delivery, _settings
    try:
        with _lock:
            activate(None)
            hooks.remove()
            disable_http_spans()
            context.set_default(None)
            baggage.trust_baggage(False)
            delivery, _delivery, _settings = _delivery, None, None
        if delivery is not None:
            reaper.drain()
            delivery.shutdown()
    except Exception as error:
        health.count("uninstrument_failed", log=f"uninstrument() failed: {type(error).__name__}")


def flush(timeout: float = 30.0) -> bool:
    """Send what waits. For the end of a job that must not rely on the exit handler.

    Args:
        timeout: seconds to wait at most.

    Returns:
        Whether the collector has acknowledged every span so far.

    """
    try:
        delivery = _delivery
        if delivery is None:
            return True
        reaper.drain(timeout)
        return delivery.flush(timeout)
    except Exception as error:
        health.count("flush_failed", log=f"flush() failed: {type(error).__name__}")
        return False


def _recorder(delivery: Delivery, wanted: settings.Settings) -> Callable[[Finished], None]:
    encode = encoder(our_resource(wanted.service_name), our_scope())
    return lambda span: delivery.submit(encode(span))


def _delivery_settings(wanted: settings.Settings) -> DeliverySettings:
    try:
        return DeliverySettings(
            endpoint=wanted.endpoint,
            headers=wanted.headers,
            token=wanted.token,
            certificate=wanted.certificate,
            client_certificate=wanted.client_certificate,
            client_key=wanted.client_key,
        )
    except ValueError as error:
        # Calls are metered all the same, and wait: what was meant cannot be guessed, but nothing is lost
        # before the next start with a good one.
        health.count("bad_setting", log=f"{error}. Until then {settings.DEFAULT_ENDPOINT} is used")
        return DeliverySettings(endpoint=settings.DEFAULT_ENDPOINT)


def _default_of(wanted: settings.Settings) -> Attribution | None:
    return None if wanted.client_id is None else Attribution.checked(wanted.client_id)


def _record_what_is_open() -> None:
    reaper.finish_open()
    reaper.drain()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
