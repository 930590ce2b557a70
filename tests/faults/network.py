"""What stands between apps and collectors: an HTTP proxy that passes requests on, or does what networks do."""

import random
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

FORWARDED = ("content-type", "content-encoding", "authorization")
LONGEST_SILENCE_S = 2.5
ANSWER_TYPE = "application/x-protobuf"

Request = tuple[str, dict[str, str], bytes]


class Network:
    """Set `mode` to one of

    pass      each request to one of the collectors, the answer back
    reset     half of the connections are reset: before the request is whole, or before the answer
    silent    half of the requests are never answered, whether a collector has them or not
    slow      requests and answers drip
    repeat    each request is delivered twice, to any collector each time, and kept for `again`
    """

    def __init__(self, draws: random.Random) -> None:
        self.collectors: list[str] = []
        self.mode = "pass"
        self._draws = draws
        self._lock = threading.Lock()
        self._kept: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.network = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def drawn(self, chance: float) -> bool:
        with self._lock:
            return self._draws.random() < chance

    def deliver(self, request: Request) -> tuple[int, bytes]:
        """To a collector; 503 where it cannot be reached."""
        with self._lock:
            url = self._draws.choice(self.collectors)
        path, headers, body = request
        # Straight there, whatever proxy this machine has for the world outside.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(
                urllib.request.Request(url + path, data=body, headers=headers), timeout=30
            ) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()
        except OSError:
            return 503, b""

    def keep(self, request: Request) -> None:
        with self._lock:
            self._kept.append(request)

    def again(self) -> int:
        """Deliver all that was kept once more, in other groups and the last first. How many requests.

        Two messages behind each other are one message, in Protocol Buffers and in gzip alike.
        """
        with self._lock:
            kept, self._kept = self._kept[::-1], []
        for (path, headers, later), (_, _, earlier) in zip(kept, [*kept[1:], *kept[:1]], strict=True):
            while self.deliver((path, headers, later + earlier))[0] != 200:
                time.sleep(0.1)
        return len(kept)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the app is gone
            super().handle()

    def do_POST(self) -> None:
        network: Network = self.server.network  # type: ignore[attr-defined]
        mode, length = network.mode, int(self.headers.get("content-length") or 0)
        if mode == "reset" and network.drawn(0.3):
            self.rfile.read(length // 2)
            self._reset()
            return
        body = self._dripping(length) if mode == "slow" else self.rfile.read(length)
        if len(body) < length:
            return  # the app was killed while it sent
        headers = {name: self.headers[name] for name in FORWARDED if self.headers[name]}
        request = (self.path, headers, body)
        if mode == "silent" and network.drawn(0.5):
            if network.drawn(0.5):
                network.deliver(request)
            time.sleep(LONGEST_SILENCE_S)
            self.close_connection = True
            return
        answer = network.deliver(request)
        if mode == "repeat" and answer[0] == 200:
            network.keep(request)
            answer = network.deliver(request)
        if mode == "reset" and network.drawn(0.3):
            self._reset()
            return
        self._answer(*answer, drip=mode == "slow")

    def _answer(self, status: int, body: bytes, *, drip: bool) -> None:
        head = f"HTTP/1.1 {status} -\r\ncontent-type: {ANSWER_TYPE}\r\ncontent-length: {len(body)}\r\n\r\n"
        whole = head.encode() + body
        for at in range(0, len(whole), 16 if drip else len(whole)):
            self.wfile.write(whole[at : at + 16] if drip else whole)
            if drip:
                time.sleep(0.02)

    def _dripping(self, length: int) -> bytes:
        read = b""
        while len(read) < length and (piece := self.rfile.read(min(4096, length - len(read)))):
            read += piece
            time.sleep(0.02)
        return read

    def _reset(self) -> None:
        connection: Any = self.connection
        # Without a word of goodbye, as routers do that have forgotten it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        connection.close()
