"""Whatever is changed in what was closed, `verify` shows it and says where."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import migrate
from spanledger_billing.close import chain, closing
from spanledger_billing.close.verifying import verify
from support.applied import apply
from support.closing import TERMS, store
from support.rolled_up import by_hand
from support.stored_calls import call

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("closes", "closed_lines", "closed_days", "closed_documents")
OTHERWISE = {
    "String": "concat({}, ' ')",
    "UInt": "{} + 1",
    "Int64": "{} + 1",
    "Date": "{} + 1",
    "DateTime64": "{} + INTERVAL 1 MILLISECOND",
    "Decimal(18, 10)": "{} + toDecimal64('0.0000000001', 10)",
    "Decimal(38, 3)": "{} + toDecimal128('0.001', 3)",
    "Decimal(38, 2)": "{} + toDecimal128('0.01', 2)",
    "Decimal(38, 18)": "{} + toDecimal128('0.000000000000000001', 18)",
    "Decimal(76, 12)": "{} + toDecimal256('0.000000000001', 12)",
    "Map": "mapUpdate({}, CAST(map('more', 0), '{type}'))",
    "Array": "arrayPushBack({}, ('drift', 1))",
}
"""By how a type begins: the least that a value of it can be changed by."""


@pytest.fixture(scope="module")
def _closed_database(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four closes: October and November of both clients, the second with an adjustment; and copies of them.

    For all tests of this file, each of which leaves it as it was: it takes long to make.
    """
    engine.database = "verified"
    migrate.apply(engine, timezone="UTC")
    by_hand(engine)
    apply(engine, TERMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPANLEDGER_METRICS_URL", raising=False)
        patch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)
        patch.setenv("SPANLEDGER_DATA", str(tmp_path_factory.mktemp("none")))
        store(engine, call("2026-10-10T12:00", "500"), call("2026-11-05T12:00", "0"))
        assert all(outcome.head for outcome in closing.close(engine, "2026-10"))
        store(engine, call("2026-10-20T12:00", "40"), call("2026-12-05T12:00", "0"))
        assert all(outcome.head for outcome in closing.close(engine, "2026-11", accept=["month-not-over"]))
    for table in TABLES:
        engine.command(f"CREATE TABLE kept_{table} ENGINE = Memory AS SELECT * FROM {table}")
    return "verified"


@pytest.fixture
def months(engine: Any, _closed_database: str) -> Any:
    engine.database = _closed_database
    assert verify(engine).findings == ()
    return engine


@contextmanager
def tampered(ledger: Any, table: str, rows: str) -> Iterator[None]:
    """The table with these rows in place of its own."""
    try:
        ledger.command(f"TRUNCATE TABLE {table}")
        ledger.command(f"INSERT INTO {table} {rows} SETTINGS async_insert = 0, insert_deduplicate = 0")
        yield
    finally:
        ledger.command(f"TRUNCATE TABLE {table}")
        ledger.command(f"INSERT INTO {table} SELECT * FROM kept_{table} SETTINGS insert_deduplicate = 0")


def changed(column: str, kind: str) -> str:
    inner = kind.removeprefix("LowCardinality(").removeprefix("Nullable(")
    begins = max((each for each in OTHERWISE if inner.startswith(each)), key=len)
    return OTHERWISE[begins].replace("{type}", kind).replace("{}", column)


def rows_of(ledger: Any, table: str) -> list[Any]:
    return ledger.query(f"SELECT toString(tuple(*)) AS row FROM {table} ORDER BY row").result_rows


@pytest.mark.parametrize("table", TABLES)
def test_a_change_of_any_column_of_any_table_is_found(months: Any, table: str) -> None:
    columns = months.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}",
        parameters={"table": table},
    ).result_rows
    one = {
        "closes": "number = 2",
        "closed_lines": "line = 1 AND client_id = 'acme' AND month = '2026-11'",
        "closed_days": "day = '2026-10-10'",
        "closed_documents": "copy = 'full' AND format = 'csv' "
        "AND close_id = (SELECT close_id FROM kept_closes WHERE number = 2)",
    }[table]
    assert months.query(f"SELECT count() FROM kept_{table} WHERE {one}").first_row[0] == 1
    unseen = []
    for column, kind in columns:
        changing = f"if({one}, {changed(column, kind)}, {column}) AS {column}"
        # The condition is that of the row as it was.
        rows = f"SELECT * FROM (SELECT * REPLACE ({changing}) FROM kept_{table} SETTINGS prefer_column_name_to_alias = 1)"
        with tampered(months, table, rows):
            assert rows_of(months, table) != rows_of(months, f"kept_{table}"), column
            if not verify(months).findings:
                unseen.append(column)
    assert len(columns) > 3
    assert unseen == []
    assert verify(months).findings == ()


