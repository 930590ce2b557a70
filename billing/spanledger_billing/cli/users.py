"""`spanledger users`: who may do what on a ClickHouse server."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Who may do what on a ClickHouse server.",
)


@app.callback()
def users() -> None:
    """Who may do what on a ClickHouse server."""


@app.command("apply")
def apply_users() -> None:
    """Make the users of collector, migrations, billing and Grafana, or put them right.

    Passwords come from SPANLEDGER_MIGRATE_PASSWORD, SPANLEDGER_COLLECTOR_PASSWORD,
    SPANLEDGER_BILLING_PASSWORD and SPANLEDGER_GRAFANA_PASSWORD, or from the files that the same names with
    _FILE name. Connects as SPANLEDGER_CLICKHOUSE_USER, which must be allowed to make users.
    """
    from spanledger_billing import ledger, users
    from spanledger_billing.cli import output
    from spanledger_billing.errors import RefusedError

    where = ledger.address()
    if where.embedded:
        raise RefusedError(
            "this ledger is the embedded one, which has no users",
            next_step="set SPANLEDGER_CLICKHOUSE_URL to a ClickHouse server",
        )
    passwords = users.passwords()
    with ledger.open_server(where) as server:
        made = users.apply(server, ledger.database(), passwords)
    output.console(stderr=True).print(f"as they should be: {', '.join(made)}")
