"""The providers' one HTTP server, on the loopback.

It is reached as an HTTP proxy: apps keep the providers' true host names (`http://api.openai.com/v1`) and
send the requests here. So what meters them sees the hosts that it sees in production, and no name is
looked up. Any other host that is asked for a chat completion answers as a model server of one's own does.

`GET /books` gives the books as JSON, `GET /books/count` the number of their entries.
"""

from __future__ import annotations

import gzip
import json
import select
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from . import anthropic, google, openai
from .books import Books
from .exchange import Answer, Asked, new_entry, new_id
from .openai_responses import Responses

if TYPE_CHECKING:
    from email.message import Message
    from types import TracebackType

OPENAI_HOST: Final = "api.openai.com"
ANTHROPIC_HOST: Final = "api.anthropic.com"
GOOGLE_HOST: Final = "generativelanguage.googleapis.com"

BEHAVIOUR_HEADER: Final = "x-fake-behaviour"
"""What the caller wants to see go wrong, as `name=value` pairs with `;` between them:

    fail=500; once=ID    an HTTP error; with `once` only the first time that this ID is seen
    fail_inside=TYPE     an HTTP 200 that says in its stream that it failed
    cut=N                the connection ends after N events of a stream
    stall=N              nothing comes after N events until the caller goes away
"""

LONGEST_STALL_S: Final = 20.0
"""A caller that neither reads nor leaves does not hold a thread for ever."""


class FakeProviders:
    """The server in a thread of this process; a context manager.

    Args:
        seed: the same seed and the same calls of a key give the same figures.
        port: 0 takes a free one.

    """

    def __init__(self, seed: int, port: int = 0) -> None:
        self.books = Books()
        server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        server.daemon_threads = True
        server.providers = _Providers(seed, self.books)  # type: ignore[attr-defined]
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="fake-providers", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._server.serve_forever()


class _Providers:
    """From a request to an answer."""

    def __init__(self, seed: int, books: Books) -> None:
        self._seed = seed
        self.books = books
        self._responses = Responses()

    def answer(self, method: str, url: str, host: str, headers: Message, body: bytes) -> Answer:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        api_key = (
            (headers.get("authorization") or "").removeprefix("Bearer ")
            or headers.get("x-api-key")
            or headers.get("x-goog-api-key")
            or query.get("key", "")
        )
        number = self.books.number_of_call(api_key)
        asked = Asked(
            method=method,
            host=(parts.hostname or host).lower(),
            path=parts.path,
            query=query,
            api_key=api_key,
            body=json.loads(body) if body else {},
            behaviour=_behaviour(headers),
            books=self.books,
            # Not for secrets: figures that can be drawn again.
            random=Random(f"{self._seed}/{api_key}/{number}"),  # noqa: S311
        )
        return self._refusal(asked) or self._route(asked)

    def _refusal(self, asked: Asked) -> Answer | None:
        status = int(asked.behaviour.get("fail", 0))
        once = asked.behaviour.get("once")
        if not status or (once and self.books.times_seen(once)):
            return None
        model = str(asked.body.get("model") or asked.path.rpartition("/")[2].partition(":")[0])
        entry = new_entry(asked, _provider(asked.host), "", model, outcome="refused")
        entry.status = status
        self.books.write(entry)
        error = {
            "message": "This request is refused.",
            "type": "refused",
            "code": status,
            "status": "REFUSED",
        }
        # An SDK that tries again does so at once.
        return Answer(status=status, body={"type": "error", "error": error}, headers={"retry-after-ms": "10"})

    def _route(self, asked: Asked) -> Answer:
        match asked.method, asked.host, asked.path.strip("/").split("/"):
            case "POST", _, ["v1", "chat", "completions"]:
                return openai.chat_completion(asked, _provider(asked.host))
            case "POST", _, ["v1", "embeddings"]:
                return openai.embeddings(asked, _provider(asked.host))
            case "POST", "api.openai.com", ["v1", "responses"]:
                return self._responses.create(asked)
            case "GET", "api.openai.com", ["v1", "responses", response_id]:
                return self._responses.retrieve(asked, response_id)
            case "POST", "api.anthropic.com", ["v1", "messages"]:
                return anthropic.messages(asked)
            case "POST", "api.anthropic.com", ["v1", "messages", "count_tokens"]:
                return anthropic.count_tokens(asked)
            case "POST", "generativelanguage.googleapis.com", ["v1" | "v1beta", "models", model_and_verb]:
                model, _, verb = model_and_verb.partition(":")
                match verb:
                    case "generateContent" | "streamGenerateContent":
                        return google.generate(asked, model, stream=verb.startswith("stream"))
                    case "countTokens":
                        return google.count_tokens(asked, model)
        message = f"The fake of {asked.host} has no {asked.method} {asked.path}."
        return Answer(status=404, body={"error": {"message": message, "type": "not_found"}})


def _behaviour(headers: Message) -> dict[str, str]:
    pairs = (pair.strip() for pair in (headers.get(BEHAVIOUR_HEADER) or "").split(";"))
    return dict(pair.partition("=")[::2] for pair in pairs if pair)


def _provider(host: str) -> str:
    names = {OPENAI_HOST: "openai", ANTHROPIC_HOST: "anthropic", GOOGLE_HOST: "google"}
    return names.get(host, host)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: what is worth knowing stands in the books."""

    def do_GET(self) -> None:
        providers: _Providers = self.server.providers  # type: ignore[attr-defined]
        if self.path == "/books":
            self._send_json(Answer(body=providers.books.as_json()))
        elif self.path == "/books/count":
            self._send_json(Answer(body=providers.books.count()))
        else:
            self._exchange("GET")

    def do_POST(self) -> None:
        self._exchange("POST")

    def _exchange(self, method: str) -> None:
        providers: _Providers = self.server.providers  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        host = (self.headers.get("host") or "").partition(":")[0]
        answer = providers.answer(method, self.path, host, self.headers, body)
        request_id = new_id("req_")
        answer.headers |= {"x-request-id": request_id, "request-id": request_id}
        try:
            if answer.events is None:
                self._send_json(answer)
            else:
                self._send_events(answer)
        except (BrokenPipeError, ConnectionResetError):
            # The caller went away. The books say how far the answer had come.
            self.close_connection = True

    def _send_json(self, answer: Answer) -> None:
        document = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        if "gzip" in (self.headers.get("accept-encoding") or ""):
            document = gzip.compress(document, compresslevel=1)
            self.send_header("content-encoding", "gzip")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        # Into the books first: who has read the answer may ask for the books.
        for entry in answer.entries:
            entry.shown = entry.units
            entry.complete = True
        self.wfile.write(document)

    def _send_events(self, answer: Answer) -> None:
        behaviour = _behaviour(self.headers)
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        call, *lines = answer.entries
        for number, event in enumerate(answer.events or ()):
            if str(number) == behaviour.get("cut"):
                self.close_connection = True
                return
            if str(number) == behaviour.get("stall"):
                self._wait_until_the_caller_leaves()
                self.close_connection = True
                return
            if event.states is not None:
                call.shown = event.states
            if event.ends:
                call.complete = True
                for line in lines:
                    line.shown = line.units
                    line.complete = True
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event.data), event.data))
        self.wfile.write(b"0\r\n\r\n")

    def _wait_until_the_caller_leaves(self) -> None:
        # Readable means its end of the connection is closed: it has nothing more to send.
        select.select([self.connection], [], [], LONGEST_STALL_S)
