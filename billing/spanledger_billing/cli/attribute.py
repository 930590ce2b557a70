"""`spanledger attribute`: calls that nobody pays for, given to a client."""

from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_billing.cli import output
from spanledger_billing.cli.options import DataFolder

if TYPE_CHECKING:
    from rich.table import Table

    from spanledger_billing.attributing import Plan


def attribute(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILTER", help="Which calls: those that fit every one of these words."),
    ],
    *,
    to: Annotated[str, typer.Option("--to", metavar="CLIENT", help="Who pays for them from now on.")],
    project: Annotated[
        str,
        typer.Option("--project", metavar="NAME", help="Their project from now on; else each keeps its own."),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    closed: Annotated[
        bool,
        typer.Option("--closed", help="Reach into closed months too; the next statements adjust for it."),
    ] = False,
    data: DataFolder = None,
) -> None:
    """Give calls that nobody pays for to a client: those that are there now, not those that come later.

    Calls of clients under terms are never moved. What it does is recorded in the table attributions; what a
    call costs and what its span said stay as they are. Running it again changes nothing.

    \b
    Words of a filter, each once:
      unattributed         calls that name nobody
      unknown              calls that name a client without terms
      client=ID            calls whose span names this client
      project=NAME         of this project; project= for those without one
      app=NAME             sent by this app (its service.name)
      provider=NAME, model=NAME, label:KEY=VALUE
      trace=ID             of this trace
      since=DAY, until=DAY YYYY-MM-DD, both included, by the clock of who is to pay
      attributed=CLIENT    calls that an earlier attribution gave to this client, to correct it

    \b
    For instance:
      spanledger attribute client=acme-corp --to acme --dry-run
      spanledger attribute unattributed app=seo-bot since=2026-10-01 --to acme
      spanledger attribute unattributed label:team=search --to house --project search
    """  # noqa: D301 - \b is the character that keeps the lines apart
    from spanledger_billing import attributing, call_filter, ledger

    chosen = call_filter.read(words)
    with ledger.connect(data) as connection:
        plan = attributing.plan(connection, chosen, to, project=project)
        if plan.moved:
            output.print_table(_table(plan), output.console())
        for client_id, month in plan.reaches_closed:
            output.console().print(output.name(f"reaches into a closed month: {client_id} {month}"))
        if not dry_run:
            attributing.carry_out(connection, plan, closed=closed)
    if not plan.moved:
        typer.echo("no unattributed call, and none of an unknown client, fits the filter")
    elif dry_run:
        typer.echo("nothing was changed: this was a dry run")
    else:
        output.console().print(output.name(f"{output.calls(plan.calls)} given to {plan.to}"))


def _table(plan: "Plan") -> "Table":
    places = output.decimals(one.cost_usd for one in plan.moved)
    table = output.table(("claimed client", "month"), ("calls", "cost USD"))
    for one in plan.moved:
        named = output.name(one.claimed_client_id or "(nobody)")
        table.add_row(named, one.month, f"{one.calls:,}", output.usd(one.cost_usd, places))
    table.add_section()
    table.add_row("total", "", f"{plan.calls:,}", output.usd(plan.cost_usd, places))
    return table
