"""Asking for usage where an OpenAI chat stream would carry none, and hiding the event that this adds.

OpenAI-shaped streams state usage only with `stream_options.include_usage`. It is added for hosts known
to accept it, never over the app's own value, never in a signed request. The provider answers with one
event more (`choices: []` with usage); an app that reads `chunk.choices[0]` would break on it, so exactly
that event is taken out again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from spanledger import health
from spanledger.wire.marks import unless_null

if TYPE_CHECKING:
    from spanledger.wire.reading import Recognised, Request

_PATHS = re.compile(r"/(?:chat/)?completions$")

# Hosts whose documentation names stream_options.include_usage. Others either state usage unasked
# (Mistral, Groq, DeepSeek, xAI, OpenRouter, Together) or may answer 400 to a field they do not know.
_OPENAI = re.compile(r"(?:[a-z]{2}\.)?api\.openai\.com")
_AZURE = re.compile(r"[a-z0-9-]+\.(?:openai|cognitiveservices|services\.ai)\.azure\.com")
_AZURE_SINCE = "2024-09-01"
"""Azure's first api-version that knows the field; `/openai/v1/` needs no version."""

_SIGNED_HEADERS = (
    "signature",
    "signature-input",
    "x-amz-date",
    "x-amz-content-sha256",
    "digest",
    "content-digest",
    "content-md5",
    "x-signature",
)


def amended_body(request: Request, recognised: Recognised) -> bytes | None:
    """The body of a request for a stream, asking for usage; None where it must go out as the app made it."""
    body = request.body
    if request.method != "POST" or body is None:
        return None
    if _PATHS.search(request.path) is None or not _accepts(request) or not _may_change(request):
        return None
    if not recognised.has_stream_options:
        return _inserted(body)
    try:
        root = json.loads(body)
    except (ValueError, RecursionError):
        return None
    options = root["stream_options"]
    if options is None:
        options = {}
    if not isinstance(options, dict) or "include_usage" in options:
        return None
    root["stream_options"] = {**options, "include_usage": True}
    return json.dumps(root, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _inserted(body: bytes) -> bytes:
    """As text: every other byte of the app's body stays as the app wrote it."""
    start = body.index(b"{") + 1
    # The rest as a view: to copy an agent's large question once more takes longer than all else here.
    return b"".join((body[:start], b'"stream_options":{"include_usage":true},', memoryview(body)[start:]))


def _accepts(request: Request) -> bool:
    if _OPENAI.fullmatch(request.host):
        return True
    if not _AZURE.fullmatch(request.host):
        return False
    if request.path.startswith("/openai/v1/"):
        return True
    version = parse_qs(request.query).get("api-version", [""])[0]
    return version[:10] >= _AZURE_SINCE


def _may_change(request: Request) -> bool:
    """Whether the body is plain, and nothing in the headers is a signature of it."""
    headers = request.headers
    authorization = headers.get("authorization", "")
    return (
        not any(map(headers.__contains__, _SIGNED_HEADERS))
        and not authorization.startswith(("AWS4-", "Signature ", "HMAC"))
        and headers.get("content-encoding", "identity") == "identity"
    )


_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_SOME_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*[^\]\s]')
_USAGE = unless_null(b"usage")
_HELD_AT_MOST = 1 << 20


class UsageEventFilter:
    """Takes the one event out of a server-sent stream that only our request caused.

    Bytes pass as they arrive. Held back is at most the beginning of an event that may still turn out
    to be the one: as soon as it shows a choice, it passes.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._passing = False
        """Whether the event under way was already let through in part."""
        self._hidden = False

    def push(self, data: bytes) -> bytes:
        """What of this chunk, and of what was held, the app may see now."""
        if self._hidden:
            return data
        # Whole events without usage, as nearly every chunk is; looked for by the quickest way first.
        if (
            not (self._held or self._passing)
            and data.endswith(b"\n\n")
            and (
                (usages := data.count(b'"usage"')) == 0
                or usages == data.count(b'"usage":null')
                or _USAGE.find(data) < 0
            )
        ):
            return data
        self._held += data
        out = bytearray()
        try:
            self._pass_on(out)
        except Exception:
            # Better an event too many than a stream that stops: all that is held passes, and all to come.
            health.count("filter_failed", log="a stream could not be filtered; the event we caused passes")
            self._hidden = True
            out += self._held
            self._held.clear()
        return bytes(out)

    def _pass_on(self, out: bytearray) -> None:
        """Move from what is held to `out` what may be seen."""
        while (end := _EVENT_END.search(self._held)) is not None:
            event = bytes(self._held[: end.end()])
            hide = not self._passing and _only_usage(event)
            del self._held[: end.end()]
            self._passing = False
            if hide:
                self._hidden = True
                out += self._held
                self._held.clear()
                return
            out += event
        if self._passing or self._cannot_be_it():
            # A lone CR or LF at the very end may be half of the event's end: it stays, so that the
            # end is seen, and follows with the next chunk.
            keep = len(self._held) - len(self._held.rstrip(b"\r\n"))
            upto = len(self._held) - keep
            if upto:
                self._passing = True
                out += self._held[:upto]
                del self._held[:upto]

    def flush(self) -> bytes:
        """What is still held when the stream ends."""
        rest = bytes(self._held)
        self._held.clear()
        if rest and not self._passing and not self._hidden and _only_usage(rest):
            self._hidden = True
            return b""
        return rest

    def _cannot_be_it(self) -> bool:
        held = self._held
        if len(held) > _HELD_AT_MOST or _SOME_CHOICE.search(held):
            return True
        start = bytes(held[:6])
        return not (b"data: "[: len(start)] == start or start.startswith(b"data:"))


def _only_usage(event: bytes) -> bool:
    if b'"usage"' not in event or b'"choices"' not in event:
        return False
    data = b"\n".join(
        line[5:].strip() for line in re.split(rb"\r\n|\n|\r", event) if line.startswith(b"data:")
    )
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(root, dict) and root.get("choices") == [] and isinstance(root.get("usage"), dict)
