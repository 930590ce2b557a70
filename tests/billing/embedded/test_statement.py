"""Where SQL ends and an INSERT's data begins, and what else the endpoint reads of a statement."""

import pytest

from spanledger_billing.embedded import statement
from spanledger_billing.embedded.statement import DataInsert, Pace


@pytest.mark.parametrize(
    ("sql", "insert", "data"),
    [
        (
            b"INSERT INTO t (a, b) FORMAT Native\n\x02\x0a;",
            DataInsert(b"INSERT INTO t (a, b) ", b"", "Native", 35),
            b"\x02\x0a;",
        ),
        (b"insert into t format CSV\r\n\n1", DataInsert(b"insert into t ", b"", "CSV", 26), b"\n1"),
        (b"INSERT INTO t FORMAT TSV 1\t2", DataInsert(b"INSERT INTO t ", b"", "TSV", 25), b"1\t2"),
        (
            b"INSERT INTO t (a) VALUES (1), (2)",
            DataInsert(b"INSERT INTO t (a) ", b"", "Values", 24),
            b" (1), (2)",
        ),
        (
            b"INSERT INTO t (a) SETTINGS x = 1 FORMAT CSV\n1",
            DataInsert(b"INSERT INTO t (a) ", b"SETTINGS x = 1 ", "CSV", 44),
            b"1",
        ),
        (
            b'/* FORMAT X */ INSERT INTO `FORMAT y` (`values`, "format z") -- VALUES\n FORMAT CSV\n1',
            DataInsert(
                b'/* FORMAT X */ INSERT INTO `FORMAT y` (`values`, "format z") -- VALUES\n ', b"", "CSV", 83
            ),
            b"1",
        ),
        (
            b"INSERT INTO db.values (format) FORMAT CSV\n1",
            DataInsert(b"INSERT INTO db.values (format) ", b"", "CSV", 42),
            b"1",
        ),
        (b"INSERT INTO format FORMAT CSV\n1", DataInsert(b"INSERT INTO format ", b"", "CSV", 30), b"1"),
    ],
)
def test_data_begins_right_behind_the_format_and_one_line_end(
    sql: bytes, insert: DataInsert, data: bytes
) -> None:
    assert statement.read(sql).insert == insert
    assert sql[insert.data_at :] == data


@pytest.mark.parametrize(
    "sql",
    [
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        b"INSERT INTO t (a)",
        b"INSERT INTO t FORMAT",
        b"INSERT INTO t FORMAT 'x'",
        b"SELECT 'INSERT INTO t FORMAT CSV'",
        b"EXPLAIN INSERT INTO t VALUES (1)",
        b"",
        b"-- INSERT INTO t VALUES (1)",
    ],
)
def test_a_statement_without_data_of_its_own_is_no_data_insert(sql: bytes) -> None:
    assert statement.read(sql).insert is None


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1 format json_x ;", "json_x"),
        (b"SELECT 1 FORMAT CSV SETTINGS x = 1", "CSV"),
        (b"SELECT format FROM t", None),
        (b"SELECT 'FORMAT CSV'", None),
        (b"SELECT (SELECT 1 FORMAT CSV)", None),
        (b"SELECT 1 -- FORMAT CSV", None),
    ],
)
def test_the_format_a_query_ends_in_is_read(sql: bytes, named: str | None) -> None:
    assert statement.read(sql).format == named


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT file('/etc/passwd')",
        b"SELECT FILE ('/etc/passwd')",
        b"SELECT file/**/('/etc/passwd')",
        b"SELECT `file`('/etc/passwd')",
        b"SELECT \"\\x66ile\"('/etc/passwd')",
        b"SELECT * FROM file('x.csv')",
    ],
)
def test_a_call_of_file_is_seen_however_it_is_written(sql: bytes) -> None:
    assert statement.read(sql).calls_file_function


@pytest.mark.parametrize(
    "sql", [b"SELECT file FROM t", b"SELECT 'file('", b"SELECT profile(1)", b"SELECT (file)"]
)
def test_a_column_that_is_called_file_is_no_call(sql: bytes) -> None:
    assert not statement.read(sql).calls_file_function


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (b"SELECT 1 INTO OUTFILE 'x'", True),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", True),
        (b"SELECT outfile, infile FROM t", False),
        (b"SELECT 'INTO OUTFILE'", False),
    ],
)
def test_files_of_the_server_are_noticed(sql: bytes, named: bool) -> None:
    assert statement.read(sql).names_files is named


@pytest.mark.parametrize(
    ("sql", "pace"),
    [
        (b"DESCRIBE TABLE `db`.`t`", Pace.DESCRIBES),
        (b"DESC t FORMAT Native", Pace.DESCRIBES),
        (b"DESCRIBE TABLE url('http://slow', 'CSV')", Pace.ANY),
        (b"SELECT version(), timezone()", Pace.QUICK),
        (b"SELECT name, value, readonly FROM system.settings LIMIT 10000", Pace.QUICK),
        (b"SHOW TABLES", Pace.QUICK),
        (b"SELECT 1 FROM t", Pace.ANY),
        (b"SELECT * FROM system.settings JOIN t ON 1", Pace.ANY),
        (b"SELECT (SELECT count() FROM t)", Pace.ANY),
        (b"WITH 1 AS x SELECT x", Pace.ANY),
        (b"DROP TABLE t", Pace.ANY),
    ],
)
def test_what_reads_no_table_is_told_from_what_may_take_long(sql: bytes, pace: Pace) -> None:
    assert statement.read(sql).pace is pace
