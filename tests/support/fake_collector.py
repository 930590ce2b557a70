"""A collector's OTLP/HTTP receiver on a free port, which answers as it is told and remembers what it got."""

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

LONGEST_WAIT_S = 60.0


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]
    """The sender's address: the same one as long as it keeps the connection."""
    spans: list[Span]

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


@dataclass
class Answer:
    """What to answer. `hang` waits until the collector is stopped or told to go on; `drop` closes instead."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = "application/x-protobuf"
    drop: bool = False
    hang: bool = False


ACCEPT = Answer()


def rejecting(spans: int) -> Answer:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = spans
    return Answer(body=response.SerializeToString())


Behaviour = Callable[[Received], Answer]


class FakeCollector:
    """Accepts everything unless told otherwise: `answer_with` a sequence first, or always by a function."""

    def __init__(self, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.accepted: list[str] = []
        """Names of the spans in requests that were answered 200 without rejections."""
        self._answers: list[Answer] = []
        self._behaviour: Behaviour = lambda _: ACCEPT
        self._changed = threading.Condition()
        self._go_on = threading.Event()
        self._connections: set[socket.socket] = set()
        self._server = _server(self, port, tls)
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self.go_on()
        self._server.shutdown()
        self._thread.join()
        self.cut_connections()
        self._server.server_close()

    def cut_connections(self) -> None:
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            assert self._changed.wait_for(lambda: not self._connections, LONGEST_WAIT_S)

    def answer_with(self, *answers: Answer) -> None:
        self._answers.extend(answers)

    def behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def go_on(self) -> None:
        """Answer the requests that hang."""
        self._go_on.set()

    def wait_until(self, happened: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, LONGEST_WAIT_S), [each.names for each in self.received]

    def wait_for_requests(self, number: int) -> None:
        self.wait_until(lambda: len(self.received) >= number)

    def take(self, received: Received) -> Answer:
        with self._changed:
            answer = self._answers.pop(0) if self._answers else self._behaviour(received)
            self.received.append(received)
            if answer is ACCEPT:
                self.accepted.extend(received.names)
            self._changed.notify_all()
        if answer.hang:
            self._go_on.wait(LONGEST_WAIT_S)
        return answer

    def joined(self, connection: socket.socket) -> None:
        with self._changed:
            self._connections.add(connection)

    def left(self, connection: socket.socket) -> None:
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()


def _server(collector: FakeCollector, port: int, tls: ssl.SSLContext | None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            collector.joined(self.connection)
            try:
                super().handle()
            except OSError:
                pass  # the sender is gone
            finally:
                collector.left(self.connection)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received = Received(
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                body,
                self.client_address,
                list(spans_of(body)),
            )
            answer = collector.take(received)
            if answer.drop:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

        def handle_error(self, *_: object) -> None:
            pass  # a TLS handshake that a test wants to fail

    return Server(("127.0.0.1", port), Handler)


def spans_of(body: bytes) -> Iterable[Span]:
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.spans
