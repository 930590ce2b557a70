"""`spanledger senders`: who may bill whom."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


@app.callback()
def senders() -> None:
    """Who may bill whom: senders.yaml in the ledger."""


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The file with the senders.", show_default=False)],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and change nothing.")
    ] = False,
) -> None:
    """Check the file, show what it changes, and change it: all of it, or nothing.

    From then on, a call counts for the client that it claims only where its sender may bill that client; any
    other, and any without a token, is unattributed. Calls that arrived before stay as they are.
    """
    from spanledger_billing import ledger
    from spanledger_billing.senders import applying, reading

    found, content = reading.read_file(file)
    connection = ledger.connect()
    change = applying.plan(connection, found, content)
    _print_lines(change)
    if dry_run:
        typer.echo("Nothing was changed: this was a dry run." if change.lines else "Nothing to change.")
        return
    version = applying.carry_out(connection, change)
    typer.echo(f"Applied as version {version}." if change.lines else "Nothing changed.")


def _print_lines(change: Any) -> None:
    from rich.text import Text

    from spanledger_billing.cli import output

    console = output.console()
    styles = {"+": "green", "~": "yellow", "-": "red"}
    for line in change.lines:
        console.print(Text(f"{line.mark} ", style=styles[line.mark]) + output.name(line.text))
    if change.begins and change.lines:
        said = "calls that arrive without one of these tokens will bill nobody"
        console.print(Text("! ", style="bold red") + output.name(said))
    if change.without_terms:
        said = f"under no terms: {', '.join(change.without_terms)}"
        console.print(Text("! ", style="bold red") + output.name(said))


@app.command("list")
def list_(
    *,
    output_format: Annotated[
        Format, typer.Option("--format", help="For people, or for programs.")
    ] = Format.TABLE,
) -> None:
    """The senders in force: whom each may bill, and the beginning of its token's hash."""
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.senders import applying, tables

    version = tables.current(ledger.connect())
    found = version.senders
    if output_format is Format.JSON:
        listed = [
            {"name": one.name, "token_hash": one.stamp, "clients": one.clients or "all"}
            for one in found or ()
        ]
        content = {"version": version.number, "checked": found is not None, "senders": listed}
        typer.echo(output.json_text(content))
        return
    if found is None:
        typer.echo(
            "No senders are applied: whoever can send may bill anybody. "
            "next: spanledger senders apply senders.yaml",
            err=True,
        )
        return
    table = output.table(["sender", "may bill", "token hash"], [])
    for one in found:
        table.add_row(*map(output.name, (one.name, applying.clients_of(one), f"{one.stamp[:12]}…")))
    output.console().print(table)


@app.command("hash")
def hash_(
    file: Annotated[
        Path, typer.Argument(help="A file with one token; - for standard input.", show_default=False)
    ],
) -> None:
    """Print what stands for a token in senders.yaml. The token itself is not printed."""
    from spanledger_billing.senders import model, reading

    if str(file) == "-":
        import sys

        token = reading.checked_token(sys.stdin.buffer.read(8192), "standard input")
    else:
        token = reading.read_token(file)
    typer.echo(model.stamp(token))


@app.command()
def lift() -> None:
    """Let whoever can send bill anybody again, as before the first apply."""
    from spanledger_billing import ledger
    from spanledger_billing.senders import applying

    version = applying.lift(ledger.connect())
    typer.echo(f"Lifted as version {version}: whoever can send may bill anybody.")
