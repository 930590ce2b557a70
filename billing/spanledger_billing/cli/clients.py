"""`spanledger clients`: whom the agency bills, and on which terms."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


_FORMAT = Annotated[Format, typer.Option("--format", help="For people, or for programs.")]


@app.callback()
def clients() -> None:
    """Whom the agency bills, and on which terms: clients.yaml in the ledger."""


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The file with clients and terms.", show_default=False)],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and change nothing.")
    ] = False,
    closed: Annotated[
        bool, typer.Option("--closed", help="Reach into closed months; the difference becomes an adjustment.")
    ] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove", metavar="CLIENT", help="Take out a client that is no longer in the file; repeatable."
        ),
    ] = None,
) -> None:
    """Check the file, show what it changes, and change it: all of it, or nothing."""
    from spanledger_billing import ledger, rollup
    from spanledger_billing.clients import applying, reading

    roster, content = reading.read_file(file)
    connection = ledger.connect()
    change = applying.plan(connection, roster, content, closed=closed, remove=remove or ())
    _print_lines(change)
    for refusal in change.refusals[:-1]:
        typer.echo(f"spanledger: {refusal}", err=True)
    if change.refusals:
        raise change.refusals[-1]
    if dry_run:
        typer.echo("Nothing was changed: this was a dry run." if change.lines else "Nothing to change.")
        return
    version = applying.carry_out(connection, change)
    if change.lines:
        typer.echo(f"Applied as version {version}.")
        # The ledger would see to it within a minute or so; whoever looks now sees the new charges.
        rollup.refresh_charges(connection)
    else:
        typer.echo("Nothing changed.")


def _print_lines(change: Any) -> None:
    from rich.text import Text

    from spanledger_billing.cli import output

    console = output.console()
    styles = {"+": "green", "~": "yellow", "-": "red"}
    for line in change.lines:
        text = Text(f"{'    ' * line.depth}{line.mark} ", style=styles[line.mark])
        console.print(text + output.name(line.text))
    for kind, months in (("closed", change.reaches_closed), ("open", change.reaches_open)):
        by_client: dict[str, list[str]] = {}
        for client_id, month in months:
            by_client.setdefault(client_id, []).append(month)
        for client_id, reached in by_client.items():
            said = output.name(f"changes what {client_id} owes for {', '.join(reached)}, {kind}")
            console.print(Text("! ", style="bold red") + said)


@app.command("list")
def list_(*, output_format: _FORMAT = Format.TABLE) -> None:
    """The clients, each with the terms in force today."""
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.clients import describing, showing, tables

    version = tables.current(ledger.connect())
    found = showing.standings(version.roster)
    if output_format is Format.JSON:
        clients = [showing.as_json(standing) for standing in found]
        typer.echo(output.json_text({"version": version.number, "clients": clients}))
        return
    if not found:
        typer.echo("No clients yet. next: spanledger clients apply clients.yaml", err=True)
        return
    columns = ("plan", "budget", "timezone")
    table = output.table(["client", "name", "terms", *columns], [])
    for standing in found:
        client, words = standing.client, describing.terms(standing.terms)
        cells = (client.id, client.name, standing.state, *(words[column] for column in columns))
        table.add_row(*map(output.name, cells))
    output.console().print(table)


@app.command()
def show(
    client: Annotated[str, typer.Argument(help="The client's id.", show_default=False)],
    *,
    output_format: _FORMAT = Format.TABLE,
) -> None:
    """One client: who it is, and all its terms with their days."""
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.clients import showing, tables

    version = tables.current(ledger.connect())
    found = showing.client_of(version.roster, client)
    if output_format is Format.JSON:
        content = {"version": version.number, "client": showing.details_as_json(found)}
        typer.echo(output.json_text(content))
        return
    console = output.console()
    for line in showing.lines(found):
        console.print(output.name(line))


@app.command()
def export() -> None:
    """Print the clients and terms in force as a file that `apply` takes; for when yours is lost."""
    from spanledger_billing import ledger
    from spanledger_billing.clients import tables, writing
    from spanledger_billing.errors import OperatorError

    version = tables.current(ledger.connect())
    if version.roster is None:
        raise OperatorError(
            "the ledger has no clients yet", next_step="spanledger clients apply clients.yaml"
        )
    typer.echo(writing.write(version.roster), nl=False)
