"""The HTTP side of the endpoint: ClickHouse's HTTP interface, as far as its clients use it.

Threads of the standard library: the engine does its work outside Python's lock, requests are few and
large, and a connection's thread may wait for its lane without holding up any other.
"""

import json
import logging
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import urlsplit

from spanledger_billing.embedded import body, form, handshake, parameters, statement
from spanledger_billing.embedded.body import BadRequestError
from spanledger_billing.embedded.credentials import Gatekeeper
from spanledger_billing.embedded.engine import Answer, Engine, EngineError, Kind, Lane, Session
from spanledger_billing.embedded.statement import Pace

LOOPBACK: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 256
IDLE_SECONDS: Final = 600
"""A connection that stays silent for so long is closed; clients keep theirs open between requests."""

_log = logging.getLogger(__name__)

_LANES: Final = {Pace.DESCRIBES: Lane.DESCRIBES, Pace.QUICK: Lane.QUICK}

# ClickHouse's own choice of status by error code (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
_STATUS: Final = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 53, 62, 69, 70, 72, 117), 400),
    164: 403,
    497: 403,
    **dict.fromkeys((44, 45, 46, 47, 50, 60, 73, 78, 81, 115), 404),
    159: 408,
    48: 501,
    202: 503,
}


class RefusalError(EngineError):
    """What the endpoint itself answers, in the engine's form."""

    def __init__(self, code: int, text: str, status: int | None = None) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.status = status


