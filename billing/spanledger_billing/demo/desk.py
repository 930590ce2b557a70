"""What an app works with for one client: the SDKs with the client's keys, and what it tells the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
from google import genai

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

PROMPT: Final = "Write as a cartographer-of-the-prompt would, and say nothing of tariffs."
SYSTEM: Final = "You keep the house style of the agency-of-the-system-prompt. " * 40
"""Long enough that a provider would cache it."""

TOOL_RESULT: Final = "Fog-of-the-tool-result."

SECRET_HEADER: Final = ("x-agency-trace", "header-that-must-not-leak")

GOOGLE_URL: Final = "http://generativelanguage.googleapis.com"
OWN_MODEL_URL: Final = "http://models.kestrel.example/v1"
"""An OpenAI-compatible host that no price list knows."""


def failing(what: str) -> dict[str, str]:
    """Headers that ask the fake providers to misbehave."""
    return {"x-fake-behaviour": what}


class Desk:
    """The SDKs for one client. A context manager; `aclose()` as well where anything was awaited.

    Args:
        api_key: the client's key with every provider.
        providers_url: where the providers are reached; the host names stay the true ones.

    """

    def __init__(self, api_key: str, providers_url: str) -> None:
        headers = dict([SECRET_HEADER])
        self.api_key = api_key
        self.providers_url = providers_url
        self.openai = openai.OpenAI(
            api_key=api_key,
            base_url="http://api.openai.com/v1",
            default_headers=headers,
            http_client=openai.DefaultHttpxClient(proxy=providers_url),
        )
        self.async_openai = openai.AsyncOpenAI(
            api_key=api_key,
            base_url="http://api.openai.com/v1",
            default_headers=headers,
            http_client=openai.DefaultAsyncHttpxClient(proxy=providers_url),
        )
        self.own_model = self.openai.with_options(base_url=OWN_MODEL_URL)
        self.anthropic = anthropic.Anthropic(
            api_key=api_key,
            base_url="http://api.anthropic.com",
            default_headers=headers,
            http_client=anthropic.DefaultHttpxClient(proxy=providers_url),
        )
        self.async_anthropic = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url="http://api.anthropic.com",
            default_headers=headers,
            http_client=anthropic.DefaultAsyncHttpxClient(proxy=providers_url),
        )
        through_proxy: dict[str, Any] = {"proxy": providers_url}
        self.google = genai.Client(
            api_key=api_key,
            http_options=genai.types.HttpOptions(
                base_url=GOOGLE_URL,
                headers=headers,
                client_args=through_proxy,
                async_client_args=through_proxy,
            ),
        )
        self.plain = httpx2.Client(proxy=providers_url, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.openai.close()
        self.anthropic.close()
        self.google.close()
        self.plain.close()

    async def aclose(self) -> None:
        await self.async_openai.close()
        await self.async_anthropic.close()
        await self.google.aio.aclose()
