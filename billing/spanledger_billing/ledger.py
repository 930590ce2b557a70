"""Connecting to the ledger: where it is, who asks, and what to do when it does not answer.

The server is the one that `SPANLEDGER_CLICKHOUSE_URL` names, with `SPANLEDGER_CLICKHOUSE_USER` and
`SPANLEDGER_CLICKHOUSE_PASSWORD` or `…_PASSWORD_FILE`; else the one that runs on the embedded data folder
(`SPANLEDGER_DATA`). The database is `SPANLEDGER_DATABASE`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spanledger_billing.errors import InvalidInputError, UnreachableError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DEFAULT_DATABASE = "spanledger"
DEFAULT_DATA_FOLDER = "spanledger-data"
_WRONG_PASSWORD = "Code: 516."  # noqa: S105 - ClickHouse's AUTHENTICATION_FAILED, no password
_NO_SUCH_DATABASE = "Code: 81."


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ledger is. The password is never shown."""

    url: str
    user: str
    password: str = field(repr=False)
    embedded: bool = False
    """The one of embedded mode, which knows no users."""


def database() -> str:
    """Name of the ledger's database."""
    return os.environ.get("SPANLEDGER_DATABASE") or DEFAULT_DATABASE


def address(data_folder: Path | None = None) -> Address:
    """Where the ledger is, by the environment or the embedded data folder.

    Raises:
        InvalidInputError: the URL or the password file is not usable.
        UnreachableError: no URL is set and nothing runs on the data folder.

    """
    url = os.environ.get("SPANLEDGER_CLICKHOUSE_URL")
    if url and data_folder is None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise InvalidInputError(
                "SPANLEDGER_CLICKHOUSE_URL is not the address of a ClickHouse server",
                allowed="http://host:8123 or https://host:8443, without a user or password",
                next_step="put these into SPANLEDGER_CLICKHOUSE_USER and SPANLEDGER_CLICKHOUSE_PASSWORD_FILE",
            )
        return Address(url, os.environ.get("SPANLEDGER_CLICKHOUSE_USER") or "default", _password())
    from spanledger_billing.embedded import credentials, folder

    where = data_folder or Path(os.environ.get("SPANLEDGER_DATA") or DEFAULT_DATA_FOLDER)
    found = folder.addresses(where)
    user = str(found["user"])
    return Address(str(found["clickhouse_url"]), user, credentials.password(where, user), embedded=True)


def connect(data_folder: Path | None = None) -> Client:
    """A client of the ledger's database; close it, or use it as a context manager.

    Raises:
        InvalidInputError, UnreachableError: with what to do next.

    """
    client = open_server(address(data_folder))
    client.database = database()
    try:
        client.query("SELECT 1")
    except Exception as failure:
        client.close()
        if _NO_SUCH_DATABASE in str(failure):
            raise UnreachableError(
                f"the server has no database {database()!r}",
                next_step="run `spanledger migrate`, or name the ledger's database with SPANLEDGER_DATABASE",
            ) from failure
        raise
    return client


def open_server(where: Address) -> Client:
    """A client of the server, whether the ledger's database is there yet or not.

    Raises:
        UnreachableError: nothing answers there, or it refuses the password.

    """
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    parts = urlsplit(where.url)
    try:
        return clickhouse_connect.get_client(
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            interface=parts.scheme,
            username=where.user,
            password=where.password,
            # A session forbids two queries at once, and nothing here needs one.
            autogenerate_session_id=False,
        )
    except (ClickHouseError, OSError) as failure:
        if _WRONG_PASSWORD in str(failure):
            raise UnreachableError(
                f"the ledger at {where.url} refuses user {where.user!r} with this password",
                next_step="set SPANLEDGER_CLICKHOUSE_USER and SPANLEDGER_CLICKHOUSE_PASSWORD_FILE",
            ) from failure
        raise UnreachableError(
            f"no ledger answers at {where.url}",
            next_step="run `spanledger up`, or set SPANLEDGER_CLICKHOUSE_URL to the server that holds it",
        ) from failure


def _password() -> str:
    path = os.environ.get("SPANLEDGER_CLICKHOUSE_PASSWORD_FILE")
    if not path:
        return os.environ.get("SPANLEDGER_CLICKHOUSE_PASSWORD", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as failure:
        raise InvalidInputError(
            f"SPANLEDGER_CLICKHOUSE_PASSWORD_FILE cannot be read: {failure.strerror}",
            next_step="name a file that this user may read, or set SPANLEDGER_CLICKHOUSE_PASSWORD",
        ) from failure
