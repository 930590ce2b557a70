"""A provider's server on loopback that plays one vector's answers, under the provider's own host name.

Names are resolved to loopback in this process, so the SDKs call `api.openai.com` and the spans say so.
"""

import http.server
import socket
import sys
import threading
from collections import deque

import pytest

from support import vectors

HOSTS = (".openai.com", ".anthropic.com", ".googleapis.com", ".azure.com", ".amazonaws.com")


class Replay:
    """`play` queues answers; each request takes the next, the last one stays."""

    def __init__(self):
        self.answers = deque()
        self.requests = []
        self.piece = 7
        replay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                replay.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
                response = replay.answers.popleft() if len(replay.answers) > 1 else replay.answers[0]
                body = vectors.body_bytes(response)
                self.send_response(response["status"])
                for name, value in response["headers"].items():
                    self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for start in range(0, len(body), replay.piece):
                    piece = body[start : start + replay.piece]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                # A client that has seen enough hangs up: that is no error of this server's.
                if not isinstance(sys.exception(), ConnectionError):
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def play(self, *responses):
        self.answers = deque(responses)
        self.requests.clear()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="session")
def replay():
    server = Replay()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _provider_names_lead_to_loopback(request, monkeypatch):
    if "replay" not in request.fixturenames:
        return
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name.endswith(HOSTS) else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for proxy in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
