"""The ClickHouse engine (chDB) on the data folder, and who may use how much of it at once.

chDB runs one statement at a time on a connection, and as many connections side by side as one opens. Each
statement gets a connection of its own here, which costs a third of a millisecond: settings, the current
database and temporary tables end with it. How many run at once is limited by lanes, of which inserts have
one to themselves; so neither a slow query nor a long `INSERT … SELECT` holds up the collector.
"""

import contextlib
import importlib
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import chdb

from spanledger_billing.embedded.form import Table
from spanledger_billing.embedded.statement import DataInsert

DEFAULT_MAX_SECONDS: Final = 60
"""`max_execution_time` of a query that sets none."""

_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE: Final = re.compile(r"Code: (\d+)\. DB::Exception: ")
_UNPREFIXED: Final = 1001  # STD_EXCEPTION
_TOO_MANY: Final = 202
_LANE_SECONDS: Final = 30.0

_chdb: Any = importlib.import_module("chdb._chdb")

Settings = Mapping[str, str]


class EngineError(Exception):
    """What the engine says of a statement, in ClickHouse's own form `Code: N. DB::Exception: …`."""

    def __init__(self, text: str) -> None:
        start = text.find("Code: ")
        found = _CODE.match(text, start) if start >= 0 else None
        self.code = int(found[1]) if found else _UNPREFIXED
        whole = text[start:] if found else f"Code: {_UNPREFIXED}. DB::Exception: {text}"
        super().__init__(whole.strip())


class Kind(Enum):
    """What a statement does to state that outlives it, as the engine's own parser says."""

    READS = "reads"
    WRITES = "writes"
    CONTROLS = "controls"
    UNKNOWN = "unknown"


class Lane(Enum):
    """Statements that wait for one another; the value is how many of them run at once."""

    INSERTS = ("inserts", 2)
    DESCRIBES = ("describes", 2)
    """What the exporter asks before each insert."""
    QUICK = ("quick", 2)
    """What clients ask when they connect."""
    READS = ("reads", 4)
    WRITES = ("writes", 2)


@dataclass(frozen=True)
class Answer:
    content: bytes
    read_rows: int
    written_rows: int
    written_bytes: int


@dataclass(frozen=True)
class Session:
    """What a statement runs under."""

    database: str = "default"
    settings: Settings = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    reads_only: bool = False


