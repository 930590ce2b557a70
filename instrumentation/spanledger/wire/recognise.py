"""Tells from a request whether it is, or may turn out to be, an LLM call.

Known host and path decide; an unknown host's request is a candidate by its path or by its body, and its
answer's shape decides. Everything else must cost next to nothing, so a body is looked into only where
host, path or two words in it suggest a call, and then only at a few members of its root.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from spanledger.remembered import Remembered
from spanledger.wire.call import OTHER, Asked, Call
from spanledger.wire.hosts import provider_of
from spanledger.wire.routes import route_of
from spanledger.wire.skim import HAS, KEEP, skim
from spanledger.wire.values import count, mapping, sequence, text

if TYPE_CHECKING:
    from spanledger.wire.reading import Recognised, Request
    from spanledger.wire.routes import Route

_PROMPTS: Final = ("messages", "input", "inputs", "prompt", "contents")
_SAID: Final[dict[str, Any]] = {
    "model": KEEP,
    "model_id": KEEP,  # watsonx
    "agent": KEEP,  # Google's interactions
    "stream": KEEP,
    "stream_options": HAS,
    "background": KEEP,
    "service_tier": KEEP,
    "serviceTier": KEEP,
    "n": KEEP,
    "size": KEEP,
    "quality": KEEP,
}
_REQUEST: Final[dict[str, Any]] = {**_SAID, **dict.fromkeys(_PROMPTS, HAS)}
_LISTED: Final[dict[str, Any]] = {**_SAID, "tools": [{"type": KEEP, "model": KEEP}]}
"""At a path that tells what it is for, the prompt does not have to."""
_DEPLOYMENT: Final = re.compile(r"/openai/deployments/([^/]+)/")
_GENERATES_IMAGES: Final = re.compile(r"stability\.|image|nova-canvas")
_STORED: Final = re.compile(
    r"/(?:sessions|threads|assistants|agents|conversations|files|vector_stores|cachedContents|batches"
    r"|fine[_-]tuning|evals|containers|skills|environments|videos)(?:/|$)"
)
"""Things that a known provider keeps for its users. Some repeat usage that their calls have stated."""
SOUGHT: Final = b'"m'
"""What a body cannot be without that `may_ask` says yes to: for who looks at every request."""
_QUESTION: Final = 1 << 23
"""Bytes of a call's question that are parsed at once: the app has held as much several times over."""
_FORM_VALUE: Final = re.compile(rb"[^\r\n]{1,256}")


def _look_up(asked: tuple[str, str, str]) -> tuple[str | None, tuple[Route, dict[str, str]] | None]:
    """The provider at a host, and the route with what its path names. Apps repeat a few of them."""
    method, host, path = asked
    provider = provider_of(host)
    found = route_of(method, path, provider)
    return provider, None if found is None else (found[0], found[1].groupdict())


def _by_address(asked: tuple[str, str, bytes]) -> tuple[bool, str, str, str] | None:
    method, host, path = asked[0].upper(), asked[1].lower(), asked[2].decode("ascii", "replace")
    provider, found = _known[method, host, path]
    if found is None and (method != "POST" or (provider and _STORED.search(path))):
        return None
    return found is None, method, host, path


_known: Final = Remembered(_look_up, 4096)
by_address: Final = Remembered(_by_address, 4096)
"""Of a request's method, host and path, its query aside: None where it is no call, as most of an app's. Else
whether only its body can tell, and with it the three as a `Request` has them."""


def may_ask(body: bytes) -> bool:
    """Whether this body may be that of a call at a path nobody listed."""
    if not (body.startswith(b"{") or body[:64].lstrip().startswith(b"{")):
        return False
    return b'"model"' in body or b'"messages"' in body


def recognise(request: Request) -> Recognised | None:
    method, host, path, body = request.method, request.host, request.path, request.body
    provider, found = _known[method, host, path]
    if found is None:
        return _by_body(request, provider)
    members = _body(request)
    if "tools" not in members and found[0].operation != "speech":
        said = [members.get(name) for name in _PLAIN]
        try:
            return _plain[method, host, path, body is None, *said, *map(type, said[:_TYPED])]
        except TypeError:
            pass  # a name that is an array or an object
    return _listed(method, host, path, body is None, _asked(request, members))


