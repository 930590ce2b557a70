"""Backing the ledger up and restoring it, by the engine's own BACKUP and RESTORE.

A backup is a folder where the engine keeps backups: `/backups` of the container in `docker-compose.yml`,
`backups` in the data folder of embedded mode. It holds the ledger's database whole: calls, prices, terms,
closed months and their documents, schema. Users, shares, and what waits in collectors and outboxes are not.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from spanledger.attribution import shown
from spanledger_billing.close import verifying
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_POLL_S: Final = 0.5


@dataclass(frozen=True)
class Contents:
    """What a restored ledger holds, as far as it can be checked against itself."""

    calls: int
    closes: int
    last_call: datetime | None
    findings: tuple[str, ...]
    """Closed months that are not as they were closed."""


def backup(server: Client, database: str, name: str | None = None) -> str:
    """Back a ledger up while it works; the backup's name.

    Args:
        server: connected as a user that may back up.
        database: the ledger's.
        name: how the backup is called; by default after the database and the time.

    Raises:
        InvalidInputError: no such name, or there is a backup of that name.
        OperatorError: the engine could not make it; what it began is no backup.

    """
    name = _checked(name or f"{database}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with _in(server, "system"):
        _run(server, f"BACKUP DATABASE {database} TO File('{name}') ASYNC", name)
    return name


def check(server: Client, database: str, name: str) -> Contents:
    """Restore a backup beside the ledger, look at it, and take it away again.

    Raises:
        InvalidInputError: there is no backup of that name.
        OperatorError: it cannot be restored.

    """
    beside = f"{database}_restore_check"
    with _in(server, "system"):
        server.command(f"DROP DATABASE IF EXISTS {beside} SYNC")
        try:
            _run(server, f"RESTORE DATABASE {database} AS {beside} FROM File('{_checked(name)}') ASYNC", name)
            with _in(server, beside):
                return _contents(server)
        finally:
            server.command(f"DROP DATABASE IF EXISTS {beside} SYNC")


def restore(server: Client, database: str, name: str, *, replace: bool = False) -> Contents:
    """Put a backup in the ledger's place, once it is shown that it can be restored.

    Args:
        server: connected as a user that may restore.
        database: the ledger's.
        name: the backup's.
        replace: consent to giving up the ledger that is there.

    Raises:
        RefusedError: there is a ledger, and no consent.
        InvalidInputError, OperatorError: as `check`.

    """
    ((there,),) = server.query(
        "SELECT count() FROM system.tables WHERE database = {database:String}",
        parameters={"database": database},
    ).result_rows
    if there and not replace:
        raise RefusedError(
            f"there is a ledger in the database {database}",
            next_step="--replace gives it up for the backup; back it up first",
        )
    checked = check(server, database, name)
    with _in(server, "system"):
        server.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        _run(server, f"RESTORE DATABASE {database} FROM File('{name}') ASYNC", name)
    return checked


@contextlib.contextmanager
def _in(server: Client, database: str) -> Iterator[None]:
    """Queries go to another database: to one that is there whatever becomes of the ledger's."""
    before = server.database
    server.database = database
    try:
        yield
    finally:
        server.database = before


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{shown(name)} is no name for a backup",
            allowed="letters, digits, point, underscore, hyphen; no folder: the engine has one for backups",
        )
    return name


def _run(server: Client, statement: str, name: str) -> None:
    """Start it, and wait without holding a request open: of a large ledger it takes longer than one may."""
    try:
        ((number, _),) = server.query(statement).result_rows
        status = error = ""
        while status in {"", "CREATING_BACKUP", "RESTORING"}:
            ((status, error),) = server.query(
                "SELECT toString(status), error FROM system.backups WHERE id = {id:String}",
                parameters={"id": number},
            ).result_rows
            time.sleep(_POLL_S if status in {"CREATING_BACKUP", "RESTORING"} else 0)
    except OperatorError:
        raise
    except Exception as failure:
        raise _failure(name, str(failure)) from failure
    if status not in {"BACKUP_CREATED", "RESTORED"}:
        raise _failure(name, error)


def _failure(name: str, message: str) -> OperatorError:
    said = message.partition("Stack trace")[0].strip()[:400]
    if "BACKUP_ALREADY_EXISTS" in message:
        return InvalidInputError(f"there is a backup {name} already", next_step="give another name")
    if "BACKUP_NOT_FOUND" in message:
        return InvalidInputError(
            f"there is no backup {name} where the engine keeps backups", next_step="look into that folder"
        )
    if "INVALID_CONFIG_PARAMETER" in message:
        return OperatorError(
            "the server has no folder for backups",
            next_step="set backups.allowed_path in its configuration, as schema/server.xml does",
        )
    if "Code: 497." in message:
        return OperatorError(
            "who is connected may not do that",
            next_step="set SPANLEDGER_CLICKHOUSE_USER to the server's first user",
        )
    return OperatorError(f"the engine says: {said}", next_step="mend the cause and run it again")


def _contents(server: Client) -> Contents:
    ((calls, last_call),) = server.query(
        "SELECT count(), maxOrNull(call_time) FROM calls WHERE bills AND line = ''"
    ).result_rows
    found = verifying.verify(server)
    return Contents(int(calls), found.closes, last_call, found.findings)
