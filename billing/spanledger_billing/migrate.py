"""Migrations: the ledger's schema as numbered SQL files, each applied once and never changed afterwards.

A migration is a file `NNNN_name.sql` in `schema/migrations`. Every statement in it is harmless when it runs
again (`IF NOT EXISTS`, `CREATE OR REPLACE`, rows that replace themselves), for ClickHouse has no
transactions over definitions: a run that broke off goes on from the start of the file that it broke off
in, and of two runs at once the slower one repeats what the faster did.

Three things are filled in:

- `{database}`: the ledger's database.
- `{engine:X}`: the table engine X, so that a cluster can put a replicated one in its place.
- whose rights a view reads with: those of who made it. Otherwise a user that is granted a view alone could
  read nothing through it, and the collector, which may only insert, could not pass the views on its table.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spanledger_billing import calendar, resources
from spanledger_billing.clients import calendars
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

_NAME = re.compile(r"^\d{4}_[a-z0-9_]+$")
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
_ENGINE = re.compile(r"\{engine:([^{}]+)\}")
# Up to the AS of a view's definition. A comment is taken as a whole, or a word in it could end the search.
_VIEW = re.compile(
    r"(?:--[^\n]*\n|\s)*CREATE\s+(?:OR\s+REPLACE\s+)?(?:MATERIALIZED\s+)?VIEW\b(?>--[^\n]*\n|.)*?(?=\bAS\b)",
    re.DOTALL | re.IGNORECASE,
)
_RIGHTS = "DEFINER = CURRENT_USER SQL SECURITY DEFINER "
# What a semicolon may stand in without ending a statement.
_SKIP = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"", re.DOTALL)


class MigrationFailedError(OperatorError):
    """A statement failed; what stands before it was applied."""


class MigrationChangedError(RefusedError):
    """The files and the ledger disagree about what was applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, as released."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """Names of migrations, in their order."""

    applied: list[str]
    pending: list[str]
    changed: list[str]
    """Applied from another file than the one released."""
    unknown: list[str]
    """Applied by a newer release."""


def apply(
    client: Client,
    *,
    progress: Callable[[str], None] | None = None,
    timezone: str | None = None,
    engine: Callable[[str], str] = str,
) -> list[str]:
    """Apply what is missing, extend all calendars, and return the names of the migrations applied.

    Args:
        client: connected to the server; the ledger's database is the client's, made where it is missing.
        progress: is told the name of each migration before it runs.
        timezone: the agency's IANA zone; by default `SPANLEDGER_TIMEZONE`, else UTC.
        engine: what to write for the engine that a migration names; for clusters.

    Raises:
        MigrationFailedError: a statement failed.
        MigrationChangedError: a released migration was changed, or comes from a newer release.
        calendar.TimezoneUnknownError, calendar.TimezoneChangedError: see there.

    """
    database = _database(client)
    zone = calendar.agency_timezone(timezone)
    migrations = load(resources.folder("schema") / "migrations")
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}", use_database=False)
    client.command(_bookkeeping(database, engine))
    known = _recorded(client)
    _refuse_changes(migrations, known)
    applied = []
    for migration in migrations:
        if migration.name in known:
            continue
        if progress is not None:
            progress(migration.name)
        _run(client, migration, database, engine)
        client.insert(
            "schema_migrations", [(migration.name, migration.checksum)], column_names=["name", "checksum"]
        )
        applied.append(migration.name)
    calendar.extend(client, timezone=zone)
    calendars.extend_all(client)
    return applied


def status(client: Client) -> Status:
    """How the ledger's schema stands to this release's. Nothing is changed; the database may be missing."""
    present = client.query(
        "SELECT count() FROM system.tables WHERE database = %(database)s AND name = 'schema_migrations'",
        parameters={"database": _database(client)},
    ).result_rows[0][0]
    known = _recorded(client) if present else {}
    released = {
        migration.name: migration.checksum for migration in load(resources.folder("schema") / "migrations")
    }
    return Status(
        applied=[name for name in released if name in known],
        pending=[name for name in released if name not in known],
        changed=[name for name, checksum in released.items() if known.get(name, checksum) != checksum],
        unknown=sorted(known.keys() - released.keys()),
    )


def load(folder: Path) -> list[Migration]:
    """The migrations in a folder, in order.

    Raises:
        InvalidInputError: a file's name is no migration's, or two have one number.

    """
    found = [Migration(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]
    numbers: dict[str, str] = {}
    for migration in found:
        if not _NAME.match(migration.name):
            raise InvalidInputError(
                f"{migration.name}.sql is no migration's name",
                allowed="four digits, an underscore, then a-z, 0-9 and _",
            )
        other = numbers.setdefault(migration.name[:4], migration.name)
        if other != migration.name:
            raise InvalidInputError(
                f"{other} and {migration.name} have the same number", next_step="renumber the newer one"
            )
    return found


def statements(sql: str) -> list[str]:
    """The statements of a file, without comments around them and without their semicolons."""
    pieces: list[str] = []
    start = position = 0
    while position < len(sql):
        skipped = _SKIP.match(sql, position)
        if skipped:
            position = skipped.end()
            continue
        if sql[position] == ";":
            pieces.append(sql[start:position])
            start = position + 1
        position += 1
    pieces.append(sql[start:])
    return [piece.strip() for piece in pieces if _SKIP.sub(_keep_text, piece).strip()]


def _keep_text(skipped: re.Match[str]) -> str:
    return "" if skipped[0].startswith(("--", "/*")) else skipped[0]


def render(statement: str, *, database: str, engine: Callable[[str], str] = str) -> str:
    """A statement with its database and engines filled in, and the rights of a view that it makes."""
    filled = _ENGINE.sub(lambda named: engine(named[1]), statement).replace("{database}", database)
    return _VIEW.sub(lambda head: head[0] + _RIGHTS, filled, count=1) if _VIEW.match(filled) else filled


def _database(client: Client) -> str:
    name = str(client.database or "default")
    if not _IDENTIFIER.match(name):
        raise InvalidInputError(
            f"{name!r} is no name for the ledger's database",
            allowed="letters, digits and _, at most 64, no digit first",
            next_step="set SPANLEDGER_DATABASE",
        )
    return name


def _bookkeeping(database: str, engine: Callable[[str], str]) -> str:
    # Replacing by name: of two runs at once both write a line.
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.schema_migrations "
        "(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) "
        f"ENGINE = {engine('ReplacingMergeTree(applied_at)')} ORDER BY name"
    )


def _recorded(client: Client) -> dict[str, str]:
    rows = client.query("SELECT name, checksum FROM schema_migrations FINAL").result_rows
    return {str(name): str(checksum) for name, checksum in rows}


def _refuse_changes(migrations: Sequence[Migration], known: dict[str, str]) -> None:
    for migration in migrations:
        if known.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationChangedError(
                f"migration {migration.name} is not the file that was applied to this ledger",
                allowed="released migrations never change",
                next_step="restore the file and put the change into a migration of the next number",
            )
    missing = known.keys() - {migration.name for migration in migrations}
    if missing:
        raise MigrationChangedError(
            f"this ledger has migration {max(missing)}, which this release of spanledger does not know",
            next_step="install the release that applied it, or a newer one",
        )


def _run(client: Client, migration: Migration, database: str, engine: Callable[[str], str]) -> None:
    for number, statement in enumerate(statements(migration.sql), start=1):
        try:
            client.command(render(statement, database=database, engine=engine))
        except Exception as failure:
            raise MigrationFailedError(
                f"migration {migration.name} failed at statement {number} ({_first_line(statement)}): "
                f"{str(failure)[:800]}",
                next_step="mend the cause and run `spanledger migrate` again; it goes on from this migration",
            ) from failure


def _first_line(statement: str) -> str:
    code = (line.strip() for line in statement.splitlines())
    return next(line for line in code if line and not line.startswith("--"))[:80]
