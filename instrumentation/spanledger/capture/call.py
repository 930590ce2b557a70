"""The life of one call: from the request to the end of its answer, whatever that end is.

Every method is called from the app's own thread, in the middle of its call. None of them raises: what
fails here is counted, marks the span, and leaves the call as it was.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from spanledger import health
from spanledger.capture import reaper
from spanledger.capture.spans import CallFacts, emit
from spanledger.wire import NOTHING_USUAL, content_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import SpanContext

    from spanledger.attribution import Attribution
    from spanledger.capture.tracing import Finished
    from spanledger.wire.decode import ContentDecoder
    from spanledger.wire.reading import Reader, Reading, Recognised, Request

METERED_HEADER = "spanledger-metered"
"""Answer header of a hop that already metered the call, with that hop's name as value."""

_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-goog-request-id",
)
NAME_AT_MOST = 128
_BLOCK = 16 * 1024
"""Bytes of an answer that are held before they are read."""
_FIRST_BLOCK = 4096
"""The first ones: from them it is learned what need not be held."""
_LATEST = 6
"""Chunks that this is learned from."""
_PACKED = 4096
"""Bytes of a compressed one that are unpacked at once: to a thousand times as many, at worst."""

_NEVER_SENT = frozenset(
    {
        # httpx and httpx2: the request did not reach the provider, so there is nothing it could bill.
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        # aiohttp
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorCertificateError",
        "ClientConnectorSSLError",
        "ConnectionTimeoutError",
        "InvalidURL",
    }
)


class Call(CallFacts):
    """One exchange under way. Finished exactly once."""

    _head: Mapping[str, str] | None = None
    """Of the answer, until it is looked at."""
    _decoded = False
    _reader: Reader | None = None
    _decoder: ContentDecoder | None = None
    _room = 0
    """Bytes of the body that may still be held."""
    usual = NOTHING_USUAL
    """What need not be shown to `feed`."""

    def __init__(
        self,
        record: Callable[[Finished], None],
        recognised: Recognised,
        request: Request,
        attribution: Attribution,
        parent: SpanContext | None,
    ) -> None:
        self._record = record
        self._recognised = recognised
        self.attribution = attribution
        self.parent = parent
        self.host = request.host
        self.port = request.port
        self.resend_count = _resend_count(request.headers)
        self.started_ns = time.time_ns()
        self._pieces: list[bytes] = []
        """Of the body, not read yet: a block at a time costs a stream's chunk a tenth of what it would."""
        self.pid = os.getpid()
        """Of the process that began it."""
        # Acquired by whoever finishes first, never released: a lock only for its atomic test-and-set.
        self._finished = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: its spans are on their way, or it belongs to the parent process.

        A fork copies calls under way; only the process that began one records it.
        """
        return self._finished.locked() or self.pid != os.getpid()

    def answered(self, status: int, headers: Mapping[str, str], *, decoded: bool) -> None:
        """The answer's head is there. `decoded`: what `feed` will get has no Content-Encoding any more.

        It is looked at when the first of the body is: the app waits for that.
        """
        self.status = status
        self._head = headers
        self._decoded = decoded

    def _open(self) -> None:
        """Look at the answer's head."""
        headers, self._head = self._head, None
        if headers is None:
            return
        try:
            self._note(headers)
            self._reader = self._recognised.reader(self.status or 0, headers)
            if not self._decoded:
                self._decoder = content_decoder(headers.get("content-encoding"))
        except Exception:
            self._broken("reader")

    def _note(self, headers: Mapping[str, str]) -> None:
        metered_by = headers.get(METERED_HEADER)
        if metered_by is not None:
            self.metered_by = _name(metered_by) or "unnamed"
        for header in _REQUEST_ID_HEADERS:
            if (request_id := headers.get(header)) is not None:
                self.provider_request_id = _name(request_id)
                break

    def feed(self, data: bytes) -> None:
        """A piece of the body, as the app is about to get it."""
        self._pieces.append(data)
        self._room -= len(data)
        if self._room >= 0:
            return
        if self.first_chunk_ns is None:
            self.first_chunk_ns = time.time_ns()
            self._room += _FIRST_BLOCK
            if self._room >= 0:
                return
        latest = [bytes(piece) for piece in self._pieces[-_LATEST:]]
        self._read()
        self._room = _BLOCK
        try:
            if self._reader is not None and self._decoder is None:
                self.usual = self._reader.usual(latest)
        except Exception:
            self._broken("reader")

    def whole(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """All of the answer, decoded, instead of `answered`, `feed` and `finish`."""
        if not self._ends():
            return
        self.status = status
        if content:
            self.first_chunk_ns = self.ended_ns
        try:
            self._note(headers)
            readings = self._recognised.whole(status, headers, content)
        except Exception:
            self._broken("reader")
            readings = self._recognised.unanswered("unread")
        self._emit(readings)

    def _read(self) -> None:
        """Have the reader take what is held."""
        self._open()
        pieces, self._pieces = self._pieces, []
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        try:
            if self._reader is None:
                return
            if self._decoder is None:
                self._reader.feed(data)
                return
            for at in range(0, len(data), _PACKED):
                self._reader.feed(self._decoder.feed(data[at : at + _PACKED]))
        except Exception:
            self._broken("reader")

    def finish(self, *, ended: bool, error: BaseException | None = None) -> None:
        """The body is over: read to its end, closed before, or broken off by `error`."""
        if not self._ends():
            return
        self._open()
        readings: list[Reading] = []
        if self._pieces:
            self._read()
        try:
            if self._reader is None:
                readings = self._recognised.unanswered(_error_type(error) or "unread")
            else:
                readings = self._reader.finish(ended=ended)
            self._reader = None
            if error is not None:
                for reading in readings:
                    if not reading.complete and reading.error_type is None:
                        reading.error_type = _error_type(error)
        except Exception:
            self._broken("finish")
            readings = self._recognised.unanswered("unread")
        self._emit(readings)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        if isinstance(error, GeneratorExit):
            # The garbage collector closes a coroutine that nobody awaits any more.
            reaper.drop(self)
            return
        if not self._ends():
            return
        try:
            readings = self._recognised.unanswered(_error_type(error) or "error")
        except Exception:
            health.count("finish_failed", log="a call that got no answer could not be recorded")
            return
        if type(error).__name__ in _NEVER_SENT:
            for reading in readings:
                reading.billable = "no"
        self._emit(readings)

    def _ends(self) -> bool:
        """End it, unless it has ended or is the parent process': whether the caller is to tell of it."""
        if self.pid != os.getpid() or not self._finished.acquire(blocking=False):
            return False
        reaper.finished(self)
        self.ended_ns = time.time_ns()
        return True

    def _emit(self, readings: list[Reading]) -> None:
        for reading in readings:
            try:
                emit(self._record, self, reading)
            except Exception:
                health.count(
                    "span_failed", log="the span of a call could not be made; the call is not metered"
                )

    def _broken(self, what: str) -> None:
        self._reader = None
        self.metering_error = what
        health.count(
            f"{what}_failed", log="an LLM answer could not be read; its call is recorded without usage"
        )


def _resend_count(headers: Mapping[str, str]) -> int | None:
    """Told by the SDKs of OpenAI and Anthropic."""
    text = headers.get("x-stainless-retry-count")
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 4 else None


def _error_type(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__[:NAME_AT_MOST]


def _name(text: str) -> str | None:
    """A header's value as a bounded, printable name."""
    text = text[:NAME_AT_MOST]
    clean = text if text.isprintable() else "".join(c for c in text if c.isprintable())
    return clean.strip() or None
