"""clickhouse-connect, the client of the command line, against the endpoint."""

import datetime as dt
import gzip
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from support.endpoint import Endpoint
from support.waiting import wait_for

ROWS = [
    [
        1,
        "é;\n\0'\"`\\",
        Decimal("12345678901234567890123456.000000000001"),
        None,
        {"input": Decimal("0.5")},
        dt.datetime(2026, 10, 1, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        ["a;", "b\n"],
    ],
    [2, "", Decimal(0), "x", {}, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), []],
]
COLUMNS = (
    "id UInt64, text String, cost Decimal(38, 12), reason Nullable(String), units Map(String, Decimal(38, 12)), "
    "at DateTime64(6, 'UTC'), labels Array(String)"
)


def test_what_is_inserted_comes_back_the_same(client: Any) -> None:
    client.command(f"CREATE TABLE round_trip ({COLUMNS}) ENGINE = MergeTree ORDER BY id")
    summary = client.insert("round_trip", ROWS, column_names="*")
    assert summary.written_rows == 2
    got = client.query("SELECT * FROM round_trip ORDER BY id", query_tz="UTC", tz_mode="aware").result_rows
    assert [list(row) for row in got] == ROWS


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_raw_rows_are_taken_in_plain_and_compressed(client: Any, table: str, encoding: str | None) -> None:
    rows = b'1,"a;b"\n2,"x\ny"\n'
    client.raw_insert(
        table,
        ["id", "text"],
        gzip.compress(rows) if encoding else rows,
        fmt="CSV",
        compression=encoding,
    )
    assert client.query(f"SELECT * FROM {table} ORDER BY id").result_rows == [(1, "a;b"), (2, "x\ny")]


def test_values_in_the_text_of_an_insert_are_stored(client: Any, table: str) -> None:
    client.command(f"INSERT INTO {table} (id, text) VALUES (1, 'a;b'), (2, 'c')")
    assert client.query(f"SELECT * FROM {table} ORDER BY id").result_rows == [(1, "a;b"), (2, "c")]


def test_bound_parameters_are_values_and_never_sql(client: Any) -> None:
    hostile = "'; DROP TABLE x; --\\\n\t{y:String}"
    got = client.query(
        "SELECT {x:String}, {d:Decimal(38, 12)}, {a:Array(String)}",
        parameters={"x": hostile, "d": Decimal("1.5"), "a": [hostile, ""]},
    )
    assert got.result_rows == [(hostile, Decimal("1.5"), [hostile, ""])]


def test_parameters_too_long_for_a_url_arrive_by_form(client: Any) -> None:
    many = [f"{number:08x};\r\n--" for number in range(20_000)]
    got = client.query("SELECT length({a:Array(String)}), {a:Array(String)}[20000]", parameters={"a": many})
    assert got.result_rows == [(20_000, many[-1])]


def test_a_table_that_comes_with_a_query_is_there_for_that_query_only(client: Any) -> None:
    brought = ExternalData(
        file_name="brought", data=b'1,"a\r\n--b"\n2,c\n', fmt="CSV", structure="id UInt8, text String"
    )
    got = client.query("SELECT sum(id), any(text) FROM brought", external_data=brought)
    assert got.result_rows == [(3, "a\r\n--b")]
    with pytest.raises(DatabaseError, match="brought"):
        client.query("SELECT * FROM brought")


def test_large_results_arrive_whole(client: Any) -> None:
    with client.query_rows_stream("SELECT number FROM numbers(1000000)") as stream:
        assert sum(row[0] for row in stream) == 499_999_500_000


def test_totals_are_part_of_an_answer(client: Any) -> None:
    answer = client.raw_query(
        "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k"
    )
    assert answer == b"0\t5\n1\t5\n\n0\t10\n"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nothing", 47),
        ("SELEC 1", 62),
        ("SELECT * FROM nowhere", 60),
        ("SELECT throwIf(number = 999999) FROM numbers(2000000)", 395),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 1),
        ("foo", 62),
    ],
)
def test_errors_come_with_clickhouses_code(client: Any, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"Code: {code}\\. DB::Exception"):
        client.query(sql)


def test_settings_hold_for_their_request_and_no_longer(client: Any) -> None:
    asked = "SELECT toString(getSetting('max_threads')), toString(getSetting('max_execution_time'))"
    with_settings = client.query(asked, settings={"max_threads": 7, "max_execution_time": 1234}).result_rows
    assert with_settings == [("7", "1234")]
    after = client.query(asked).result_rows
    assert after[0][0] != "7"
    assert after[0][1] == "60"


def test_the_database_of_a_request_is_its_own(endpoint: Endpoint, client: Any) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS `odd ``name`")
    other = endpoint.client(database="odd `name")
    assert other.command("SELECT currentDatabase()") == "odd `name"
    other.close()
    assert client.command("SELECT currentDatabase()") == "test"


def test_ping_answers_without_a_password(client: Any) -> None:
    assert client.ping()


def test_a_view_refreshes_by_itself(client: Any) -> None:
    client.command("CREATE TABLE refreshed (at DateTime64(3)) ENGINE = MergeTree ORDER BY at")
    client.command(
        "CREATE MATERIALIZED VIEW refreshing REFRESH EVERY 1 SECOND APPEND TO refreshed AS SELECT now64(3) AS at"
    )
    wait_for(lambda: client.command("SELECT count() FROM refreshed") >= 3, "three refreshes")
    client.command("DROP VIEW refreshing")
