"""Senders in the ledger: versions, each written whole and made visible by its last row.

The tables are those of `schema/migrations/0002_who_may_bill.sql`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.errors import RefusedError, UnreachableError
from spanledger_billing.senders.model import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UNKNOWN_TABLE: Final = "Code: 60."
_COLUMNS: Final = ("apply_id", "name", "stamp", "every_client", "client_id")


@dataclass(frozen=True, slots=True)
class Version:
    """What the ledger holds at one moment. Version 0 is before the first apply."""

    number: int
    senders: tuple[Sender, ...] | None
    """By name; None where anybody may bill anybody."""


def current(ledger: Any) -> Version:
    """The version in force.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        UnreachableError: the ledger's schema is not there, or older than senders.

    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        found = ledger.query(
            "SELECT version, apply_id, lifted FROM sender_versions ORDER BY version DESC LIMIT 1"
        ).result_rows
    except ClickHouseError as failure:
        if _UNKNOWN_TABLE not in str(failure):
            raise
        raise UnreachableError(
            f"database {ledger.database!r} has no tables for senders",
            next_step="run `spanledger migrate`, or name the ledger's database with SPANLEDGER_DATABASE",
        ) from failure
    if not found:
        return Version(0, None)
    number, apply_id, lifted = found[0]
    return Version(number, None if lifted else _senders(ledger, apply_id))


def _senders(ledger: Any, apply_id: str) -> tuple[Sender, ...]:
    rows = ledger.query(
        "SELECT name, any(rights.stamp), max(rights.every_client), groupArray(client_id) "
        "FROM sender_rights AS rights WHERE apply_id = {apply_id:String} GROUP BY name ORDER BY name",
        parameters={"apply_id": apply_id},
    ).result_rows
    senders = (Sender(name, mark, None if every else tuple(sorted(ids))) for name, mark, every, ids in rows)
    return tuple(sorted(senders, key=lambda one: one.name))


def write(ledger: Any, senders: Sequence[Sender] | None, *, version: int, file_sha256: str = "") -> None:
    """Make senders, or that anybody may bill anybody, the given version: the one after the current one.

    Raises:
        RefusedError: another apply became this version first; nothing of this one is visible.

    """
    apply_id = os.urandom(16).hex()
    rights = [[apply_id, *row] for sender in senders or () for row in _rows(sender)]
    if rights:
        ledger.insert("sender_rights", rights, column_names=_COLUMNS)
    # Of two inserts with one token the second is ignored: exactly one apply becomes this version.
    ledger.insert(
        "sender_versions",
        [[version, apply_id, file_sha256, senders is None]],
        column_names=("version", "apply_id", "file_sha256", "lifted"),
        settings={"insert_deduplication_token": f"senders-{version}", "async_insert": 0},
    )
    winners = ledger.query(
        "SELECT apply_id FROM sender_versions WHERE version = {version:UInt32}",
        parameters={"version": version},
    ).result_rows
    if [winner for (winner,) in winners] != [apply_id]:
        raise RefusedError(
            f"another apply became version {version} of the senders first; nothing was changed",
            next_step="run spanledger senders apply again: it shows the difference to the new version",
        )


def _rows(sender: Sender) -> Iterator[tuple[str, str, bool, str]]:
    if sender.clients is None:
        yield sender.name, sender.stamp, True, ""
    for client_id in sender.clients or ():
        yield sender.name, sender.stamp, False, client_id
