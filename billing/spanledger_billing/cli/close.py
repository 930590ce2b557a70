"""`spanledger close`: freezing a month."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_billing.cli.options import DataFolder
from spanledger_billing.close.causes import NAMES
from spanledger_billing.close.closing import Outcome
from spanledger_billing.close.closing import close as close_month
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.statements.lines import checked_month

if TYPE_CHECKING:
    from rich.progress import TaskID


def close(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Which month (YYYY-MM).")],
    *,
    client: Annotated[
        list[str] | None,
        typer.Option(
            "--client",
            metavar="ID",
            help="Only this client; may be repeated. Else every client of the month.",
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="CAUSE",
            help="Close in spite of this cause, and record that; may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what speaks against it.")] = False,
    data: DataFolder = None,
) -> None:
    """Close a month; `HELP` is what the command line shows."""
    from rich.progress import Progress

    from spanledger_billing import ledger
    from spanledger_billing.cli import output

    try:
        checked_month(month)
    except ValueError as error:
        raise InvalidInputError(
            f"the month is {month!r}", allowed="YYYY-MM", next_step="for instance 2026-10"
        ) from error
    outcomes: list[Outcome] = []
    say = output.console(stderr=True)
    try:
        with ledger.connect(data) as connection, Progress(console=say, transient=True) as bar:
            steps: dict[str, TaskID] = {}

            def tell(step: str, done: int, total: int) -> None:
                if step not in steps:
                    steps[step] = bar.add_task(step)
                bar.update(steps[step], completed=done, total=total)

            outcomes += close_month(
                connection,
                month,
                client or (),
                accept=accept or (),
                dry_run=dry_run,
                data=data,
                progress=tell,
            )
    finally:
        # Not beside the bar, which would draw them into standard error; what was closed before a fault, too.
        for outcome in outcomes:
            for line in report(outcome):
                typer.echo(line)
        heads = [outcome.head for outcome in outcomes if outcome.head]
        if heads:
            typer.echo(f"head {heads[-1].hash} (close {heads[-1].number})")
    if any(outcome.refused for outcome in outcomes):
        raise typer.Exit(1)


def report(outcome: Outcome) -> Iterator[str]:
    """What became of a client's month, line by line."""
    which = f"{outcome.client_id} {outcome.month}"
    if outcome.already:
        yield f"{which}: closed before, nothing to do"
        return
    if outcome.refused:
        yield f"{which}: not closed"
    elif outcome.statement is not None:
        done = "closed" if outcome.head else "would be closed"
        number = f", statement {outcome.statement.number}" if outcome.head else ""
        yield f"{which}: {done} with {outcome.statement.total}{number}"
    for cause in outcome.causes:
        yield f"  {cause.name}: {cause.found}" + ("" if outcome.refused else " (accepted)")
        if outcome.refused:
            yield f"    next: {cause.remedy}"


# The \b keeps the lines apart.
HELP = """Close a month: freeze its lines and documents for ever.

A client whose month has something unknown in it is not closed, unless each cause is accepted by its name.
What comes later (calls, new prices, other terms) becomes an adjustment of the next statement. Closing again
does nothing. Keep the head that it prints: by it spanledger verify shows that nothing was changed since.
Ends with 1 where a client was not closed.

\b
Causes:
""" + "\n".join(f"  {name:<16} {short}" for name, short in NAMES.items())
close.__doc__ = HELP
