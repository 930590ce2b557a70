"""The agency: an app that works for ten clients with the SDKs of three providers.

`python -m spanledger_billing.demo.agency --providers URL` is metered as any app is: by `instrument()`, and
by `bill_to` around the work for a client. It prints what its jobs got to see, as JSON: the same seed of
the providers gives the same text, metered or not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import spanledger

from . import work_anthropic, work_google, work_openai
from .clients import CLIENTS, HOUSE_KEY, Client
from .desk import Desk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Job = Callable[[Desk], str]
    AsyncJob = Callable[[Desk], Awaitable[str]]

_OPENAI: Final[tuple[Job, ...]] = (
    work_openai.chat,
    work_openai.chat_stream,
    work_openai.chat_stream_with_usage,
    work_openai.chat_with_reasoning,
    work_openai.tool_loop,
    work_openai.embeddings,
    work_openai.response,
    work_openai.response_stream_with_search,
    work_openai.response_that_fails_inside,
    work_openai.refused_then_answered,
    work_openai.refused_for_good,
)
_ANTHROPIC: Final[tuple[Job, ...]] = (
    work_anthropic.message,
    work_anthropic.message_with_caches,
    work_anthropic.stream_with_cache_and_thinking,
    work_anthropic.web_search,
    work_anthropic.web_search_stream,
    work_anthropic.tool_loop,
    work_anthropic.tool_stream,
    work_anthropic.advised_message,
    work_anthropic.count_tokens,
    work_anthropic.refused_then_answered,
    work_anthropic.refused,
)
_GOOGLE: Final[tuple[Job, ...]] = (
    work_google.generate,
    work_google.generate_stream,
    work_google.from_a_cache,
    work_google.hosted_search,
    work_google.function_call,
    work_google.listen,
    work_google.count_tokens,
    work_google.refused,
    work_google.key_in_the_url,
)

JOBS: Final[dict[str, tuple[Job, ...]]] = {
    "alder-dental": (*_OPENAI, *_ANTHROPIC),
    "brightside-realty": (*_ANTHROPIC, work_anthropic.stream_that_breaks_off),
    "cobalt-legal": (*_ANTHROPIC, *_OPENAI, work_openai.response_in_the_background),
    "dune-outdoor": (
        *_OPENAI,
        work_openai.stop_reading,
        work_openai.forget_a_stream,
        work_openai.stream_that_breaks_off,
        work_anthropic.stop_reading,
        work_google.stop_reading,
    ),
    "elm-street-bakery": (*_GOOGLE, work_google.paint),
    "fjord-shipping": (*_OPENAI, *_GOOGLE, work_openai.own_model_server, work_openai.own_model_server_stream),
    "glasswing-health": (*_GOOGLE, *_ANTHROPIC, work_anthropic.stream_that_fails_inside),
}
"""Clients whose app is synchronous: what is done for each, in this order."""

ASYNC_JOBS: Final[dict[str, tuple[AsyncJob, ...]]] = {
    "harbor-credit-union": (
        work_openai.async_chat,
        work_openai.async_chat_stream,
        work_openai.async_response,
        work_anthropic.async_message,
    ),
    "ironwood-hr": (
        work_anthropic.async_message,
        work_anthropic.async_stream,
        work_google.async_generate,
        work_openai.async_stop_reading,
    ),
    "juniper-travel": (
        work_google.async_generate,
        work_google.async_generate_stream,
        work_openai.async_chat_stream,
        work_anthropic.async_stream,
    ),
}
"""Clients whose app is asynchronous."""

HOUSE_JOBS: Final[tuple[Job, ...]] = (work_openai.chat, work_openai.model_without_a_price)
"""What somebody does without saying for whom."""


def run(providers_url: str, rounds: int, clients: Sequence[Client] = CLIENTS) -> dict[str, list[str]]:
    """Do everything for these clients; whose name (none for nobody's) -> what each job saw, in order."""
    seen = {"": _serve(HOUSE_KEY, HOUSE_JOBS, providers_url, rounds)}
    with ThreadPoolExecutor(max_workers=4) as threads:
        waiting = {
            client.client_id: threads.submit(
                _serve_client, client, JOBS[client.client_id], providers_url, rounds
            )
            for client in clients
            if client.client_id in JOBS
        }
        seen |= asyncio.run(_serve_all_asynchronously(clients, providers_url, rounds))
        seen |= {client_id: jobs.result() for client_id, jobs in waiting.items()}
    return seen


def _serve(api_key: str, jobs: Sequence[Job], providers_url: str, rounds: int) -> list[str]:
    with Desk(api_key, providers_url) as desk:
        return [f"{job.__name__}: {job(desk)}" for _ in range(rounds) for job in jobs]


def _serve_client(client: Client, jobs: Sequence[Job], providers_url: str, rounds: int) -> list[str]:
    with spanledger.bill_to(client.client_id, project=client.project, labels=client.labels):
        return _serve(client.api_key, jobs, providers_url, rounds)


async def _serve_all_asynchronously(
    clients: Sequence[Client], providers_url: str, rounds: int
) -> dict[str, list[str]]:
    clients = [client for client in clients if client.client_id in ASYNC_JOBS]
    seen = await asyncio.gather(*(_serve_asynchronously(client, providers_url, rounds) for client in clients))
    return {client.client_id: jobs for client, jobs in zip(clients, seen, strict=True)}


async def _serve_asynchronously(client: Client, providers_url: str, rounds: int) -> list[str]:
    with (
        Desk(client.api_key, providers_url) as desk,
        spanledger.bill_to(client.client_id, project=client.project, labels=client.labels),
    ):
        jobs = ASYNC_JOBS[client.client_id]
        seen = [f"{job.__name__}: {await job(desk)}" for _ in range(rounds) for job in jobs]
        await desk.aclose()
        return seen


def main() -> None:
    parser = argparse.ArgumentParser(description="A small agency's day of LLM calls.")
    parser.add_argument("--providers", required=True, help="URL of the fake providers")
    parser.add_argument("--rounds", type=int, default=1, help="how often each client's jobs are done")
    parser.add_argument("--only", metavar="CLIENT", action="append", help="work for this client; repeatable")
    parser.add_argument("--unmetered", action="store_true", help="run without instrument()")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # The SDKs' own: google-genai inherits from aiohttp's session.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    if options.unmetered:
        os.environ["DEMO_UNMETERED"] = "1"  # for the processes that it starts
    else:
        spanledger.instrument(service_name="demo-agency")
    clients = [client for client in CLIENTS if not options.only or client.client_id in options.only]
    json.dump(run(options.providers, options.rounds, clients), sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()
    spanledger.uninstrument()


if __name__ == "__main__":
    main()
