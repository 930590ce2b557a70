"""The real google-genai SDK against Gemini's vectors: sync, async on aiohttp, async on httpx2."""

import asyncio
import gc
import re

import pytest
from google import genai
from google.genai import errors

from spanledger.testing import recorded_calls
from support import vectors
from support.metered import check

# google-genai's own subclassing of aiohttp's session.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

APIS = {"generateContent", "streamGenerateContent", "countTokens", "embedContent", "interactions"}
CASES = [
    case
    for case in vectors.cases()
    if case.provider == "gcp.gemini"
    and case.api in APIS
    # The SDK asks for server-sent events; the JSON array is for other clients.
    and case.id != "gemini-stream-json-array"
]


def client(port):
    base_url = f"http://generativelanguage.googleapis.com:{port}"
    return genai.Client(api_key="AIza-test", http_options={"base_url": base_url})


def model(case):
    return re.search(r"/models/([^:]+):", case.request["url"])[1]


def call(models, case):
    match case.api:
        case "generateContent":
            return models.generate_content(model=model(case), contents="hi")
        case "streamGenerateContent":
            return models.generate_content_stream(model=model(case), contents="hi")
        case "countTokens":
            return models.count_tokens(model=model(case), contents="hi")
        case "embedContent":
            return models.embed_content(model=model(case), contents="x")
    raise AssertionError(case.api)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_sync_client_is_metered(case, replay):
    replay.play(case.response)
    with recorded_calls() as calls, client(replay.port) as sdk:
        if case.api == "interactions":
            sdk.interactions.create(**case.request["json"])
        else:
            answer = call(sdk.models, case)
            if case.api == "streamGenerateContent":
                list(answer)
    check(case, calls)


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_async_client_is_metered(case, replay, transport, monkeypatch):
    replay.play(case.response)
    with recorded_calls() as calls:
        sdk = client(replay.port)
        if transport == "httpx2":
            monkeypatch.setattr(sdk._api_client, "_use_aiohttp", lambda: False)
        else:
            assert sdk._api_client._use_aiohttp()
        try:
            if case.api == "interactions":
                await sdk.aio.interactions.create(**case.request["json"])
            else:
                answer = await call(sdk.aio.models, case)
                if case.api == "streamGenerateContent":
                    async for _ in answer:
                        pass
        finally:
            await sdk.aio.aclose()
            sdk.close()
    check(case, calls)


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
async def test_a_stream_that_is_left_early_is_recorded_once(replay, transport, monkeypatch):
    (case,) = (case for case in CASES if case.id == "gemini-stream-cumulative")
    replay.play(case.response)
    with recorded_calls() as calls:
        sdk = client(replay.port)
        if transport == "httpx2":
            monkeypatch.setattr(sdk._api_client, "_use_aiohttp", lambda: False)
        answer = await sdk.aio.models.generate_content_stream(model="gemini-2.5-pro", contents="hi")
        async for _ in answer:
            break
        await answer.aclose()
        del answer
        await sdk.aio.aclose()
        sdk.close()
        while not calls:  # the event loop closes the generators that were collected, one by one
            gc.collect()
            await asyncio.sleep(0.01)
    assert len(calls) == 1
    # How far the library had read ahead decides between the first event's figure and the last one's.
    assert calls[0].attributes["gen_ai.usage.input_tokens"] in {249, 568}


def test_an_error_answer_is_recorded_as_one(replay):
    refused = {
        "kind": "json",
        "status": 429,
        "headers": {"content-type": "application/json"},
        "json": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
    }
    replay.play(refused)
    with recorded_calls() as calls, client(replay.port) as sdk, pytest.raises(errors.APIError):
        sdk.models.generate_content(model="gemini-2.5-flash", contents="hi")
    assert calls[0].attributes["error.type"] == "429"
    assert calls[0].attributes["spanledger.billable"] == "no"
