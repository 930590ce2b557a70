"""`spanledger repair`: where roll-up, calls and spans disagree, and mending it."""

from collections.abc import Iterator
from typing import Annotated

import typer

from spanledger_billing import rollup
from spanledger_billing.cli.options import DataFolder
from spanledger_billing.rollup import Drift, Repaired


def repair(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    closed: Annotated[
        bool,
        typer.Option(
            "--closed",
            help="Reach into closed months too; the next statements adjust for what that changes.",
        ),
    ] = False,
    data: DataFolder = None,
) -> None:
    """Mend the ledger where it disagrees with itself.

    Spans that arrived and that no call stands for are fed again; days whose roll-up is not what their calls
    add up to are rolled up again; months whose charges are not what the roll-up and the terms come to are
    reckoned again. Where nothing is wrong it changes nothing. Ends with 1 where something is
    wrong and stays so.
    """
    from spanledger_billing import ledger

    with ledger.connect(data) as connection:
        done = rollup.repair(connection, dry_run=dry_run, closed=closed)
    for line in report(done, dry_run=dry_run):
        typer.echo(line)
    if done.remaining:
        raise typer.Exit(1)


def report(done: Repaired, *, dry_run: bool) -> Iterator[str]:
    """What a repair found and did, line by line."""
    if not done.found:
        yield "spans, calls and roll-up agree"
        return
    would = "would be " if dry_run else ""
    if done.found.rows:
        yield f"{_calls(len(done.found.rows))} missing that spans arrived for: {would}fed again"
        yield from (f"  {call.arrived_on} {call.trace_id} {call.span_id}" for call in done.found.rows[:10])
        yield from _more(len(done.found.rows) - 10)
    if done.days:
        yield (
            f"{len(done.days)} days whose roll-up is not what their calls add up to: {would}rolled up again: "
            + ", ".join(day.isoformat() for day in done.days)
        )
    if done.found.charges:
        yield (
            f"{len(done.found.charges)} months whose charges are not what their usage and terms come to: "
            f"{would}reckoned again: {', '.join(done.found.charges)}"
        )
    yield from _left_alone(done)
    if not dry_run:
        yield from _remaining(done.remaining)


def _left_alone(done: Repaired) -> Iterator[str]:
    if not done.left_alone:
        return
    months = sorted({(row.client_id, row.month) for row in done.left_alone})
    yield "left alone, since closed: " + ", ".join(f"{client} {month}" for client, month in months)
    yield "next: spanledger repair --closed, which makes adjustments of what it changes"


def _remaining(drift: Drift) -> Iterator[str]:
    if not drift:
        yield "spans, calls and roll-up agree now"
        return
    yield (
        f"still wrong: {_calls(len(drift.rows))} missing, {len(drift.rollup)} rows of the roll-up, "
        f"charges of {len(drift.charges)} months"
    )


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  and {count:,} more"
