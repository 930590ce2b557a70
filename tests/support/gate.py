"""A web server that answers when it is told to: keeps a query that reads from it running for as long as needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gate:
    """Requests wait at the gate until it opens."""

    def __init__(self) -> None:
        gate = self
        self._opened = threading.Event()
        self._waiting = 0
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with gate._lock:
                    gate._waiting += 1
                gate._opened.wait()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"1\n")

            def log_message(self, *_arguments: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    @property
    def waiting(self) -> int:
        """How many requests have come to the gate."""
        with self._lock:
            return self._waiting

    def open(self) -> None:
        self._opened.set()


@contextmanager
def closed_gate() -> Iterator[Gate]:
    gate = Gate()
    thread = threading.Thread(target=gate.server.serve_forever)
    thread.start()
    try:
        yield gate
    finally:
        gate.open()
        gate.server.shutdown()
        thread.join()
        gate.server.server_close()
