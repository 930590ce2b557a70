"""The real openai SDK, sync and async, against every OpenAI and Azure vector.

openai 3.x runs on httpx2, 2.x on httpx; the last test runs this file once more under 2.x.
"""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest

from spanledger.testing import recorded_calls
from support import vectors
from support.metered import check

MAJOR = int(openai.__version__.split(".")[0])
PATHS = {
    "chat.completions": lambda c: c.chat.completions.create,
    "completions": lambda c: c.completions.create,
    "embeddings": lambda c: c.embeddings.create,
    "images.generations": lambda c: c.images.generate,
    "responses": lambda c: c.responses.create,
    "responses.input_tokens": lambda c: c.responses.input_tokens.count,
    "responses.retrieve": lambda c: c.responses.retrieve,
    "batches.retrieve": lambda c: c.batches.retrieve,
    "batches.output_file": lambda c: c.files.content,
    "audio.transcriptions": lambda c: c.audio.transcriptions.create,
    "audio.speech": lambda c: c.audio.speech.create,
}
CASES = [c for c in vectors.cases() if c.provider in {"openai", "azure.ai.openai"} and c.api in PATHS]
SINGLE = [case for case in CASES if "#" not in case.id]


def arguments(case):
    url = urlsplit(case.request["url"])
    last = [part for part in url.path.split("/") if part][-1]
    match case.api:
        case "responses.retrieve":
            return (last,), {}
        case "batches.retrieve":
            return (last,), {}
        case "batches.output_file":
            return (url.path.split("/")[-2],), {}
        case "audio.transcriptions":
            return (), {**case.request["json"], "file": ("a.wav", io.BytesIO(b"RIFF"))}
    return (), dict(case.request["json"])


def options(case, port):
    url = urlsplit(case.request["url"])
    if case.provider == "azure.ai.openai":
        query = dict(pair.split("=") for pair in url.query.split("&"))
        base = {"azure_endpoint": f"http://{url.hostname}:{port}", "api_version": query["api-version"]}
        return (openai.AzureOpenAI, openai.AsyncAzureOpenAI), {"api_key": "sk-test", "max_retries": 0, **base}
    return (openai.OpenAI, openai.AsyncOpenAI), {
        "api_key": "sk-test",
        "max_retries": 0,
        "base_url": f"http://{url.hostname}:{port}/v1",
    }


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.id)
def test_the_sync_client_is_metered(case, replay):
    replay.play(case.response)
    (client_class, _), settings = options(case, replay.port)
    args, kwargs = arguments(case)
    with recorded_calls() as calls, client_class(**settings) as client:
        with contextlib.suppress(openai.APIError):  # a failure that stands in the answer; the SDK raises it
            answer = PATHS[case.api](client)(*args, **kwargs)
            if isinstance(answer, openai.Stream):
                list(answer)
    check(case, calls)


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.id)
async def test_the_async_client_is_metered(case, replay):
    replay.play(case.response)
    (_, client_class), settings = options(case, replay.port)
    args, kwargs = arguments(case)
    with recorded_calls() as calls:
        async with client_class(**settings) as client:
            with contextlib.suppress(openai.APIError):
                answer = await PATHS[case.api](client)(*args, **kwargs)
                if isinstance(answer, openai.AsyncStream):
                    async for _ in answer:
                        pass
    check(case, calls)


def test_each_retry_of_the_sdk_is_a_call_of_its_own(replay, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    refused, answered = (case_of("openai-retry-500-then-200#0"), case_of("openai-retry-500-then-200#1"))
    replay.play(refused.response, answered.response)
    with recorded_calls() as calls:
        with openai.OpenAI(api_key="sk-test", base_url=f"http://api.openai.com:{replay.port}/v1") as client:
            client.chat.completions.create(model="gpt-4o", messages=[])
    check(refused, calls[:1])
    check(answered, calls[1:])


def case_of(name):
    return next(case for case in CASES if case.id == name)


def test_an_app_that_asks_for_no_usage_sees_none_and_is_billed(replay):
    replay.play(case_of("openai-chat-stream-include-usage").response)
    with recorded_calls() as calls:
        with openai.OpenAI(api_key="sk-test", base_url=f"http://api.openai.com:{replay.port}/v1") as client:
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
            chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert calls[0].attributes["gen_ai.usage.input_tokens"] == 19


if MAJOR >= 3:

    def test_openai_2_on_httpx_passes_the_same_cases():
        beside = Path(sys.prefix) / "openai2"
        assert (beside / "openai").is_dir(), f"openai 2.x is not installed in {beside}; run `make setup`"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
            env={**os.environ, "PYTHONPATH": str(beside)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
