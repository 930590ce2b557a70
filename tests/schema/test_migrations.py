"""Migrations are applied once, in order, and never change afterwards."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import clickhouse_connect
import pytest

from spanledger_billing import migrate, resources
from spanledger_billing.errors import InvalidInputError
from support.spans import deliver, span

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

FOLDER = resources.folder("schema") / "migrations"
NAMES = [path.stem for path in sorted(FOLDER.glob("*.sql"))]


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that a test may change."""
    copy = tmp_path / "schema" / "migrations"
    copy.mkdir(parents=True)
    for path in FOLDER.glob("*.sql"):
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path / name)
    return copy


def test_all_are_applied_in_order_and_a_second_run_does_nothing(empty_database: Client) -> None:
    seen: list[str] = []
    assert migrate.apply(empty_database, progress=seen.append) == NAMES
    assert seen == NAMES
    assert migrate.apply(empty_database, progress=seen.append) == []
    assert seen == NAMES


def test_every_statement_is_harmless_when_it_runs_again(own_ledger: Client) -> None:
    deliver(own_ledger, [span()])
    facts = own_ledger.query("SELECT kind, subject, value FROM price_facts FINAL").result_rows
    own_ledger.command("TRUNCATE TABLE schema_migrations")
    assert migrate.apply(own_ledger) == NAMES
    assert own_ledger.query("SELECT count() FROM calls").result_rows == [(1,)]
    assert own_ledger.query("SELECT kind, subject, value FROM price_facts FINAL").result_rows == facts


def test_a_changed_migration_is_refused_by_its_name(own_ledger: Client, own_folder: Path) -> None:
    path = own_folder / f"{NAMES[3]}.sql"
    path.write_text(path.read_text(encoding="utf-8") + "\n-- changed\n", encoding="utf-8")
    with pytest.raises(migrate.MigrationChangedError, match=f"{NAMES[3]} is not the file that was applied"):
        migrate.apply(own_ledger)
    assert migrate.status(own_ledger).changed == [NAMES[3]]


def test_a_migration_of_a_newer_release_is_refused_by_its_name(own_ledger: Client, own_folder: Path) -> None:
    (own_folder / f"{NAMES[-1]}.sql").unlink()
    with pytest.raises(
        migrate.MigrationChangedError, match=f"{NAMES[-1]}, which this release .* does not know"
    ):
        migrate.apply(own_ledger)
    assert migrate.status(own_ledger).unknown == [NAMES[-1]]


def test_a_statement_that_fails_is_named_and_the_next_run_goes_on_there(
    own_ledger: Client, own_folder: Path
) -> None:
    path = own_folder / "9999_last.sql"
    path.write_text(
        "-- two: one row each.\nCREATE TABLE IF NOT EXISTS {database}.one (a Int8) ENGINE = {engine:Log};\n"
        "-- why not\nCREATE TABLE {database}.two (a NoSuchType) ENGINE = Log;\n",
        encoding="utf-8",
    )
    with pytest.raises(
        migrate.MigrationFailedError, match=r"9999_last failed at statement 2 \(CREATE TABLE \{database\}.two"
    ):
        migrate.apply(own_ledger)
    assert migrate.status(own_ledger).pending == ["9999_last"]
    path.write_text(path.read_text(encoding="utf-8").replace("NoSuchType", "Int8"), encoding="utf-8")
    assert migrate.apply(own_ledger) == ["9999_last"]


def test_two_runs_at_once_leave_one_whole_schema(empty_database: Client) -> None:
    path = empty_database.path  # type: ignore[attr-defined]

    def run(_: int) -> list[str]:
        with clickhouse_connect.get_client(interface="chdb", path=path) as client:
            client.database = empty_database.database
            return migrate.apply(client)

    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(run, range(2)))
    assert set(ran[0]) | set(ran[1]) == set(NAMES)
    deliver(empty_database, [span()])
    assert empty_database.query("SELECT count() FROM calls").result_rows == [(1,)]
    assert migrate.status(empty_database).applied == NAMES


def test_the_status_of_a_database_that_is_not_there_is_that_all_is_missing(engine: Client) -> None:
    engine.database = None
    assert migrate.status(engine).pending == NAMES


@pytest.mark.parametrize("name", ["1_short", "0001-dash", "0001_Upper", "notes"])
def test_a_file_that_is_no_migration_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.sql").write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=f"{name}.sql is no migration's name"):
        migrate.load(tmp_path)


def test_two_files_of_one_number_are_named(tmp_path: Path) -> None:
    for name in ("0001_one", "0001_two"):
        (tmp_path / f"{name}.sql").write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="0001_one and 0001_two have the same number"):
        migrate.load(tmp_path)


def test_a_semicolon_in_a_text_a_name_or_a_comment_ends_no_statement() -> None:
    sql = "-- a; b\nSELECT ';', 'it''s;', '\\';', `a;b`, \";\" /* ; */;\n\nSELECT 2 -- ;\n;-- the end;"
    assert migrate.statements(sql) == [
        "-- a; b\nSELECT ';', 'it''s;', '\\';', `a;b`, \";\" /* ; */",
        "SELECT 2 -- ;",
    ]


def test_engines_and_database_are_filled_in() -> None:
    text = "CREATE TABLE {database}.t (m Map(String, String) DEFAULT map()) ENGINE = {engine:ReplacingMergeTree(v)}"
    assert migrate.render(text, database="d", engine=lambda name: f"Replicated{name}") == (
        "CREATE TABLE d.t (m Map(String, String) DEFAULT map()) ENGINE = ReplicatedReplacingMergeTree(v)"
    )


def test_a_database_name_that_is_none_is_refused(engine: Client) -> None:
    engine.database = "ledger; DROP"
    with pytest.raises(InvalidInputError, match="no name for the ledger's database"):
        migrate.apply(engine)
    engine.database = "default"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_file_makes_says_its_grain_and_every_table_why_it_is_laid_out_so(name: str) -> None:
    sql = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    assert sql.startswith("-- ")
    for statement in migrate.statements(sql):
        lines = statement.splitlines()
        if re.search(r"^CREATE TABLE", statement, re.MULTILINE):
            for number, line in enumerate(lines):
                if re.match(r"(ENGINE|ORDER BY|PARTITION BY)\b", line):
                    assert lines[number - 1].startswith("--"), f"{line}: why?"
