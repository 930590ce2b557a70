"""Who may ask the endpoint what."""

import base64
import http.client
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from spanledger_billing.embedded import credentials
from spanledger_billing.embedded.credentials import OWNER, READER
from support.endpoint import Endpoint
from support.gate import closed_gate
from support.listening import listening_addresses


def _ask(
    endpoint: Endpoint, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def reader(endpoint: Endpoint) -> Iterator[Any]:
    connected = endpoint.client(READER)
    yield connected
    connected.close()


def test_passwords_are_long_of_each_folders_own_and_readable_to_their_owner_only(tmp_path: Path) -> None:
    drawn = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        for user in (OWNER, READER):
            drawn.add(credentials.password(folder, user))
            path = folder / credentials.PASSWORD_FILES[user]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert {path.name for path in folder.iterdir()} == set(credentials.PASSWORD_FILES.values())
    assert len(drawn) == 4
    assert min(map(len, drawn)) >= 43


def test_a_password_stays_the_same_over_starts(tmp_path: Path) -> None:
    assert credentials.password(tmp_path) == credentials.password(tmp_path)


def test_name_and_password_are_taken_in_every_way_that_clickhouse_takes_them(endpoint: Endpoint) -> None:
    password = endpoint.password()
    ways: list[tuple[str, dict[str, str]]] = [
        ("/?query=SELECT+7", _basic(OWNER, password)),
        ("/?query=SELECT+7", {"X-ClickHouse-User": OWNER, "X-ClickHouse-Key": password}),
        (f"/?query=SELECT+7&user={OWNER}&password={password}", {}),
    ]
    for path, headers in ways:
        assert _ask(endpoint, path, headers) == (200, b"7\n")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer x"},
        _basic(OWNER, ""),
        _basic(OWNER, "wrong"),
        _basic("default", ""),
        _basic("é", "\N{PILE OF POO}"),
        {"X-ClickHouse-User": OWNER, "X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-User": OWNER},
        {"X-ClickHouse-User": "", "X-ClickHouse-Key": ""},
    ],
)
def test_without_the_right_password_there_is_nothing_but_401(
    endpoint: Endpoint, headers: dict[str, str]
) -> None:
    status, text = _ask(endpoint, "/?query=SELECT+7", headers)
    assert (status, text[:29]) == (401, b"Code: 516. DB::Exception: Aut")


def test_one_users_password_is_no_other_users(endpoint: Endpoint) -> None:
    assert _ask(endpoint, "/", _basic(OWNER, endpoint.password(READER)), b"SELECT 1")[0] == 401


def test_the_handshake_asks_for_the_password_as_well(endpoint: Endpoint) -> None:
    sql = b"SELECT displayName(), version(), revision(), timezone()"
    assert _ask(endpoint, "/", {}, sql)[0] == 401


def test_a_reader_reads(reader: Any, client: Any, table: str) -> None:
    client.insert(table, [[1, "a"]], column_names=["id", "text"])
    assert reader.query(f"SELECT * FROM {table}").result_rows == [(1, "a")]
    assert reader.command("SELECT {x:String}", parameters={"x": "bound"}) == "bound"


