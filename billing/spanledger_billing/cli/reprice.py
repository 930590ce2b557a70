"""`spanledger reprice`: stored calls priced again by the newest list."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_billing.cli import output
from spanledger_billing.cli.options import DataFolder

if TYPE_CHECKING:
    from rich.table import Table

    from spanledger_billing.prices.reprice import Plan


def reprice(
    *,
    from_: Annotated[
        datetime,
        typer.Option(
            "--from", metavar="DAY", formats=["%Y-%m-%d"], help="The first day, by each client's clock."
        ),
    ],
    to: Annotated[
        datetime,
        typer.Option(
            "--to", metavar="DAY", formats=["%Y-%m-%d"], help="The last day (YYYY-MM-DD), included."
        ),
    ],
    client: Annotated[
        str | None,
        typer.Option(
            "--client",
            metavar="ID",
            help='Only what is billed to this client; "" for calls that name nobody.',
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    closed: Annotated[
        bool,
        typer.Option("--closed", help="Reach into closed months too; the next statements adjust for it."),
    ] = False,
    data: DataFolder = None,
) -> None:
    """Price stored calls again by the newest list, where that comes to another cost.

    Shows what each client's calls in these days cost now and then, and changes them. What it changes is
    recorded in the table reprices, each call names the list that priced it, and running it again changes
    nothing.
    """
    from spanledger_billing import ledger
    from spanledger_billing.prices import reprice as repricing
    from spanledger_billing.prices.trial import Days

    with ledger.connect(data) as connection:
        plan = repricing.plan(connection, Days(from_.date(), to.date()), client)
        if plan.calls:
            output.print_table(_table(plan), output.console())
        for line in _lines(plan):
            typer.echo(line)
        if dry_run:
            if plan.calls:
                typer.echo("nothing was changed: this was a dry run")
            return
        repricing.carry_out(connection, plan, closed=closed)
    if plan.calls:
        typer.echo(f"{output.calls(plan.calls)} priced again by {plan.version}")


def _table(plan: "Plan") -> "Table":
    places = output.decimals(amount for total in plan.totals for amount in (total.before, total.after))
    table = output.table(("client",), ("calls", "of them otherwise", "USD now", "USD then"))
    for total in plan.totals:
        table.add_row(
            output.name(total.client_id or "(unattributed)"),
            f"{total.calls:,}",
            f"{total.changed:,}",
            output.usd(total.before, places),
            output.usd(total.after, places),
        )
    return table


def _lines(plan: "Plan") -> Iterator[str]:
    losing = sum(total.losing for total in plan.totals)
    if losing:
        yield f"{output.calls(losing)} would have no price any more: {plan.version} has none"
    for client_id, month in plan.reaches_closed:
        yield f"reaches into a closed month: {client_id} {month}"
    if not plan.calls:
        yield f"every call in these days costs what {plan.version} says"
