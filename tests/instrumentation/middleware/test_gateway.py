"""A gateway that meters says so in its answers, and who calls it does not bill its calls again."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from spanledger.middleware import SpanledgerASGIMiddleware, SpanledgerWSGIMiddleware, from_header
from spanledger.testing import recorded_calls
from support.counting import Counting

ANSWER = {
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
ASKED = {"model": "gpt-4o", "messages": []}
PROVIDER = httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER))
TENANT = from_header("x-client", set_by_our_gateway=True)


def passed_on():
    with httpx.Client(transport=PROVIDER) as client:
        return client.post("https://api.openai.com/v1/chat/completions", json=ASKED).json()


async def completions(_request: Request) -> JSONResponse:
    async with httpx.AsyncClient(transport=PROVIDER) as client:
        answer = await client.post("https://api.openai.com/v1/chat/completions", json=ASKED)
    return JSONResponse(answer.json())


def wsgi_app(_environ, start_response):
    start_response("200 OK", [("content-type", "application/json")])
    return [httpx.Response(200, json=passed_on()).content]


def asgi(**options):
    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    return httpx.ASGITransport(SpanledgerASGIMiddleware(app, TENANT, **options))


def wsgi(**options):
    return httpx.WSGITransport(SpanledgerWSGIMiddleware(wsgi_app, TENANT, **options))


async def called_through(transport):
    """An app's call through the gateway."""
    url, headers = "http://gateway.example/v1/chat/completions", {"x-client": "acme"}
    if isinstance(transport, httpx.ASGITransport):
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(url, json=ASKED, headers=headers)
    with httpx.Client(transport=transport) as client:
        return client.post(url, json=ASKED, headers=headers)


@pytest.mark.parametrize("kind", [asgi, wsgi])
async def test_the_callers_span_names_the_gateway_and_does_not_bill(kind):
    with recorded_calls() as calls:
        answer = await called_through(kind(metered_as="edge"))
    assert answer.headers.get_list("spanledger-metered") == ["edge"]
    (outer,) = [call for call in calls if call.attributes["server.address"] == "gateway.example"]
    assert outer.attributes["spanledger.metered_by"] == "edge"
    assert outer.attributes["spanledger.billable"] == "no"


@pytest.mark.parametrize("kind", [asgi, wsgi])
async def test_without_a_name_or_without_metering_the_answer_says_nothing(kind):
    with recorded_calls():
        assert "spanledger-metered" not in (await called_through(kind())).headers
    assert "spanledger-metered" not in (await called_through(kind(metered_as="edge"))).headers


def test_what_a_nearer_hop_said_stays():
    async def said(_request: Request) -> JSONResponse:
        return JSONResponse({}, headers={"Spanledger-Metered": "hub"})

    app = SpanledgerASGIMiddleware(Starlette(routes=[Route("/", said)]), TENANT, metered_as="edge")
    with recorded_calls():
        assert TestClient(app).get("/").headers.get_list("spanledger-metered") == ["hub"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "ä", 7])
def test_a_name_that_no_header_holds_is_counted_and_nothing_is_said(name):
    with Counting() as counted:
        assert SpanledgerASGIMiddleware(asgi, TENANT, metered_as=name).metered_as is None
    assert counted.kinds == {"bad_setting": 1}