def _listed(method: str, host: str, path: str, streamed: bool, asked: Asked) -> Call | None:
    """A request to a path of `ROUTES`; `streamed`: its body is the app's to send, and was not looked at."""
    provider, found = _known[method, host, path]
    if found is None:
        return None
    route, named = found
    model = unquote(named["model"]) if named.get("model") else asked.model
    vague = route.family == "free" or (model is None and not streamed)
    if vague and not (provider or route.distinct or route.fetch):
        return None  # anybody may have such a path
    if model is None:
        deployment = _DEPLOYMENT.search(path)
        model = unquote(deployment[1]) if deployment else None
    family, operation = route.family, route.operation
    if family == "bedrock_invoke" and model:
        operation = _invoked(model)
    elif family == "rerank":
        family = "cohere" if provider == "cohere" else "shape"
    elif provider is None and family in _BY_SHAPE:
        family = "shape"
    return Call(
        provider=_platform(provider, path),
        operation=operation,
        family=family,
        request_model=text(model),
        asked=asked,
        known=provider is not None,
        certain=provider is not None or route.distinct or (model is not None and not route.fetch),
        fetch=route.fetch,
        item=text(unquote(named["item"])) if named.get("item") else None,
    )


_PLAIN: Final = (
    "stream",
    "background",
    "n",
    "stream_options",
    "model",
    "model_id",
    "agent",
    "service_tier",
    "serviceTier",
    "size",
    "quality",
)


_TYPED: Final = 3
"""How many of them, the first, are no texts: of these 1 and true are not the same."""


def _plainly(key: tuple[Any, ...]) -> Call | None:
    """A call whose request tells no more than `_PLAIN`. Apps make the same few again and again."""
    method, host, path, streamed, *values = key
    return _listed(method, host, path, streamed, _asked_of(dict(zip(_PLAIN, values, strict=False))))


_plain: Final = Remembered(_plainly, 256)


_BY_SHAPE: Final = frozenset(("openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama"))
"""Families that an unknown host's answer is not taken at its path's word for."""


def _by_body(request: Request, provider: str | None) -> Call | None:
    """A call at a path nobody listed: a body with a model and something to say to it, or with messages."""
    body = request.body
    if request.method != "POST" or body is None or not may_ask(body):
        return None
    if provider is not None and _STORED.search(request.path):
        return None
    root = mapping(skim(body, _REQUEST))
    asked = _asked(request, root)
    prompts = [name for name in _PROMPTS if root.get(name)]
    if not prompts or (asked.model is None and "messages" not in prompts):
        return None
    return Call(
        provider=_platform(provider, request.path),
        operation="text_completion" if prompts == ["prompt"] else "chat",
        family="shape",
        request_model=asked.model,
        asked=asked,
        known=False,
        certain=False,
    )


def _platform(provider: str | None, path: str) -> str:
    if provider == "azure.ai.inference" and "/openai/" in path:
        return "azure.ai.openai"  # a Foundry resource serves both
    return provider or OTHER


def _invoked(model: str) -> str:
    if "embed" in model:
        return "embeddings"
    if "rerank" in model:
        return "rerank"
    return "image_generation" if _GENERATES_IMAGES.search(model) else "chat"


def _body(request: Request) -> dict[str, Any]:
    body = request.body
    if not body:
        return {}
    if body[:64].lstrip()[:1] == b"{":
        return mapping(skim(body, _LISTED, at_once=_QUESTION))
    return _form(request.headers.get("content-type", ""), body)


def _form(content_type: str, body: bytes) -> dict[str, Any]:
    """Fields of a multipart form that stand at its boundaries, not inside the file beside them."""
    if not content_type.startswith("multipart/form-data"):
        return {}
    _, _, boundary = content_type.partition("boundary=")
    edge = b"--" + boundary.partition(";")[0].strip().strip('"').encode("latin-1", "replace")
    fields: dict[str, Any] = {}
    for name in ("model", "stream", "size", "quality"):
        start = edge + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n'
        at = body.find(start)
        value = _FORM_VALUE.match(body, at + len(start)) if at >= 0 else None
        if value is not None:
            fields[name] = value.group().decode("utf-8", "replace")
    return fields


def _asked(request: Request, body: dict[str, Any]) -> Asked:
    asked = _asked_of(body)
    tools = [mapping(tool) for tool in sequence(body.get("tools"))]
    models = {text(tool.get("type")): text(tool.get("model")) for tool in tools}
    asked.tools = {kind: model for kind, model in models.items() if kind and model}
    found = _known[request.method, request.host, request.path][1]
    if found is not None and found[0].operation == "speech" and request.body:
        # Speech is billed by the character where the model is billed by nothing else.
        spoken = mapping(skim(request.body, {"input": KEEP}, long_texts=True)).get("input")
        asked.characters = len(spoken) if isinstance(spoken, str) else None
    return asked


def _asked_of(body: dict[str, Any]) -> Asked:
    stream, background = body.get("stream"), body.get("background")
    return Asked(
        model=text(body.get("model")) or text(body.get("model_id")) or text(body.get("agent")),
        stream=stream if isinstance(stream, bool) else None,
        stream_options=body.get("stream_options") is not None,
        background=background if isinstance(background, bool) else None,
        service_tier=text(body.get("service_tier")) or text(body.get("serviceTier")),
        choices=count(body.get("n")),
        image_size=text(body.get("size")),
        image_quality=text(body.get("quality")),
    )
