"""The hooks in httpx and httpx2: their public `Client.send` and `AsyncClient.send`.

`send` sees every transport, proxy, mount and SDK retry. One code path serves both libraries; the
library's module is a parameter. The app's own request object is never changed: where usage must be
asked for, a copy goes out, and the response names the app's request.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from spanledger import health
from spanledger.capture import meter as metering
from spanledger.capture.headers import headers_of
from spanledger.capture.include_usage import UsageEventFilter
from spanledger.capture.streams import tees
from spanledger.wire import SOUGHT, Request, by_address, content_decoder, may_ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from spanledger.capture.call import Call

_REPLACED = (b"content-length", b"transfer-encoding", b"accept-encoding")
"""Headers that another body has otherwise."""
LIBRARIES = ("httpx", "httpx2")


class LibraryHooks:
    """The two wrapped methods of one library."""

    def __init__(self, library: ModuleType) -> None:
        self._library = library
        self._sync_tee, self._async_tee = tees(library)
        self._ours: dict[Any, Any] = {}

    def install(self) -> None:
        """Wrap `send`; a second time does nothing."""
        for owner, wrap in ((self._library.Client, self._sync), (self._library.AsyncClient, self._async)):
            if not self._wrapped(owner.__dict__["send"]):
                owner.send = self._ours[owner] = wrap(owner.__dict__["send"])

    def remove(self) -> None:
        """Put the library's own methods back where nobody wrapped them after us.

        Under somebody else's wrapper ours stays in place and only passes on.
        """
        for owner, ours in self._ours.items():
            if owner.__dict__["send"] is ours:
                owner.send = ours.__wrapped__

    def _wrapped(self, method: Any) -> bool:
        """Whether one of ours is there, be it under other people's wrappers."""
        while method is not None:
            if any(method is ours for ours in self._ours.values()):
                return True
            method = getattr(method, "__wrapped__", None)
        return False

    # The question whether a request may be a call at all comes before anything else: these run for every
    # request of the app.

    def _sync(self, send: Callable[..., Any]) -> Any:
        @functools.wraps(send)
        def metered(client: Any, request: Any, **kwargs: Any) -> Any:
            meter = metering.in_force
            if meter is None or (seen := self._seen(request)) is None:
                return send(client, request, **kwargs)
            begun = meter.begin(seen)
            if begun is None:
                return send(client, request, **kwargs)
            call = begun.call
            copy = None if begun.body is None else self._amended(request, begun.body)
            try:
                try:
                    if copy is None:
                        response = send(client, request, **kwargs)
                    else:
                        response = send(client, copy, **{**kwargs, "stream": True})
                        if response.status_code == 400 and _names_our_field(response.read()):
                            # The app must get the answer to its own request; a refused one costs nothing.
                            meter.refused(request.url.host)
                            copy = None
                            response = send(client, request, **kwargs)
                finally:
                    metering.leave(begun)
                if copy is not None:
                    response.request = request
            except BaseException as error:
                call.failed(error)
                raise
            self._watch(response, call, self._sync_tee, hide=copy is not None)
            if copy is not None and not kwargs.get("stream"):
                try:
                    response.read()
                except BaseException:
                    response.close()
                    raise
            return response

        return metered

    def _async(self, send: Callable[..., Any]) -> Any:
        @functools.wraps(send)
        async def metered(client: Any, request: Any, **kwargs: Any) -> Any:
            meter = metering.in_force
            if meter is None or (seen := self._seen(request)) is None:
                return await send(client, request, **kwargs)
            begun = meter.begin(seen)
            if begun is None:
                return await send(client, request, **kwargs)
            call = begun.call
            copy = None if begun.body is None else self._amended(request, begun.body)
            try:
                try:
                    if copy is None:
                        response = await send(client, request, **kwargs)
                    else:
                        response = await send(client, copy, **{**kwargs, "stream": True})
                        if response.status_code == 400 and _names_our_field(await response.aread()):
                            meter.refused(request.url.host)
                            copy = None
                            response = await send(client, request, **kwargs)
                finally:
                    metering.leave(begun)
                if copy is not None:
                    response.request = request
            except BaseException as error:
                call.failed(error)
                raise
            self._watch(response, call, self._async_tee, hide=copy is not None)
            if copy is not None and not kwargs.get("stream"):
                try:
                    await response.aread()
                except BaseException:
                    await response.aclose()
                    raise
            return response

        return metered

    def _seen(self, request: Any) -> Request | None:
        """A request that may be a call; nearly every other one is told from its address."""
        try:
            url = request.url
            raw_path, _, query = url.raw_path.partition(b"?")
            known = by_address[request.method, url.host, raw_path]
            if known is None:
                return None
            told_by_body, method, host, path = known
            # Where the library has kept it; to ask for it takes a third of what a POST that is no call costs.
            body = getattr(request, "_content", None)
            if body is None:
                try:
                    body = request.content
                except self._library.StreamError:
                    pass  # a streamed one: it is the app's to send
            if told_by_body and (body is None or SOUGHT not in body or not may_ask(body)):
                return None
            return Request(
                method,
                host,
                url.port,
                path,
                query.decode("ascii", "replace"),
                headers_of(request),
                body,
            )
        except Exception:
            metering.begin_failed()
            return None

    def _amended(self, request: Any, body: bytes) -> Any | None:
        """The request that asks for usage, or None where it cannot be made: the app's own goes out then."""
        try:
            headers = [header for header in request.headers.raw if header[0].lower() not in _REPLACED]
            # The event to be hidden must be found in plain bytes.
            headers.append((b"Accept-Encoding", b"identity"))
            headers.append((b"Content-Length", b"%d" % len(body)))
            copy = self._library.Request(
                request.method,
                request.url,
                headers=headers,
                # Not as `content`: what the library then works out is in the app's own headers already, and
                # takes as long as all the rest of what the app waits for here.
                stream=self._library.ByteStream(body),
                extensions=request.extensions,
            )
            copy.read()  # so that whoever is below finds its content, as in the app's own
        except Exception:
            health.count("amend_failed", log="usage could not be asked for; the request went out unchanged")
            return None
        return copy

    def _watch(self, response: Any, call: Call, tee: Any, *, hide: bool) -> None:
        """Read what is there, or stand in the stream."""
        try:
            head = headers_of(response)
            try:
                content = response.content
            except self._library.StreamError:
                pass  # not read yet
            else:
                call.whole(response.status_code, head, content)
                return
            if hide and head.get("content-type", "").startswith("text/event-stream"):
                decoder = content_decoder(head.get("content-encoding"))
                call.answered(response.status_code, head, decoded=True)
                response.stream = tee(response.stream, call, usage_filter=UsageEventFilter(), decoder=decoder)
                for name in ("content-encoding", "content-length"):
                    if name in head:
                        del response.headers[name]
            else:
                call.answered(response.status_code, head, decoded=False)
                response.stream = tee(response.stream, call)
        except Exception:
            health.count(
                "watch_failed", log="an answer could not be watched; its call is recorded without usage"
            )
            call.finish(ended=False)


def _names_our_field(body: bytes) -> bool:
    return b"stream_options" in body or b"include_usage" in body
