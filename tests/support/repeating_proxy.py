"""Stands between an app and the collector and delivers everything more than once, as a bad network does."""

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

_FORWARDED = ("content-type", "content-encoding", "authorization")


class RepeatingProxy:
    """Delivers each request twice at once; `repeat_regrouped()` delivers all again, two in one, last ones first.

    The app gets the second delivery's answer. Where the collector does not answer, the app gets 503, and
    sends again; what the collector took is kept for `repeat_regrouped()`.
    """

    def __init__(self, collector_url: str) -> None:
        self._collector_url = collector_url
        self._lock = threading.Lock()
        self._taken: list[tuple[str, dict[str, str], bytes]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name: self.headers[name] for name in _FORWARDED if self.headers[name]}
                status, answer = proxy._deliver(self.path, headers, body)
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> int:
        with self._lock:
            return len(self._taken)

    def _send(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(self._collector_url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()
        except OSError:
            return 503, b""

    def _deliver(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        first = self._send(path, headers, body)
        second = self._send(path, headers, body)
        if 200 in {first[0], second[0]}:
            with self._lock:
                self._taken.append((path, headers, body))
        return second

    def repeat_regrouped(self) -> None:
        """Deliver everything again, as a queue may after a crash: in other groups, and the last first.

        Two messages behind each other are one message, in Protocol Buffers and in gzip alike.
        """
        with self._lock:
            taken = list(reversed(self._taken))
        for (path, headers, later), (_, _, earlier) in zip(taken, [*taken[1:], taken[0]], strict=True):
            status, answer = self._send(path, headers, later + earlier)
            assert status == 200, answer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