def test_a_reader_may_have_a_query_take_longer(endpoint: Endpoint) -> None:
    """Grafana's data source sets the time on every request."""
    login = _basic(READER, endpoint.password(READER))
    asked = b"SELECT toUInt64(getSetting('max_execution_time'))"
    assert _ask(endpoint, "/?max_execution_time=300", login, asked) == (200, b"300\n")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {table} (id) VALUES (1)",
        "INSERT INTO {table} (id) SELECT 1",
        "CREATE TABLE x (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a UInt8)",
        "DROP TABLE {table}",
        "ALTER TABLE {table} DELETE WHERE 1",
        "TRUNCATE TABLE {table}",
        "OPTIMIZE TABLE {table}",
        "SET readonly = 0",
        "SET max_threads = 1",
        "USE system",
        "SYSTEM STOP MERGES",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT 1 FROM {table} SETTINGS max_memory_usage = 0",
        "SELECT 1 INTO OUTFILE '{file}'",
        "SELECT file('{file}')",
        "SELECT `file`('{file}')",
        "SELECT `\\x66ile`('{file}')",
        "SELECT * FROM file('{file}', 'LineAsString')",
        "SELECT * FROM `{file}`",
        "SELECT * FROM default.`{file}`",
        "SELECT * FROM `password`",
        "SELECT * FROM `endpoint.json`",
        "DESCRIBE TABLE `{file}`",
        "SELECT * FROM merge('default', 'password')",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', 'system.one')",
        "SELECT * FROM url('{gate}', 'CSV', 'n UInt8')",
        "SELECT * FROM s3('{gate}bucket/key', 'CSV', 'n UInt8')",
        "SELECT * FROM sqlite('{file}', 't')",
        "SELECT * FROM Python(x)",
        "DESCRIBE TABLE file('{file}', 'LineAsString')",
        "EXPLAIN SELECT * FROM url('{gate}', 'CSV', 'n UInt8')",
    ],
)
def test_a_reader_changes_nothing_and_reaches_neither_files_nor_other_servers(
    reader: Any, client: Any, table: str, tmp_path: Path, sql: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_text("secret\n")
    with closed_gate() as gate:
        gate.open()
        filled = sql.format(table=table, file=file, gate=gate.url)
        with pytest.raises(DatabaseError, match=r"Code: \d+\. DB::Exception") as refused:
            reader.query(filled)
        assert "secret" not in str(refused.value)
        assert gate.waiting == 0
    assert [path.name for path in tmp_path.iterdir()] == ["file.csv"]
    assert client.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize("setting", ["max_memory_usage=0", "max_result_bytes=0", "allow_ddl=1"])
def test_a_reader_cannot_lift_its_bounds(endpoint: Endpoint, setting: str) -> None:
    login = _basic(READER, endpoint.password(READER))
    status, text = _ask(endpoint, f"/?{setting}", login, b"SELECT 1")
    assert (status, text) == (
        403,
        b"Code: 164. DB::Exception: A reader may set max_execution_time and no other. (READONLY)\n",
    )


def test_a_reader_cannot_become_a_writer_by_parameter(endpoint: Endpoint, table: str) -> None:
    login = _basic(READER, endpoint.password(READER))
    status, text = _ask(
        endpoint, "/?readonly=0&database=test", login, f"INSERT INTO {table} (id) VALUES (1)".encode()
    )
    assert (status, text[:24]) == (403, b"Code: 164. DB::Exception")


def test_a_reader_may_not_bring_tables_whose_columns_are_sql(reader: Any, tmp_path: Path) -> None:
    from clickhouse_connect.driver.external import ExternalData

    hostile = ExternalData(file_name="x", data=b"", fmt="CSV", structure="a UInt8) AS SELECT file('x' --")
    with pytest.raises(DatabaseError, match="A reader may not bring tables"):
        reader.query("SELECT * FROM x", external_data=hostile)


@pytest.mark.parametrize("user", [OWNER, READER])
@pytest.mark.parametrize("tail", ["", "; foo(", ";;\n-- x\n; SELECT 1"])
def test_several_statements_in_one_are_refused_before_the_first_has_run(
    endpoint: Endpoint, client: Any, table: str, user: str, tail: str
) -> None:
    login = _basic(user, endpoint.password(user))
    sql = f"SELECT 1; DROP TABLE test.{table}{tail}".encode()
    status, text = _ask(endpoint, "/", login, sql)
    assert (status, text[:9]) == (400, b"Code: 62.")
    assert client.command(f"EXISTS TABLE {table}") == 1


def test_a_reader_learns_what_is_wrong_with_a_query(reader: Any) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 62.*Syntax error: failed at position 1"):
        reader.query("SELEC 1")


def test_a_get_request_changes_nothing_whoever_sends_it(endpoint: Endpoint, client: Any, table: str) -> None:
    """A link or an image in a page that its reader did not write is a GET."""
    login = _basic(OWNER, endpoint.password())
    status, text = _ask(endpoint, f"/?query=INSERT+INTO+test.{table}+(id)+VALUES+(1)", login)
    assert (status, text[:24]) == (403, b"Code: 164. DB::Exception")
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_the_endpoint_listens_on_loopback_and_nowhere_else(endpoint: Endpoint) -> None:
    assert listening_addresses(endpoint.process.pid) == {("127.0.0.1", endpoint.port)}