class Engine:
    """The one engine of this process. The working directory must be the data folder.

    chDB reads paths from a URL-like text in which a space or an `&` of the folder's own path would mean
    something else; relative ones have neither.
    """

    def __init__(self, memory_bytes: int) -> None:
        config = Path(__file__).with_name("clickhouse.xml")
        Path("clickhouse.xml").write_bytes(config.read_bytes())
        os.environ["SPANLEDGER_MEMORY_BYTES"] = str(memory_bytes)
        # What a variable brings into the file is read as XML.
        os.environ["SPANLEDGER_BACKUP_FOLDER"] = escape(str(Path("backups").absolute()))
        self._incoming = Path("incoming")
        self._incoming.mkdir(exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        query_bytes = memory_bytes * 6 // 10
        # One query never takes all, so that inserts always find memory; what is larger goes by disk.
        memory = (
            f"&max_memory_usage={query_bytes}&max_result_bytes={query_bytes // 4}"
            f"&max_bytes_before_external_group_by={query_bytes // 2}"
            f"&max_bytes_before_external_sort={query_bytes // 2}"
        )
        seconds = f"&max_execution_time={DEFAULT_MAX_SECONDS}"
        self._limits = {
            Lane.INSERTS: "",
            Lane.DESCRIBES: seconds,
            Lane.QUICK: memory + seconds,
            Lane.READS: memory + seconds,
            Lane.WRITES: memory,
        }
        self._lanes = {lane: threading.BoundedSemaphore(lane.value[1]) for lane in Lane}
        # Stays open: the engine ends with the last connection.
        self._keeper = self._open()
        self._keeper_lock = threading.Lock()
        self._close_files()
        # The engine puts handlers of its own over the process's; this process stops in its own way.
        _chdb.reset_signal_handlers()
        row = self._keeper.query("SELECT version(), timezone()", "TabSeparated").bytes().decode().split()
        self.version, self.timezone = row[0], row[1]

    @staticmethod
    def _open(limits: str = "") -> Any:
        # Both chdb and chdb-core ship this module, and only one of the two has types: whichever came last.
        connect: Any = chdb.connect
        # `implicit_select` is chDB's: with it `foo` would be read as `SELECT foo`.
        return connect(f"clickhouse?config-file=clickhouse.xml&log-level=warning&implicit_select=0{limits}")

    def _close_files(self) -> None:
        """Makes `default` a database that holds nothing.

        As chDB opens it at every start, a table's name there may be a file's: a reader's query for the table
        `password` would print the owner's. What takes its place refuses tables, for they would be gone at
        the next start.
        """
        _query(self._keeper, "DROP DATABASE default SYNC")
        _query(self._keeper, "CREATE DATABASE default ENGINE = Dictionary")

    def close(self) -> None:
        self._keeper.close()

    def kind(self, sql: bytes) -> tuple[Kind, int]:
        """The kind, and how many statements the text holds."""
        # Text in quotes need not be UTF-8; what the statement does never depends on it.
        text = sql.decode("utf-8", "replace")
        with self._keeper_lock:
            report = self._keeper._conn.classify_query(text, "default")  # noqa: SLF001 - as chdb.durable does
        kinds = {
            _chdb.query_class.READ_ONLY: Kind.READS,
            _chdb.query_class.MUTATING: Kind.WRITES,
            _chdb.query_class.MUTATING_GLOBAL: Kind.CONTROLS,
            _chdb.query_class.CONTROL: Kind.CONTROLS,
        }
        return kinds.get(report["query_class"], Kind.UNKNOWN), int(report["statement_count"])

    def insert(self, insert: DataInsert, rows: memoryview, session: Session) -> Answer:
        """Writes rows that came with the request; returns when they are on disk.

        By way of a file and `FROM INFILE`: chDB's own streaming insert reports success when a materialized
        view on the table throws, and a text that holds SQL and data is cut at a `;` within the data.
        """
        with self._lane(Lane.INSERTS), self._connection(session, Lane.INSERTS) as connection:
            # Rows that wait in memory to be written later would not survive what a 200 promises.
            _query(connection, "SET async_insert=0")
            return _answer(self._insert(connection, insert, rows, session.parameters))

    def _insert(
        self,
        connection: Any,
        insert: DataInsert,
        rows: memoryview | bytes,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        file = self._incoming / secrets.token_hex(8)
        where = f" FROM INFILE '{file}' ".encode()
        sql = insert.head + where + insert.settings + f" FORMAT {insert.format}".encode()
        try:
            file.write_bytes(rows)
            return _query(connection, sql, parameters=parameters)
        finally:
            file.unlink(missing_ok=True)

    def run(self, sql: bytes, lane: Lane, output_format: str, session: Session) -> Answer:
        """Runs a statement to its end; the whole answer is in memory.

        chDB can also answer piece by piece, but takes a piece without rows for the end.
        """
        with self._lane(lane), self._connection(session, lane) as connection:
            return _answer(_query(connection, sql, output_format, session.parameters))

    @contextlib.contextmanager
    def _lane(self, lane: Lane) -> Iterator[None]:
        name, places = lane.value
        if not self._lanes[lane].acquire(timeout=_LANE_SECONDS):
            raise EngineError(
                f"Code: {_TOO_MANY}. DB::Exception: Too many simultaneous queries: {places} of the kind "
                f"'{name}' have been running for {_LANE_SECONDS:.0f} s. (TOO_MANY_SIMULTANEOUS_QUERIES)"
            )
        try:
            yield
        finally:
            self._lanes[lane].release()

    @contextlib.contextmanager
    def _connection(self, session: Session, lane: Lane) -> Iterator[Any]:
        connection = self._open(self._limits[lane])
        try:
            for name, value in session.settings.items():
                if not _SETTING_NAME.fullmatch(name):
                    raise EngineError(
                        f"Code: 115. DB::Exception: {name[:60]!r} is not a setting's name. (UNKNOWN_SETTING)"
                    )
                _query(connection, f"SET {name} = {_quoted(value)}")
            if session.database != "default":
                _query(connection, f"USE {_backquoted(session.database)}")
            for table in session.tables:
                columns = f"{_backquoted(table.name)} ({table.columns})"
                _query(connection, f"CREATE TEMPORARY TABLE {columns}")
                insert = DataInsert(f"INSERT INTO {_backquoted(table.name)}".encode(), b"", table.format, 0)
                self._insert(connection, insert, table.rows)
            if session.reads_only:
                # Last, since no setting changes after it. With 2 instead of 1 the table functions that read
                # files and other servers would be in reach.
                _query(connection, "SET readonly = 1")
            yield connection
        finally:
            connection.close()


def _answer(result: Any) -> Answer:
    return Answer(result.bytes(), result.rows_read(), result.rows_written(), result.bytes_written())


def _query(
    connection: Any, sql: str | bytes, output_format: str = "TabSeparated", parameters: Settings | None = None
) -> Any:
    try:
        return connection.query(sql, output_format, params=dict(parameters or {}))
    except RuntimeError as error:
        raise EngineError(str(error)) from None


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _backquoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
