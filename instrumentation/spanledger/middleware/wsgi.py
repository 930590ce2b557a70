"""The middleware for WSGI apps: Flask, Django, Bottle, Falcon."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from spanledger.context import Turn
from spanledger.middleware import gateway
from spanledger.middleware.resolvers import IncomingRequest, attribution_of, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spanledger.attribution import Attribution
    from spanledger.middleware.resolvers import Resolver

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]
    App = Callable[[Environ, StartResponse], Iterable[bytes]]


class SpanledgerWSGIMiddleware:
    """Bills what the app does for a request, while it makes its answer included.

    The server's thread, which serves another client next, has the billing context only while the app's own
    code runs. `metered_as` is for a gateway, as in `SpanledgerASGIMiddleware`.
    """

    def __init__(self, app: App, resolver: Resolver, *, metered_as: str | None = None) -> None:
        self.app = app
        self.resolver = resolver
        self.metered_as = gateway.checked(metered_as)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        if self.metered_as is not None:
            start_response = _saying(self.metered_as, start_response)
        attribution = self._resolve(environ)
        if attribution is None:
            return self.app(environ, start_response)
        turn = Turn(attribution)
        with turn:
            body = self.app(environ, start_response)
        file_wrapper = environ.get("wsgi.file_wrapper")
        if type(body) in (list, tuple, bytes) or (
            isinstance(file_wrapper, type) and isinstance(body, file_wrapper)
        ):
            # Nothing of the app is still to run, and servers look at these types: for the length of a body
            # of one part, and to send a file without reading it.
            return body
        return _Body(body, turn)

    def _resolve(self, environ: Environ) -> Attribution | None:
        try:
            resolved = self.resolver(_request(environ))
            if inspect.iscoroutine(resolved):
                resolved.close()
                raise TypeError("a WSGI resolver must not be a coroutine function")  # noqa: TRY301
            return attribution_of(resolved)
        except Exception as error:
            return failed(error)


def _saying(name: str, start_response: StartResponse) -> StartResponse:
    def say(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        if gateway.metering_now() and all(known.lower() != gateway.HEADER for known, _ in headers):
            headers = [*headers, (gateway.HEADER, name)]
        return start_response(status, headers, *more)

    return say


class _Body:
    """An app's answer, made turn by turn in the request's billing context."""

    def __init__(self, body: Iterable[bytes], turn: Turn) -> None:
        self._body = body
        self._turn = turn
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._turn:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        """End the answer, as WSGI has it: called by the server however it ended."""
        close = getattr(self._body, "close", None)
        if close is not None:
            with self._turn:
                close()


def _request(environ: Environ) -> IncomingRequest:
    headers = {_header(name): value for name, value in environ.items() if name.startswith(_HEADERS)}
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return IncomingRequest(environ.get("REQUEST_METHOD", ""), path, headers, environ)


_HEADERS = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").lower()
