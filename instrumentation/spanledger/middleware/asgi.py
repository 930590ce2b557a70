"""The middleware for ASGI apps: Starlette, FastAPI, Quart, Django's ASGI, Litestar."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from spanledger.context import bill_to
from spanledger.middleware import gateway
from spanledger.middleware.resolvers import IncomingRequest, Resolver, attribution_of, failed

if TYPE_CHECKING:
    from spanledger.attribution import Attribution

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class SpanledgerASGIMiddleware:
    """Bills what the app does for a request or a websocket: streamed answers and background tasks too.

    `metered_as` is for a gateway, which passes on other apps' LLM calls: its name, with which every answer
    says that the calls behind it are metered here, so that an instrumented caller does not bill them again.
    """

    def __init__(self, app: App, resolver: Resolver, *, metered_as: str | None = None) -> None:
        self.app = app
        self.resolver = resolver
        self.metered_as = gateway.checked(metered_as)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one scope. Others than http and websocket (lifespan) pass untouched."""
        attribution = await self._resolve(scope) if scope.get("type") in {"http", "websocket"} else None
        if self.metered_as is not None and scope.get("type") == "http":
            send = _saying(self.metered_as, send)
        if attribution is None:
            await self.app(scope, receive, send)
            return
        with bill_to.attribution(attribution):
            await self.app(scope, receive, send)

    async def _resolve(self, scope: Scope) -> Attribution | None:
        try:
            resolved = self.resolver(_request(scope))
            if inspect.isawaitable(resolved):
                resolved = await resolved
            return attribution_of(resolved)
        except Exception as error:
            return failed(error)


def _saying(name: str, send: Send) -> Send:
    async def say(message: MutableMapping[str, Any]) -> None:
        if message.get("type") == "http.response.start" and gateway.metering_now():
            header, headers = gateway.HEADER.encode(), list(message.get("headers", ()))
            if all(bytes(known).lower() != header for known, _ in headers):  # a nearer hop has said it
                message = {**message, "headers": [*headers, (header, name.encode())]}
        await send(message)

    return say


def _request(scope: Scope) -> IncomingRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope.get("headers", ()):
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return IncomingRequest(scope.get("method", ""), scope.get("path", ""), headers, scope)
