"""The ledger's side of a share: a database of one client's views, and a user that is granted these alone."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spanledger.attribution import shown
from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.grafana import share_views
from spanledger_billing.users import password_hash

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_NO_RIGHT: Final = "Code: 497."

# As of spanledger_grafana, and less: readers are people outside of the agency.
LIMITS: Final = (
    "readonly = 1, max_execution_time = 30 MIN 1 MAX 60 CHANGEABLE_IN_READONLY, "
    "max_memory_usage = 400000000 CONST, max_result_rows = 100000 CONST, "
    "max_concurrent_queries_for_user = 20 CONST"
)


@dataclass(frozen=True)
class Share:
    """What Grafana needs to read one client's views."""

    client_id: str
    name: str
    """The client's, for people."""
    with_cost: bool
    database: str
    user: str
    password: str = field(repr=False)


def name_of(client_id: str, database: str) -> str:
    """Of the database and the user of a client's share; the same for the same client of the same ledger."""
    readable = re.sub(r"[^a-z0-9]+", "_", client_id.lower()).strip("_")[:24] or "client"
    distinct = hashlib.sha256(f"{database}\0{client_id}".encode()).hexdigest()[:12]
    return f"share_{readable}_{distinct}"


def share(server: Client, database: str, client_id: str, *, hide_cost: bool = False) -> Share:
    """Make a client's views and its user, or put them right; the user's password is drawn anew.

    Args:
        server: connected as a user that may make databases and users.
        database: the ledger's.
        client_id: a client with terms.
        hide_cost: hide it though the client's terms do not.

    Raises:
        InvalidInputError: no such client.
        OperatorError: the server refuses a statement.

    """
    name, hidden = _client(server, database, client_id)
    with_cost = not (hidden or hide_cost)
    share_name = make_views(server, database, client_id, with_cost=with_cost)
    password = secrets.token_hex(24)
    identified = f"IDENTIFIED WITH sha256_hash BY '{password_hash(password)}'"
    for statement in (
        f"CREATE USER IF NOT EXISTS {share_name} {identified}",
        f"ALTER USER {share_name} {identified} DROP ALL SETTINGS ADD SETTINGS {LIMITS}",
        f"GRANT SELECT ON {share_name}.* TO {share_name} WITH REPLACE OPTION",
    ):
        _run(server, statement)
    return Share(client_id, name, with_cost, share_name, share_name, password)


def make_views(server: Client, database: str, client_id: str, *, with_cost: bool) -> str:
    """The database of a client's views, which it holds and nothing else; its name."""
    share_name = name_of(client_id, database)
    _run(server, f"CREATE DATABASE IF NOT EXISTS {share_name}")
    found = server.query(
        "SELECT name FROM system.tables WHERE database = {share:String}", parameters={"share": share_name}
    ).result_rows
    for (table,) in found:
        if table not in {view.name for view in share_views.VIEWS}:
            _run(server, f"DROP TABLE {share_name}.`{table}`")
    for view in share_views.VIEWS:
        _run(
            server,
            share_views.statement(
                view, database=database, share=share_name, client_id=client_id, with_cost=with_cost
            ),
        )
    return share_name


def unshare(server: Client, database: str, client_id: str) -> bool:
    """Take a client's user and views away; False where there were none. The user goes first."""
    share_name = name_of(client_id, database)
    ((there,),) = server.query(
        "SELECT count() FROM system.databases WHERE name = {share:String}", parameters={"share": share_name}
    ).result_rows
    _run(server, f"DROP USER IF EXISTS {share_name}")
    _run(server, f"DROP DATABASE IF EXISTS {share_name}")
    return bool(there)


def _client(server: Client, database: str, client_id: str) -> tuple[str, bool]:
    """A client's name, and whether any of its terms hide cost."""
    found = server.query(
        f"SELECT any(clients.name), max(terms.hide_cost) FROM {database}.current_clients AS clients "  # noqa: S608
        f"INNER JOIN {database}.current_terms AS terms ON terms.client_id = clients.client_id "
        "WHERE clients.client_id = {client:String} GROUP BY clients.client_id",
        parameters={"client": client_id},
    ).result_rows
    if not found:
        raise InvalidInputError(
            f"no client {shown(client_id)} has terms in the ledger",
            allowed="an id that `spanledger clients list` shows",
            next_step="write its terms into clients.yaml and run `spanledger clients apply`",
        )
    ((name, hidden),) = found
    return str(name), bool(hidden)


def _run(server: Client, statement: str) -> None:
    try:
        server.command(statement, use_database=False)
    except Exception as failure:
        if _NO_RIGHT in str(failure):
            raise OperatorError(
                "who is connected may not make databases and users",
                next_step="set SPANLEDGER_CLICKHOUSE_USER to one with access management, such as the "
                "server's first user",
            ) from failure
        raise OperatorError(
            f"the ledger's side of the share is not whole: {str(failure)[:400]}",
            next_step="mend the cause and run it again",
        ) from failure
