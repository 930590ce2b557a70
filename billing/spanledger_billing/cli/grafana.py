"""`spanledger grafana`: what of the dashboards is shared with a single client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from spanledger_billing.ledger import Address

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_Client = Annotated[str, typer.Argument(help="The client's id.", show_default=False)]


@app.callback()
def grafana() -> None:
    """What of the dashboards is shared with a single client."""


@app.command()
def share(
    client: _Client,
    *,
    hide_cost: Annotated[
        bool, typer.Option("--hide-cost", help="Hide cost and margin though the client's terms do not.")
    ] = False,
) -> None:
    """Give a client a dashboard of its own, in an organisation of its own in Grafana.

    Makes a database of views that hold this client's rows and no other's, a user that is granted these alone,
    and in Grafana an organisation with a data source that connects as this user. Cost and margin are left out
    where the client's terms say hide_cost. Running it again puts all of it right, with a new password.

    Connects as SPANLEDGER_CLICKHOUSE_USER, which must be allowed to make users, and to the Grafana that
    SPANLEDGER_GRAFANA_API names as SPANLEDGER_GRAFANA_ADMIN_USER.
    """
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.grafana import organisations, sharing

    where = _server()
    grafana = organisations.by_environment()
    with ledger.open_server(where) as server:
        made = sharing.share(server, ledger.database(), client, hide_cost=hide_cost)
        path = organisations.publish(grafana, made, where.url)
    show = output.console()
    cost = "with cost and margin" if made.with_cost else "without cost"
    where_to = organisations.organisation(client)
    _print(show, f"shared with {made.name}, {cost}: the organisation {where_to!r} in Grafana")
    _print(show, f"its dashboard: {path}")
    _print(show, "next: add the client's people to that organisation as Viewers, and to no other")


@app.command()
def unshare(client: _Client) -> None:
    """Take a client's dashboard away again: user, views and organisation, with the people's access."""
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.grafana import organisations, sharing

    where = _server()
    grafana = organisations.by_environment()
    with ledger.open_server(where) as server:
        # First the ledger's side: with its user gone, nothing can be read whatever Grafana still has.
        was_there = sharing.unshare(server, ledger.database(), client)
    was_there = organisations.withdraw(grafana, client) or was_there
    _print(output.console(), f"no longer shared: {client}" if was_there else f"was not shared: {client}")


def _server() -> Address:
    from spanledger_billing import ledger
    from spanledger_billing.errors import RefusedError

    where = ledger.address()
    if where.embedded:
        raise RefusedError(
            "this ledger is the embedded one, which has no users: whoever may ask it sees every client",
            next_step="share from a ClickHouse server; set SPANLEDGER_CLICKHOUSE_URL to it",
        )
    return where


def _print(console: Any, line: str) -> None:
    from spanledger_billing.cli import output

    console.print(output.name(line), soft_wrap=True)
