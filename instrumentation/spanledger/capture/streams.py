"""The copy of an answer that is read as it arrives.

A tee takes the place of `response.stream`. Each chunk is shown to the call, but for those that are an
event as all the others that state nothing; and it is passed on at once, unchanged, unless the call caused
an event that must not be seen. The call is finished when the body is exhausted, closed or broken off; when
the response is dropped without being closed, the finaliser leaves it to the reaper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger import health
from spanledger.capture import reaper
from spanledger.wire import NOTHING_USUAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from spanledger.capture.call import Call
    from spanledger.capture.include_usage import UsageEventFilter
    from spanledger.wire.decode import ContentDecoder


class Tee:
    """What the synchronous and the asynchronous tee share. `stream` is the library's own stream."""

    def __init__(
        self,
        stream: Any,
        call: Call,
        *,
        usage_filter: UsageEventFilter | None = None,
        decoder: ContentDecoder | None = None,
    ) -> None:
        self._stream = stream
        self._call = call
        self._filter = usage_filter
        self._decoder = decoder
        """Set where the filter needs plain bytes although the answer is compressed: the app then gets
        it decoded."""
        self._usual = NOTHING_USUAL

    def _shown(self, chunk: bytes) -> bytes:
        """Show a chunk to the call; what of it the app may see."""
        if self._decoder is not None:
            chunk = self._decoded(chunk)
        self._call.feed(chunk)
        # In the middle of an event, a chunk's beginning is not an event's. And what is usual once it is
        # decoded would have to be decoded to be told.
        if self._decoder is None:
            self._usual = self._call.usual if chunk[-2:] == b"\n\n" else NOTHING_USUAL
        # An app's own transport may yield any buffer.
        return chunk if self._filter is None else self._filter.push(bytes(chunk))

    def _decoded(self, chunk: bytes) -> bytes:
        if self._decoder is not None:
            try:
                chunk = self._decoder.feed(chunk)
            except Exception:
                # Not in its coding: the app's own decoding would fail on it too. It gets what came.
                health.count(
                    "decode_failed", log="an answer is not in the coding it names; it passes as it came"
                )
                self._decoder = None
        return chunk

    def _rest(self) -> bytes:
        return b"" if self._filter is None else self._filter.flush()

    def __getattr__(self, name: str) -> Any:
        # `Response.elapsed` reads `stream.elapsed`; other libraries look for more.
        return getattr(self._stream, name)

    def __del__(self) -> None:
        call = self.__dict__.get("_call")
        if call is not None and not call.finished:
            reaper.drop(call)


class SyncTee(Tee):
    """A tee over a `SyncByteStream`."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            begin, length, rest_of = NOTHING_USUAL
            for chunk in self._stream:
                if chunk[:length] == begin and rest_of(chunk, length) is not None:
                    yield chunk
                    continue
                shown = self._shown(chunk)
                begin, length, rest_of = self._usual
                if shown or not chunk:
                    yield shown
            rest = self._rest()
            # Finished before the last bytes are out: the app may stop listening there.
            self._call.finish(ended=True)
            if rest:
                yield rest
        except GeneratorExit:
            # Also raised by the garbage collector, where nothing may be done; `close` or the
            # finaliser follows.
            raise
        except BaseException as error:
            self._call.finish(ended=False, error=error)
            raise

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._call.finish(ended=False)


class AsyncTee(Tee):
    """A tee over an `AsyncByteStream`."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            begin, length, rest_of = NOTHING_USUAL
            async for chunk in self._stream:
                if chunk[:length] == begin and rest_of(chunk, length) is not None:
                    yield chunk
                    continue
                shown = self._shown(chunk)
                begin, length, rest_of = self._usual
                if shown or not chunk:
                    yield shown
            rest = self._rest()
            self._call.finish(ended=True)
            if rest:
                yield rest
        except GeneratorExit:
            raise
        except BaseException as error:
            self._call.finish(ended=False, error=error)
            raise

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._call.finish(ended=False)


def tees(library: Any) -> tuple[type[SyncTee], type[AsyncTee]]:
    """The two tees as subclasses of this library's stream types, which its `Response` asks for."""
    sync_tee = type("SpanledgerStream", (SyncTee, library.SyncByteStream), {})
    async_tee = type("SpanledgerAsyncStream", (AsyncTee, library.AsyncByteStream), {})
    return sync_tee, async_tee
