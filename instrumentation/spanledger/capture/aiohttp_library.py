"""The hook in aiohttp, which google-genai's async client uses wherever aiohttp is importable.

aiohttp has no public place that sees both request and body, so `ClientSession._request` is wrapped: all
of its public methods lead there. The answer is watched at `response.content`, the reader that
`read()`, `json()` and every iteration take their bytes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import wrapt

from spanledger import health
from spanledger.capture import meter as metering
from spanledger.capture import reaper
from spanledger.wire import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from spanledger.capture.call import Call
    from spanledger.capture.meter import Begun, Meter


class AiohttpHooks:
    """The wrapped method of aiohttp's session."""

    def __init__(self, library: ModuleType) -> None:
        self._session = library.ClientSession

    def install(self) -> None:
        """Wrap `_request`; a second time does nothing."""
        current = self._session.__dict__["_request"]
        if not isinstance(current, _OurWrapper):
            self._session._request = _OurWrapper(current, self._request)  # noqa: SLF001 - see above

    def remove(self) -> None:
        """Put aiohttp's own method back where nobody wrapped it after us."""
        current = self._session.__dict__["_request"]
        if isinstance(current, _OurWrapper):
            self._session._request = current.__wrapped__  # noqa: SLF001

    async def _request(self, wrapped: Callable[..., Any], session: Any, args: Any, kwargs: Any) -> Any:
        meter = metering.in_force
        begun = None if meter is None else _begin(meter, session, args, kwargs)
        if begun is None:
            return await wrapped(*args, **kwargs)
        call = begun.call
        try:
            try:
                response = await wrapped(*args, **kwargs)
            finally:
                metering.leave(begun)
        except BaseException as error:
            call.failed(error)
            raise
        _watch(response, call, decoded=kwargs.get("auto_decompress", session.auto_decompress) is not False)
        return response


class _OurWrapper(wrapt.FunctionWrapper[..., Any]):
    """Tells our wrapper from anyone else's."""


def _begin(meter: Meter, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Begun | None:
    try:
        method = str(args[0] if args else kwargs["method"])
        url = urlsplit(str(args[1] if len(args) > 1 else kwargs["str_or_url"]))
        if not url.netloc:
            # A path below the session's base URL, which has no public name.
            base = urlsplit(str(getattr(session, "_base_url", "") or ""))
            url = url._replace(scheme=base.scheme, netloc=base.netloc, path=base.path.rstrip("/") + url.path)
        data = kwargs.get("data")
        if isinstance(data, str):
            data = data.encode()
        headers = {str(k).lower(): str(v) for k, v in dict(kwargs.get("headers") or {}).items()}
        seen = Request(
            method=method.upper(),
            host=(url.hostname or "").lower(),
            port=url.port,
            path=url.path,
            query=url.query,
            headers=headers,
            body=bytes(data) if isinstance(data, bytes | bytearray) else None,
        )
    except Exception:
        metering.begin_failed()
        return None
    return meter.begin(seen)


def _watch(response: Any, call: Call, *, decoded: bool) -> None:
    try:
        headers = {k.lower(): v for k, v in response.headers.items()}
        call.answered(response.status, headers, decoded=decoded)
        response.content = WatchedContent(response.content, call)
        for method in ("close", "release"):
            setattr(response, method, _then_finish(getattr(response, method), call))
    except Exception:
        health.count("watch_failed", log="an answer could not be watched; its call is recorded without usage")
        call.finish(ended=False)


def _then_finish(method: Callable[[], Any], call: Call) -> Callable[[], Any]:
    def finishing() -> Any:
        try:
            return method()
        finally:
            call.finish(ended=False)

    return finishing


class WatchedContent(wrapt.ObjectProxy[Any]):
    """A `StreamReader` whose bytes are shown to the call as the app takes them."""

    def __init__(self, content: Any, call: Call) -> None:
        super().__init__(content)
        self._self_call = call

    def _self_seen(self, data: bytes) -> bytes:
        self._self_call.feed(data)
        if self.__wrapped__.at_eof():
            self._self_call.finish(ended=True)
        return data

    async def _self_taken(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
        try:
            data: bytes = await method(*args, **kwargs)
        except Exception as error:
            self._self_call.finish(ended=False, error=error)
            raise
        return self._self_seen(data)

    async def read(self, n: int = -1) -> bytes:
        return await self._self_taken(self.__wrapped__.read, n)

    async def readany(self) -> bytes:
        return await self._self_taken(self.__wrapped__.readany)

    async def readline(self, **kwargs: Any) -> bytes:
        return await self._self_taken(self.__wrapped__.readline, **kwargs)

    async def readuntil(self, *args: Any, **kwargs: Any) -> bytes:
        return await self._self_taken(self.__wrapped__.readuntil, *args, **kwargs)

    async def readexactly(self, n: int) -> bytes:
        return await self._self_taken(self.__wrapped__.readexactly, n)

    async def readchunk(self) -> tuple[bytes, bool]:
        try:
            data, end_of_chunk = await self.__wrapped__.readchunk()
        except Exception as error:
            self._self_call.finish(ended=False, error=error)
            raise
        return self._self_seen(data), end_of_chunk

    def read_nowait(self, n: int = -1) -> bytes:
        return self._self_seen(self.__wrapped__.read_nowait(n))

    # The library's own iterators call the methods of the reader that made them: these call ours.

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _until_empty(self.readline)

    def iter_any(self) -> AsyncIterator[bytes]:
        return _until_empty(self.readany)

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        return _until_empty(lambda: self.read(n))

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        while True:
            data, end_of_chunk = await self.readchunk()
            if not data and not end_of_chunk:
                return
            yield data, end_of_chunk

    def __del__(self) -> None:
        call = self._self_call
        if not call.finished:
            reaper.drop(call)


async def _until_empty(take: Callable[[], Any]) -> AsyncIterator[bytes]:
    while data := await take():
        yield data