@pytest.mark.parametrize("table", TABLES[1:])
def test_a_row_that_is_gone_or_there_twice_or_moved_to_another_close_is_found(
    months: Any, table: str
) -> None:
    kept = f"SELECT * FROM kept_{table}"
    second, third = (
        months.query(
            "SELECT close_id FROM kept_closes WHERE number = {n:UInt8}", parameters={"n": n}
        ).first_row[0]
        for n in (2, 3)
    )
    last = f"(SELECT toString(tuple(*)) FROM kept_{table} WHERE close_id = '{third}' LIMIT 1)"
    for rows in (
        f"{kept} WHERE toString(tuple(*)) != {last}",
        f"{kept} UNION ALL {kept} WHERE toString(tuple(*)) = {last}",
        f"SELECT * REPLACE (if(close_id = '{third}', '{second}', close_id) AS close_id) FROM kept_{table}",
    ):
        with tampered(months, table, rows):
            assert any(
                "close 3 (acme 2026-11)" in found or "close 2" in found for found in verify(months).findings
            ), rows


def test_a_close_that_is_gone_from_the_middle_is_named(months: Any) -> None:
    with tampered(months, "closes", "SELECT * FROM kept_closes WHERE number NOT IN (2, 3)"):
        assert verify(months).findings == ("closes 2 to 3: missing",)


def test_a_close_that_is_gone_from_the_end_is_shown_by_the_head_that_was_kept(months: Any) -> None:
    head = chain.head(months)
    assert head.number == 4
    with tampered(months, "closes", "SELECT * FROM kept_closes WHERE number < 4"):
        assert verify(months).findings == ()
        assert verify(months).orphans > 0
        (found,) = verify(months, head.hash).findings
    assert found == (
        f"no close has the hash {head.hash}: closes were taken away from the end, or all were made anew"
    )


def test_a_ledger_without_any_close_is_not_one_that_had_this_head(months: Any) -> None:
    head = chain.head(months)
    with tampered(months, "closes", "SELECT * FROM kept_closes WHERE false"):
        assert verify(months).closes == 0
        assert verify(months, head.hash).findings == (f"there is no close, and one had the hash {head.hash}",)


def test_an_earlier_head_holds_and_says_how_many_closes_came_since(months: Any) -> None:
    first = months.query("SELECT hash FROM closes WHERE number = 1").first_row[0]
    found = verify(months, first)
    assert (found.findings, found.after_head, found.head) == ((), 3, chain.head(months))


def test_a_close_whose_content_and_hash_were_made_anew_breaks_with_the_next(months: Any) -> None:
    content = "replaceOne(content, 'acme', 'emca')"
    rows = (
        f"SELECT * REPLACE (if(number = 1, {content}, content) AS content, "
        f"if(number = 1, lower(hex(SHA256({content}))), hash) AS hash) FROM kept_closes"
    )
    with tampered(months, "closes", rows):
        findings = verify(months).findings
    assert "close 2 (cobalt 2026-10): names another close before it than close 1 as it is" in findings


def test_a_chain_made_anew_from_its_first_close_is_shown_by_the_head_that_was_kept(months: Any) -> None:
    head = chain.head(months)
    closes = [dict(row) for row in months.query("SELECT * FROM kept_closes ORDER BY number").named_results()]
    before = chain.FIRST
    forged = []
    for close in closes:
        content = close["content"].replace(f'"{close["prev_hash"]}"', f'"{before}"')
        content = content.replace('"closed_at"', '"closed_at" ') if close["number"] == 1 else content
        forged.append(
            {**close, "content": content, "prev_hash": before, "hash": chain.digest(content.encode())}
        )
        before = forged[-1]["hash"]
    with tampered(months, "closes", "SELECT * FROM kept_closes WHERE false"):
        months.insert("closes", [list(row.values()) for row in forged], column_names=list(forged[0]))
        assert verify(months).findings == ()
        (found,) = verify(months, head.hash).findings
    assert found.startswith(f"no close has the hash {head.hash}")
