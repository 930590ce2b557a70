"""Which paths are LLM calls, and of which wire family.

One row a route, matched against the end of the path, so that every prefix a provider or a gateway puts
before it (`/v1`, `/openai/deployments/x`, `/api/v1`, `/inference/v1`, `/v1beta/openai`) is covered. The
first row that fits wins. A path that fits none is noise, unless body and answer say otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: re.Pattern[str]
    family: str
    operation: str
    distinct: bool
    """No other API has such a path: on an unknown host, too, a failure here is a failed call."""
    fetch: bool
    providers: frozenset[str]
    """Only at these hosts; empty for everywhere."""


def _route(
    method: str,
    path: str,
    family: str,
    operation: str,
    *,
    distinct: bool = False,
    fetch: bool = False,
    only: tuple[str, ...] = (),
) -> Route:
    return Route(method, re.compile(path + "$"), family, operation, distinct, fetch, frozenset(only))


_ID: Final = r"(?P<item>[^/:]+)"
_MODEL: Final = r"(?P<model>[^/:]+)"

ROUTES: Final = (
    # watsonx, whose path ends like OpenAI's
    _route("POST", r"/ml/v1/text/chat(?:_stream)?", "openai_chat", "chat", only=("ibm.watsonx.ai",)),
    _route(
        "POST", r"/ml/v1/text/generation(?:_stream)?", "watsonx", "text_completion", only=("ibm.watsonx.ai",)
    ),
    _route("POST", r"/ml/v1/text/embeddings", "watsonx", "embeddings", only=("ibm.watsonx.ai",)),
    # OpenAI, and those who speak it
    _route("POST", r"/chat/completions", "openai_chat", "chat", distinct=True),
    _route("POST", r"/agents/completions", "openai_chat", "chat"),
    _route("POST", r"/completions", "openai_chat", "text_completion"),
    _route("POST", r"/(?:multimodal)?embeddings", "openai_chat", "embeddings"),
    _route("POST", r"/responses/input_tokens", "free", "count_tokens", distinct=True),
    _route("POST", rf"/responses/{_ID}/cancel", "openai_responses", "fetch_response", fetch=True),
    _route("POST", r"/responses(?:/compact)?", "openai_responses", "chat"),
    _route("POST", r"/decisions", "openai_responses", "chat", only=("openai", "azure.ai.openai")),
    _route("GET", rf"/responses/{_ID}", "openai_responses", "fetch_response", fetch=True),
    _route("POST", r"/images/(?:generations|edits|variations)", "media", "image_generation"),
    _route("POST", r"/audio/(?:transcriptions|translations)", "media", "transcription"),
    _route("POST", r"/audio/speech", "media", "speech"),
    _route("POST", r"/moderations", "free", "moderation"),
    _route("GET", rf"/v1(?:beta)?/batches/{_ID}", "batch_object", "batch_status", fetch=True),
    _route("GET", rf"/openai(?:/v1)?/batches/{_ID}", "batch_object", "batch_status", fetch=True),
    _route("GET", rf"/files/{_ID}/content", "batch_file", "batch_result", fetch=True),
    # Anthropic
    _route("POST", r"/v1/messages", "anthropic", "chat", distinct=True),
    _route("POST", r"/messages/count_tokens", "free", "count_tokens", distinct=True),
    _route("GET", rf"/messages/batches/{_ID}/results", "batch_file", "batch_result", fetch=True),
    # Vertex's host for other makers' models
    _route("POST", r"/models/count-tokens:rawPredict", "free", "count_tokens", distinct=True),
    _route(
        "POST",
        rf"/publishers/anthropic/models/{_MODEL}:(?:streamR|r)awPredict",
        "anthropic",
        "chat",
        distinct=True,
    ),
    _route("POST", rf"/publishers/[^/]+/models/{_MODEL}:(?:streamR|r)awPredict", "shape", "chat"),
    # Google
    _route(
        "POST",
        rf"/(?:models|tunedModels|endpoints)/{_MODEL}:(?:g|streamG)enerateContent",
        "gemini",
        "generate_content",
        distinct=True,
    ),
    _route("POST", rf"/models/{_MODEL}:(?:embedContent|batchEmbedContents)", "gemini", "embeddings"),
    _route("POST", rf"/(?:models|endpoints)/{_MODEL}:co(?:unt|mpute)Tokens", "free", "count_tokens"),
    _route("POST", rf"/publishers/google/models/{_MODEL}:predict", "predict", "embeddings"),
    _route("POST", rf"/v1(?:beta)?/models/{_MODEL}:predict", "predict", "embeddings", only=("gcp.gemini",)),
    _route("GET", rf"/files/{_ID}:download", "batch_file", "batch_result", fetch=True),
    _route("POST", r"/interactions", "gemini_interactions", "chat", only=("gcp.gemini", "gcp.vertex_ai")),
    _route(
        "GET",
        rf"/interactions/{_ID}",
        "gemini_interactions",
        "fetch_response",
        fetch=True,
        only=("gcp.gemini", "gcp.vertex_ai"),
    ),
    # Bedrock
    _route("POST", rf"/model/{_MODEL}/converse(?:-stream)?", "bedrock_converse", "chat", distinct=True),
    _route(
        "POST", rf"/model/{_MODEL}/invoke(?:-with-response-stream)?", "bedrock_invoke", "chat", distinct=True
    ),
    _route("POST", rf"/model/{_MODEL}/count-tokens", "free", "count_tokens", distinct=True),
    # Mistral
    _route("POST", r"/v1/ocr", "pages", "ocr"),
    _route(
        "POST", rf"/v1/conversations(?:/{_ID}(?:/restart)?)?", "conversation", "chat", only=("mistral_ai",)
    ),
    # Cohere, and rerankers after it
    _route("POST", r"/v[12]/chat", "cohere", "chat", only=("cohere",)),
    _route("POST", r"/v[12]/embed", "cohere", "embeddings"),
    _route("POST", r"/v1/(?:generate|summarize)", "cohere", "text_completion", only=("cohere",)),
    _route("POST", r"/rerank", "rerank", "rerank"),
    # Ollama
    _route("POST", r"/api/chat", "ollama", "chat"),
    _route("POST", r"/api/generate", "ollama", "text_completion"),
    _route("POST", r"/api/embed(?:dings)?", "ollama", "embeddings"),
)
_NAMED: Final = re.compile(r"\(\?P<\w+>")


def _any_of(method: str) -> re.Pattern[str]:
    """All routes of a method in one pattern: what every request of the app is tried against."""
    ends = [_NAMED.sub("(?:", route.path.pattern[1:-1]) for route in ROUTES if route.method == method]
    return re.compile(f"/(?:{'|'.join(ends)})$")


_ANY: Final = {method: _any_of(method) for method in {route.method for route in ROUTES}}


def route_of(method: str, path: str, provider: str | None) -> tuple[Route, re.Match[str]] | None:
    """The route of a request, and the match with the model or item that its path names."""
    routes = _ANY.get(method)
    if routes is None or routes.search(path) is None:
        return None
    for route in ROUTES:
        if route.method == method and (not route.providers or provider in route.providers):
            match = route.path.search(path)
            if match is not None:
                return route, match
    return None
