"""An ASGI app's work for a request is billed to the request's client, from its first to its last step."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spanledger.attribution import Attribution
from spanledger.context import UNATTRIBUTED, current, set_default
from spanledger.middleware import IncomingRequest, SpanledgerASGIMiddleware, from_header
from support.counting import Counting

payers: list[str | None] = []


@pytest.fixture(autouse=True)
def no_payers() -> None:
    payers.clear()


def note() -> str:
    payers.append(current().client_id)
    return f"{current().client_id};"


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse(note())


def in_a_thread(request: Request) -> PlainTextResponse:
    return PlainTextResponse(note())


async def streamed(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield note()

    return StreamingResponse(chunks())


async def streamed_from_a_thread(request: Request) -> StreamingResponse:
    def chunks() -> Iterator[str]:
        for _ in range(3):
            yield note()

    return StreamingResponse(chunks())


async def with_a_background_task(request: Request) -> PlainTextResponse:
    return PlainTextResponse(note(), background=BackgroundTask(note))


async def failing(request: Request) -> PlainTextResponse:
    note()
    raise ZeroDivisionError


def app() -> Starlette:
    return Starlette(
        routes=[
            Route("/plain", plain),
            Route("/thread", in_a_thread),
            Route("/stream", streamed),
            Route("/thread-stream", streamed_from_a_thread),
            Route("/background", with_a_background_task),
            Route("/failing", failing),
        ]
    )


HEADER = from_header("x-client-id", set_by_our_gateway=True)


def client_of(application: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://app")


@pytest.mark.parametrize(
    ("path", "steps"),
    [("/plain", 1), ("/thread", 1), ("/stream", 3), ("/thread-stream", 3), ("/background", 2)],
)
async def test_every_step_of_an_answer_is_billed_to_the_requests_client(path: str, steps: int):
    async with client_of(SpanledgerASGIMiddleware(app(), resolver=HEADER)) as client:
        answers = await asyncio.gather(
            *(client.get(path, headers={"X-Client-Id": name}) for name in ("acme", "globex"))
        )
    for name, answer in zip(("acme", "globex"), answers, strict=True):
        assert answer.status_code == 200
        assert set(answer.text.split(";")) == {name, ""}
    assert sorted(payers) == ["acme"] * steps + ["globex"] * steps
    assert current() == UNATTRIBUTED


async def test_it_is_added_as_starlette_adds_middleware_and_reaches_past_others():
    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    application = app()
    application.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    application.add_middleware(SpanledgerASGIMiddleware, resolver=HEADER)
    async with client_of(application) as client:
        answer = await client.get("/stream", headers={"X-Client-Id": "acme"})
    assert answer.text == "acme;acme;acme;"


async def test_an_error_of_the_app_passes_and_leaves_nothing_behind():
    async with client_of(SpanledgerASGIMiddleware(app(), resolver=HEADER)) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/failing", headers={"X-Client-Id": "acme"})
    assert payers == ["acme"]
    assert current() == UNATTRIBUTED


async def test_a_request_that_names_no_client_is_paid_by_the_default():
    set_default("agency")
    try:
        async with client_of(SpanledgerASGIMiddleware(app(), resolver=HEADER)) as client:
            await client.get("/plain")
    finally:
        set_default(None)
    assert payers == ["agency"]


async def test_a_resolver_that_raises_costs_the_attribution_not_the_answer():
    def broken(request: IncomingRequest) -> str:
        raise KeyError(request.path)

    set_default("agency")
    try:
        async with client_of(SpanledgerASGIMiddleware(app(), resolver=broken)) as client:
            with Counting() as counted:
                answer = await client.get("/plain")
    finally:
        set_default(None)
    assert (answer.status_code, payers) == (200, [None])
    assert counted.kinds == {"resolver_failed": 1}


async def test_a_resolver_sees_method_path_headers_and_scope_and_may_be_asynchronous():
    seen: list[IncomingRequest] = []

    async def look_up(request: IncomingRequest) -> Attribution:
        await asyncio.sleep(0)
        seen.append(request)
        return Attribution("acme", project="seo-bot")

    async with client_of(SpanledgerASGIMiddleware(app(), resolver=look_up)) as client:
        await client.get("/plain?a=1", headers=[("X-Many", "1"), ("x-many", "2")])
    assert (seen[0].method, seen[0].path, seen[0].headers["x-many"]) == ("GET", "/plain", "1,2")
    assert seen[0].raw["query_string"] == b"a=1"
    assert payers == ["acme"]


async def test_a_websocket_is_billed_for_as_long_as_it_lasts():
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        while await websocket.receive_text() != "end":
            await websocket.send_text(note())
        await websocket.close()

    application = SpanledgerASGIMiddleware(Starlette(routes=[WebSocketRoute("/talk", talk)]), resolver=HEADER)
    incoming = iter(
        [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": text} for text in ("one", "two", "end")),
        ]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/talk",
        "headers": [(b"x-client-id", b"acme")],
        "query_string": b"",
    }
    await application(scope, receive, send)
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == ["acme;"] * 2
    assert current() == UNATTRIBUTED


async def test_start_up_and_shut_down_pass_without_asking_the_resolver():
    phases: list[str] = []

    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        phases.append("up")
        yield
        phases.append("down")

    from contextlib import asynccontextmanager

    def never(request: IncomingRequest) -> str:
        raise AssertionError(request)

    application = SpanledgerASGIMiddleware(Starlette(lifespan=asynccontextmanager(lifespan)), resolver=never)
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        phases.append(message["type"])

    with Counting() as counted:
        await application({"type": "lifespan"}, receive, send)
    assert phases == ["up", "lifespan.startup.complete", "down", "lifespan.shutdown.complete"]
    assert counted.kinds == {}
