"""The real anthropic SDK against every vector of Anthropic's API, wherever it is hosted."""

import contextlib
from urllib.parse import urlsplit

import anthropic
import pytest

from spanledger.testing import recorded_calls
from support import vectors
from support.metered import check

CASES = [case for case in vectors.cases() if case.id.startswith("anthropic-")]


def clients(case, port, *, asynchronous):
    url = urlsplit(case.request["url"])
    if "aiplatform" in url.hostname:
        kind = anthropic.AsyncAnthropicVertex if asynchronous else anthropic.AnthropicVertex
        return kind(
            project_id="p1",
            region="us-east5",
            access_token="t",
            base_url=f"http://{url.hostname}:{port}/v1",
            max_retries=0,
        )
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    path = url.path.removesuffix("/v1/messages")
    return kind(api_key="sk-ant-test", base_url=f"http://{url.hostname}:{port}{path}", max_retries=0)


def arguments(case):
    body = {k: v for k, v in case.request["json"].items() if k != "anthropic_version"}
    body.setdefault("model", "claude-sonnet-4-5@20250929")
    known = {"model", "max_tokens", "messages", "stream", "metadata", "tools", "service_tier"}
    extra = {k: body.pop(k) for k in list(body) if k not in known}
    return {**body, "extra_body": extra}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_sync_client_is_metered(case, replay):
    replay.play(case.response)
    with recorded_calls() as calls, clients(case, replay.port, asynchronous=False) as client:
        resource = client.beta.messages if case.api.startswith("beta") else client.messages
        answer = resource.create(**arguments(case))
        if case.request["json"].get("stream"):
            with contextlib.suppress(anthropic.APIError):  # a failure that stands in the stream
                list(answer)
    check(case, calls)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_async_client_is_metered(case, replay):
    replay.play(case.response)
    with recorded_calls() as calls:
        async with clients(case, replay.port, asynchronous=True) as client:
            resource = client.beta.messages if case.api.startswith("beta") else client.messages
            answer = await resource.create(**arguments(case))
            if case.request["json"].get("stream"):
                with contextlib.suppress(anthropic.APIError):
                    async for _ in answer:
                        pass
    check(case, calls)


def test_the_sdks_stream_helper_is_metered(replay):
    (case,) = (case for case in CASES if case.id == "anthropic-stream-cache-ttl")
    replay.play(case.response)
    with recorded_calls() as calls, clients(case, replay.port, asynchronous=False) as client:
        body = {k: v for k, v in case.request["json"].items() if k != "stream"}
        with client.messages.stream(**body) as stream:
            assert stream.get_final_message().usage.output_tokens == 344
    check(case, calls)
