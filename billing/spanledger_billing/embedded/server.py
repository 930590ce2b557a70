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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from spanledger_billing.embedded import body, form, handshake, statement
from spanledger_billing.embedded.body import BadRequestError
from spanledger_billing.embedded.credentials import Gatekeeper, Identity
from spanledger_billing.embedded.engine import Answer, Engine, EngineError, Kind, Lane, Session

LOOPBACK: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 256
MAX_PARAMETERS: Final = 1000
IDLE_SECONDS: Final = 600
"""A connection that stays silent for so long is closed; clients keep theirs open between requests."""

_log = logging.getLogger(__name__)

# Parameters of a request that are no settings of the engine's.
_TRANSPORT: Final = frozenset(
    {
        "add_http_cors_header",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)
_PARAMETER: Final = "param_"
# The promise of a 200 is the endpoint's, not the request's.
_NOT_TO_CHOOSE: Final = frozenset({"async_insert", "wait_for_async_insert", "readonly"})
# Grafana's data source and clickhouse-go set it on every request. Nothing else is a reader's to choose, above
# all not how much memory a query takes.
_READERS_TO_CHOOSE: Final = frozenset({"max_execution_time"})

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

    def begin(self) -> None:
        with self._idle:
            self._running += 1

    def end(self) -> None:
        with self._idle:
            self._running -= 1
            self._idle.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        """True when no request is being answered any more."""
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
        self._endpoint.begin()
        try:
            self._respond()
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

    def _respond(self) -> None:
        url = urlsplit(self.path)
        if url.path in {"/ping", "/replicas_status"}:
            self._send(200, b"Ok.\n")
            return
        if url.path not in {"", "/"}:
            self.close_connection = True
            raise BadRequestError(404, "There is no handle here; SQL goes to /")
        try:
            parameters = dict(
                parse_qsl(url.query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
            )
        except ValueError as error:
            raise BadRequestError(
                400, f"the URL's parameters are not UTF-8, or more than {MAX_PARAMETERS}"
            ) from error
        identity = self._endpoint.gatekeeper.identify(cast("Mapping[str, str]", self.headers), parameters)
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
            sent = form.read(self.headers, content, parameters)
            parameters |= sent.fields
            content, tables = b"", sent.tables
        query = parameters.get("query", "").encode()
        self._answer(query, content, _session(parameters, tables, identity), parameters)

    def _answer(self, query: bytes, content: bytes, session: Session, parameters: Mapping[str, str]) -> None:
        engine = self._endpoint.engine
        started = time.monotonic_ns()
        if parameters.get("compress") == "1" or parameters.get("decompress") == "1":
            raise RefusalError(
                48, "ClickHouse's own compressed frames are not spoken here; set compress: none"
            )
        if session.reads_only and session.settings.keys() - _READERS_TO_CHOOSE:
            raise RefusalError(
                164, f"A reader may set {', '.join(_READERS_TO_CHOOSE)} and no other. (READONLY)"
            )
        if session.tables and session.reads_only:
            # Their columns are SQL that runs before the engine is read-only.
            raise RefusalError(164, "A reader may not bring tables. (READONLY)")
        if query.strip() == handshake.SQL or content.strip() == handshake.SQL:
            block = handshake.answer(engine.version, engine.timezone)
            self._send(200, block, self._headers(parameters, "Native", None, started))
            return
        # As ClickHouse does: the parameter's text, a line end, the body.
        sql = query + b"\n" + content if query else content
        kept = statement.read(sql)
        if not kept.first_word:
            raise RefusalError(62, "Empty query (SYNTAX_ERROR)", 400)
        asked = parameters.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        if kept.insert is not None and not session.reads_only and self.command == "POST":
            rows = memoryview(sql)[kept.insert.data_at :]
            answer = engine.insert(kept.insert, rows, session)
        else:
            answer = self._run(sql, kept, session, asked)
        self._send(200, answer.content, self._headers(parameters, kept.format or asked, answer, started))

    def _run(self, sql: bytes, kept: statement.Statement, session: Session, output_format: str) -> Answer:
        engine = self._endpoint.engine
        if len(sql) > statement.MAX_SQL:
            raise RefusalError(62, f"SQL is longer than {statement.MAX_SQL} bytes (SYNTAX_ERROR)", 413)
        kind, statements = engine.kind(sql)
        if statements > 1:
            raise RefusalError(62, "Multi-statements are not allowed (SYNTAX_ERROR)")
        if kept.names_files:
            raise RefusalError(
                1, "INTO OUTFILE and FROM INFILE are not allowed over HTTP (UNSUPPORTED_METHOD)", 400
            )
        if kind is not Kind.READS and (self.command != "POST" or session.reads_only):
            # A text that is no statement is refused likewise; a writer learns what is wrong with it.
            raise RefusalError(164, "Cannot execute query in readonly mode. (READONLY)")
        if session.reads_only and kept.calls_file_function:
            raise RefusalError(164, "A reader may not read files. (READONLY)")
        if kind is Kind.READS:
            lane = Lane.QUICK if kept.is_quick else Lane.READS
            return engine.run(sql, lane, output_format, session)
        answer = engine.run(sql, Lane.WRITES, output_format, session)
        if kind is Kind.UNKNOWN:
            # The engine says what is wrong with most texts, but answers some that are no SQL with nothing.
            raise RefusalError(62, "This is no statement (SYNTAX_ERROR)")
        return answer

    def _headers(
        self, parameters: Mapping[str, str], output_format: str, answer: Answer | None, started: int
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
            "X-ClickHouse-Query-Id": _header_safe(parameters.get("query_id") or secrets.token_hex(16)),
            "X-ClickHouse-Format": output_format,
            "X-ClickHouse-Timezone": self._endpoint.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "spanledger embedded",
            "X-ClickHouse-Summary": json.dumps(summary),
        }

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
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


def _session(parameters: Mapping[str, str], tables: tuple[form.Table, ...], identity: Identity) -> Session:
    settings = {
        name: value
        for name, value in parameters.items()
        if name not in _TRANSPORT
        and name not in _NOT_TO_CHOOSE
        and not name.startswith(_PARAMETER)
        and not form.is_description(name, tables)
    }
    bound = {
        name[len(_PARAMETER) :]: value for name, value in parameters.items() if name.startswith(_PARAMETER)
    }
    return Session(parameters.get("database") or "default", settings, bound, tables, identity.reads_only)


def _header_safe(text: str) -> str:
    return "".join(c for c in text if " " <= c <= "~")[:200]
