"""`spanledger prices`: the price list that calls are priced by."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_billing.cli.options import DataFolder
from spanledger_billing.cli.output import Format, TableOrJson
from spanledger_billing.money import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID
    from rich.table import Table

    from spanledger_billing.prices.lookup import Price
    from spanledger_billing.prices.sync import Synced

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def prices() -> None:
    """The price list that calls are priced by."""


_CLOSED = Annotated[
    bool,
    typer.Option("--closed", help="Reach into closed months too; the next statements adjust for it."),
]


@app.command()
def sync(*, closed: _CLOSED = False, data: DataFolder = None) -> None:
    """Put the installed price list in force where it is new, and price what was unpriced.

    Every list is kept: calls that were priced by an older one keep their price. Overrides that were applied
    stay in force. Calls in closed months are left as they are without --closed: where some could be priced,
    the command says whose and ends with 4, once the open months are done.
    """
    from spanledger_billing import ledger
    from spanledger_billing.prices.sync import sync as put_in_force

    with ledger.connect(data) as client, _progress() as tell:
        synced = put_in_force(client, closed=closed, progress=tell)
    _report(synced)
    synced.refuse_closed()


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The file of overrides.")] = Path("prices/overrides.yaml"),
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and change nothing.")
    ] = False,
    closed: _CLOSED = False,
    data: DataFolder = None,
) -> None:
    """Check a file of overrides, show what it changes, and put it in force: all of it, or nothing.

    Overrides are prices of your own on top of the published list: negotiated rates, prices of your own hosts,
    and whose list prices a host that no list knows. schema/overrides.example.yaml shows them. What was priced
    before keeps its price until spanledger reprice; what had none is priced.
    """
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.prices import applying

    content = applying.read_file(file)
    console = output.console()
    with ledger.connect(data) as client:
        change = applying.plan(client, content, str(file))
        for line in change.lines:
            console.print(output.name(line))
        for client_id, month in change.reaches_closed:
            console.print(output.name(f"! reaches into a closed month: {client_id} {month}"))
        if dry_run:
            typer.echo("nothing was changed: this was a dry run" if change.lines else "nothing to change")
            return
        with _progress() as tell:
            synced = applying.carry_out(client, change, closed=closed, progress=tell)
    _report(synced)
    if synced.imported:
        console.print("next: spanledger prices check, for calls that were priced before")
    synced.refuse_closed()


@contextmanager
def _progress() -> "Iterator[Callable[[str, int, int], None]]":
    from rich.progress import Progress

    from spanledger_billing.cli import output

    with Progress(console=output.console(stderr=True), transient=True) as bar:
        steps: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step)
            bar.update(steps[step], completed=done, total=total)

        yield tell


def _report(synced: "Synced") -> None:
    from spanledger_billing.cli import output

    say = output.console(stderr=True)
    state = "put in force" if synced.imported else "in force already"
    say.print(f"{synced.version}: {state}, {synced.models:,} models")
    say.print(f"{synced.filled:,} calls priced that had no price; {synced.unpriced:,} have none")


@app.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As an answer names it: gpt-4o-2024-08-06.")],
    *,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this provider: openai, google, aws.")
    ] = None,
    format_: Annotated[TableOrJson, typer.Option("--format", help="How to write it.")] = TableOrJson.TABLE,
    data: DataFolder = None,
) -> None:
    """Show what a model costs: dated, by circumstances, with the list's version and the sources of overrides.

    A unit without a line costs what the wider one costs (cached tokens as input). Exit code 1 where no
    provider of the list knows the model.
    """
    from spanledger_billing import ledger
    from spanledger_billing.cli import output
    from spanledger_billing.errors import OperatorError
    from spanledger_billing.prices import lookup

    with ledger.connect(data) as client:
        found = lookup.prices(client, model, provider)
    if not found:
        raise OperatorError(
            f"the price list has no model {model!r}" + (f" of provider {provider!r}" if provider else ""),
            next_step="run `spanledger prices sync` if no list was imported yet",
        )
    if format_ is TableOrJson.JSON:
        typer.echo(json.dumps([_as_json(price) for price in found], indent=2))
    else:
        console = output.console()
        console.print(f"price list {found[0].version}")
        output.print_table(_as_table(found), console)


def _as_json(price: "Price") -> dict[str, object]:
    return {
        "provider": price.provider,
        "model": price.model,
        "circumstances": price.circumstances,
        "valid_from": price.valid_from and price.valid_from.isoformat(),
        "valid_until": price.valid_until and price.valid_until.isoformat(),
        "unit": price.unit,
        "price_usd": plain(price.price_usd),
        "per": price.per,
        "version": price.version,
        "source": price.source or None,
    }


def _as_table(found: "list[Price]") -> "Table":
    from spanledger_billing.cli import output

    table = output.table(("model", "circumstances", "unit"), ("from", "until", "USD", "per"))
    # Where nothing is overridden, the version says where all prices are from.
    sources = any(price.source for price in found)
    if sources:
        table.add_column("source", overflow="fold", min_width=6)
    for price in found:
        table.add_row(
            output.name(f"{price.provider} {price.model}"),
            price.circumstances,
            price.unit,
            str(price.valid_from or ""),
            str(price.valid_until or ""),
            plain(price.price_usd),
            f"{price.per:,}",
            *([output.name(price.source or "(published)")] if sources else []),
        )
    return table


@app.command()
def check(
    *,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Only this month; all where not given.")
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(metavar="ID", help='Only what is billed to this client; "" for calls that name nobody.'),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    data: DataFolder = None,
) -> None:
    """Find models that have no price, and calls that the newest list prices otherwise.

    Changes nothing and says what to run. Ends with 1 where it found something.
    """
    from spanledger_billing import ledger
    from spanledger_billing.cli import output, price_findings
    from spanledger_billing.prices import check as checking
    from spanledger_billing.usage import checked_month

    if month is not None:
        checked_month(month)
    with ledger.connect(data) as connection:
        found = checking.check(connection, month, client)
    if format_ is Format.JSON:
        typer.echo(output.json_text(price_findings.as_json(found)))
    elif format_ is Format.CSV:
        typer.echo(price_findings.as_csv(found), nl=False)
    else:
        price_findings.print_tables(found, output.console())
    if found:
        raise typer.Exit(1)
