"""The users of a ClickHouse server: one for each component, with what it needs and no more.

`schema/users/NAME.sql` says what the user `spanledger_NAME` may do. A password never stands in a statement,
only its SHA-256, and comes from the environment or a file.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spanledger_billing import migrate, resources
from spanledger_billing.errors import InvalidInputError, OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clickhouse_connect.driver.client import Client

PASSWORDS: Final = {
    "migrate": ("SPANLEDGER_MIGRATE_PASSWORD", "SPANLEDGER_MIGRATE_PASSWORD_FILE"),
    "collector": ("SPANLEDGER_COLLECTOR_PASSWORD", "SPANLEDGER_COLLECTOR_PASSWORD_FILE"),
    "billing": ("SPANLEDGER_BILLING_PASSWORD", "SPANLEDGER_BILLING_PASSWORD_FILE"),
    "grafana": ("SPANLEDGER_GRAFANA_PASSWORD", "SPANLEDGER_GRAFANA_PASSWORD_FILE"),
}
"""User's name behind `spanledger_` -> variable that holds its password, and the one that names its file."""

SHORTEST_PASSWORD: Final = 16
_DENIED: Final = "Code: 497."


def passwords() -> dict[str, str]:
    """Each user's password, by the environment.

    Raises:
        InvalidInputError: one is missing, unreadable or too short to keep anybody out.

    """
    return {name: _password(name, *variables) for name, variables in PASSWORDS.items()}


def _password(name: str, variable: str, file_variable: str) -> str:
    password = os.environ.get(variable, "")
    path = os.environ.get(file_variable, "")
    if not password and path:
        try:
            password = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as failure:
            raise InvalidInputError(
                f"{file_variable} cannot be read: {getattr(failure, 'strerror', None) or 'not UTF-8'}",
                next_step=f"name a file that this user may read, or set {variable}",
            ) from failure
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidInputError(
            f"the password of spanledger_{name} has {len(password)} characters",
            allowed=f"{SHORTEST_PASSWORD} or more",
            next_step=f"set {variable} or {file_variable}, for example to what `openssl rand -hex 24` prints",
        )
    return password


def password_hash(password: str) -> str:
    """What `IDENTIFIED WITH sha256_hash BY` takes."""
    return hashlib.sha256(password.encode()).hexdigest()


def statements(database: str, passwords: Mapping[str, str]) -> dict[str, list[str]]:
    """User -> the statements that make it and settle what it may do, in their order."""
    folder = resources.folder("schema") / "users"
    return {
        f"spanledger_{name}": [
            migrate.render(statement, database=database).replace("{password_hash}", password_hash(password))
            for statement in migrate.statements((folder / f"{name}.sql").read_text(encoding="utf-8"))
        ]
        for name, password in passwords.items()
    }


def apply(server: Client, database: str, passwords: Mapping[str, str]) -> list[str]:
    """Make the users, or put what they may do and their passwords right; their names.

    Args:
        server: connected as a user that may make users. The ledger's database need not be there yet.
        database: the ledger's.
        passwords: by the names of `PASSWORDS`.

    Raises:
        OperatorError: the server refuses a statement.

    """
    made = statements(database, passwords)
    for user, texts in made.items():
        for text in texts:
            try:
                server.command(text, use_database=False)
            except Exception as failure:
                raise _refusal(user, str(failure)) from failure
    return list(made)


def _refusal(user: str, message: str) -> OperatorError:
    if _DENIED in message:
        return OperatorError(
            f"the user {user} cannot be made by who is connected",
            next_step="set SPANLEDGER_CLICKHOUSE_USER to one with access management, such as the server's "
            "first user; embedded mode has no users",
        )
    return OperatorError(
        f"the user {user} cannot be made: {message[:400]}", next_step="mend the cause and run it again"
    )