class Endpoint(ThreadingHTTPServer):
    """Listens at once when made; `serve_forever` answers."""

    daemon_threads = True
    # Half a backlog of connections at a restart of the collector would be refused with the default of 5.
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, engine: Engine, gatekeeper: Gatekeeper) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.engine = engine
        self.gatekeeper = gatekeeper
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._idle = threading.Condition()
        self._running = 0
        self.stopping = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        _log.exception("a connection ended by an error of the endpoint's own")

    def shutdown(self) -> None:
        """Takes no connection any more, and refuses what still comes on those that are open."""
        with self._idle:
            self.stopping = True
        super().shutdown()

    def begin(self) -> bool:
        """Counts a request until `end`. False when the engine may be closed under it."""
        with self._idle:
            self._running += 1
            return not self.stopping

    def end(self) -> None:
        with self._idle:
            self._running -= 1
            self._idle.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        """True when no request is being answered any more. After `shutdown` the engine can be closed then."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "spanledger-embedded"
    sys_version = ""
    timeout = IDLE_SECONDS
    # An answer is a head and a body; without these two the second waits for the client's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    @property
    def _endpoint(self) -> Endpoint:
        return cast("Endpoint", self.server)

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's signature
        """Nothing: a request line holds SQL and may hold a password."""

    def _serve(self) -> None:
        admitted = self._endpoint.begin()
        try:
            self._respond(admitted=admitted)
        except BadRequestError as error:
            self.close_connection = True
            self._send(error.status, f"{error}\n".encode())
        except EngineError as error:
            status = getattr(error, "status", None) or _STATUS.get(error.code, 500)
            _log.info("answered error %d with status %d", error.code, status)
            self._send(status, f"{error}\n".encode(), {"X-ClickHouse-Exception-Code": str(error.code)})
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - whatever it was, the client gets an answer
            # Without its text, which may quote the request.
            where = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("%s in %s line %s", type(error).__name__, where.name, where.lineno)
            self.close_connection = True
            self._send(500, b"Code: 1001. DB::Exception: a fault of the endpoint's own (STD_EXCEPTION)\n")
        finally:
            self._endpoint.end()

    def _respond(self, *, admitted: bool) -> None:
        if not admitted:
            # Its body stays unread: the request goes nowhere, and senders try again after a 503.
            raise RefusalError(236, "The endpoint is stopping; try again. (ABORTED)", 503)
        url = urlsplit(self.path)
        if url.path in {"/ping", "/replicas_status"}:
            self._send(200, b"Ok.\n")
            return
        if url.path not in {"", "/"}:
            self.close_connection = True
            raise BadRequestError(404, "There is no handle here; SQL goes to /")
        told = parameters.of_url(url.query)
        identity = self._endpoint.gatekeeper.identify(cast("Mapping[str, str]", self.headers), told)
        if identity is None:
            # Unread, so that nobody fills memory without a password.
            self.close_connection = True
            self._send(
                401,
                b"Code: 516. DB::Exception: Authentication failed: the password is incorrect, or there is no"
                b" user with such a name. (AUTHENTICATION_FAILED)\n",
                {"X-ClickHouse-Exception-Code": "516", "WWW-Authenticate": 'Basic realm="ClickHouse"'},
            )
            return
        content = body.read(self.rfile, self.headers)  # type: ignore[arg-type]
        tables: tuple[form.Table, ...] = ()
        if self.headers.get_content_type() == "multipart/form-data":
            sent = form.read(self.headers, content, told)
            told |= sent.fields
            content, tables = b"", sent.tables
        query = told.get("query", "").encode()
        self._answer(query, content, parameters.session(told, tables, identity), told)

    def _answer(self, query: bytes, content: bytes, session: Session, told: Mapping[str, str]) -> None:
        engine = self._endpoint.engine
        started = time.monotonic_ns()
        if told.get("compress") == "1" or told.get("decompress") == "1":
            raise RefusalError(
                48, "ClickHouse's own compressed frames are not spoken here; set compress: none"
            )
        if session.reads_only and session.settings.keys() - parameters.READERS_TO_CHOOSE:
            raise RefusalError(164, "A reader may set max_execution_time and no other. (READONLY)")
        if session.tables and session.reads_only:
            # Their columns are SQL that runs before the engine is read-only.
            raise RefusalError(164, "A reader may not bring tables. (READONLY)")
        if query.strip() == handshake.SQL or content.strip() == handshake.SQL:
            block = handshake.answer(engine.version, engine.timezone)
            self._send(200, block, self._headers(told, "Native", None, started))
            return
        # As ClickHouse does: the parameter's text, a line end, the body.
        sql = query + b"\n" + content if query else content
        kept = statement.read(sql)
        if not kept.first_word:
            raise RefusalError(62, "Empty query (SYNTAX_ERROR)", 400)
        asked = told.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        if kept.insert is not None and not session.reads_only and self.command == "POST":
            rows = memoryview(sql)[kept.insert.data_at :]
            answer = engine.insert(kept.insert, rows, session)
        else:
            answer = self._run(sql, kept, session, asked)
        self._send(200, answer.content, self._headers(told, kept.format or asked, answer, started))

    def _run(self, sql: bytes, kept: statement.Statement, session: Session, output_format: str) -> Answer:
        engine = self._endpoint.engine
        if len(sql) > statement.MAX_SQL:
            raise RefusalError(62, f"SQL is longer than {statement.MAX_SQL} bytes (SYNTAX_ERROR)", 413)
        kind, statements = engine.kind(sql)
        if statements > 1 or (kind is Kind.UNKNOWN and b";" in sql.rstrip(b"; \t\r\n")):
            # Of a text that does not parse as a whole, the engine would run what stands before its fault.
            raise RefusalError(
                62, "Syntax error, or several statements, which are not allowed (SYNTAX_ERROR)"
            )
        if kept.names_files:
            raise RefusalError(1, "INTO OUTFILE and FROM INFILE are not allowed over HTTP", 400)
        if kind is Kind.UNKNOWN:
            engine.run(sql, Lane.READS, output_format, replace(session, reads_only=True))
            # The engine says what is wrong with most texts, but answers some that are no SQL with nothing.
            raise RefusalError(62, "This is no statement (SYNTAX_ERROR)")
        if kind is not Kind.READS and (self.command != "POST" or session.reads_only):
            raise RefusalError(164, "Cannot execute query in readonly mode. (READONLY)")
        if session.reads_only and kept.calls_file_function:
            raise RefusalError(164, "A reader may not read files. (READONLY)")
        lane = _LANES.get(kept.pace, Lane.READS) if kind is Kind.READS else Lane.WRITES
        return engine.run(sql, lane, output_format, session)

    def _headers(
        self, told: Mapping[str, str], output_format: str, answer: Answer | None, started: int
    ) -> dict[str, str]:
        summary = {
            "read_rows": str(answer.read_rows if answer else 1),
            "read_bytes": "0",
            "written_rows": str(answer.written_rows if answer else 0),
            "written_bytes": str(answer.written_bytes if answer else 0),
            "total_rows_to_read": "0",
            "result_rows": "0",
            "result_bytes": str(len(answer.content) if answer else 0),
            "elapsed_ns": str(time.monotonic_ns() - started),
        }
        return {
            "X-ClickHouse-Query-Id": _header_safe(told.get("query_id") or secrets.token_hex(16)),
            "X-ClickHouse-Format": _header_safe(output_format),
            "X-ClickHouse-Timezone": self._endpoint.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "spanledger embedded",
            "X-ClickHouse-Summary": json.dumps(summary),
        }

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        if self._endpoint.stopping:
            # Clients keep connections open between requests, and the next one here would be refused.
            self.close_connection = True
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()
        if self.close_connection:
            self._half_close()

    def _half_close(self) -> None:
        """Closing while the client still sends would reset the connection and lose the answer."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            for _ in range(1024):
                if not self.connection.recv(1 << 16):
                    return
        except OSError:
            return


def _header_safe(text: str) -> str:
    return "".join(c for c in text if " " <= c <= "~")[:200]
