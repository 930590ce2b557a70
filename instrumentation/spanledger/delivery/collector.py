"""One exchange with the collector: OTLP over HTTP, on a connection that is kept.

`http.client`, so that no instrumentation of the app's HTTP libraries sees it, and no proxy of the
environment does.
"""

from __future__ import annotations

# Else the first connection imports it, in the sender's thread: a child forked in that moment would wait for
# the import for ever, and send nothing.
import encodings.idna  # noqa: F401
import http.client
import json
import os
import ssl
import time
import zlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger._version import __version__

if TYPE_CHECKING:
    from spanledger.delivery.settings import DeliverySettings

MAX_ANSWER_BYTES: Final = 1024 * 1024
LONGEST_RETRY_AFTER: Final = 300.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The collector has the spans: it answered 200 and rejected none. The only answer that deletes."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The collector will never take this request as it is; the reason may be one span of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Anything else, silence included: the spans are kept and sent again."""

    reason: str
    retry_after: float = 0.0
    """Seconds that the collector asks for."""


Answer = Accepted | Refused | NotNow

_HINTS: Final = {
    401: "; check SPANLEDGER_TOKEN",
    403: "; check SPANLEDGER_TOKEN",
    404: "; check SPANLEDGER_ENDPOINT",
    405: "; check SPANLEDGER_ENDPOINT",
}


class Collector:
    """The connection. Used by one thread at a time."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        parts = urlsplit(settings.url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._path = parts.path
        self._headers = {
            **settings.request_headers(),
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": f"spanledger/{__version__}",
        }
        self._connection: http.client.HTTPConnection | None = None
        self.patience = settings.answer_timeout
        """Seconds to wait for the collector, at every step of an exchange."""

    def export(self, request: bytes) -> Answer:
        """Post an encoded ExportTraceServiceRequest. Never raises."""
        try:
            status, headers, body = self._exchange(_gzip(request))
            return _judge(status, headers, body)
        except Exception as error:
            self.close()
            return NotNow(_described(error))

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except OSError:
                pass

    def _exchange(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                return self._post(connection, body)
            except ConnectionError:
                # It was closed while idle, as servers do. Where it was not, the spans arrive twice and count
                # once: identity is the span's.
                self.close()
        return self._post(self._connect(), body)

    def _connect(self) -> http.client.HTTPConnection:
        self.close()
        timeout = min(self._settings.connect_timeout, self.patience)
        if self._secure:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=_tls(self._settings)
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        self._connection = connection
        connection.connect()
        return connection

    def _post(
        self, connection: http.client.HTTPConnection, body: bytes
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection.sock.settimeout(self.patience)
        connection.request("POST", self._path, body=body, headers=self._headers)
        response = connection.getresponse()
        answer = response.read(MAX_ANSWER_BYTES + 1)
        if len(answer) > MAX_ANSWER_BYTES:
            self.close()
        return response.status, response.headers, answer


class _BadCertificateError(Exception):
    """Its text is ours, and shows nothing of the file."""


def _tls(settings: DeliverySettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.certificate)
    if settings.client_certificate:
        try:
            # Without a password here OpenSSL would ask the terminal for that of an encrypted key, and wait.
            context.load_cert_chain(settings.client_certificate, settings.client_key, password="")
        except OSError as error:
            why = (
                "no certificate with its unencrypted key"
                if isinstance(error, ssl.SSLError)
                else error.strerror
            )
            raise _BadCertificateError(
                f"this app's own certificate cannot be used: {why};"
                " check SPANLEDGER_CLIENT_CERTIFICATE and SPANLEDGER_CLIENT_KEY"
            ) from None
    return context


def _judge(status: int, headers: http.client.HTTPMessage, body: bytes) -> Answer:
    if status == 200:
        rejected = _rejected_spans(headers.get_content_type(), body)
        if rejected is None:
            return NotNow("HTTP 200, but not from an OTLP receiver; check SPANLEDGER_ENDPOINT")
        return Refused(f"HTTP 200 with {rejected} spans rejected") if rejected else Accepted()
    if status in {400, 413}:
        return Refused(f"HTTP {status}")
    asked = _retry_after(headers.get("retry-after")) if status in {429, 503} else 0.0
    return NotNow(f"HTTP {status}{_HINTS.get(status, '')}", asked)


def _rejected_spans(content_type: str, body: bytes) -> int | None:
    """None where this is no ExportTraceServiceResponse: a web server's page must delete nothing."""
    try:
        if content_type == "application/x-protobuf":
            return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
        if content_type == "application/json":
            return int(json.loads(body or b"{}").get("partialSuccess", {}).get("rejectedSpans", 0))
    except Exception:
        return None
    return None if body else 0


def _retry_after(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else 0.0


def _described(error: Exception) -> str:
    """The error in words of ours: some of Python's show the header or address that they complain of."""
    kind = type(error).__name__
    if isinstance(error, _BadCertificateError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{kind}: {error.verify_message}; check SPANLEDGER_CERTIFICATE"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        try:
            return f"{kind}: {os.strerror(error.errno)}"
        except ValueError:
            return kind
    return kind


def _gzip(body: bytes) -> bytes:
    # Level 1: a microsecond a span; spans resemble each other and shrink to a tenth all the same.
    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(body) + compressor.flush()
