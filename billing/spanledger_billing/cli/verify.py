"""`spanledger verify`: that closed months are as they were closed."""

from typing import Annotated

import typer

from spanledger_billing.cli.options import DataFolder


def verify(
    *,
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="A head that spanledger close printed: the chain must have it."),
    ] = None,
    data: DataFolder = None,
) -> None:
    """Show that every closed month is as it was closed, or what was changed.

    Every line, day and document, and every close itself, is hashed again. Only a head that was kept
    elsewhere shows that no close was taken away from the end, and that they were not all made anew. Ends
    with 1 where anything is found.
    """
    from spanledger_billing import ledger
    from spanledger_billing.close import verifying

    with ledger.connect(data) as connection:
        found = verifying.verify(connection, head)
    for finding in found.findings:
        typer.echo(finding)
    if found.orphans:
        typer.echo(
            f"{found.orphans:,} lines belong to no close: of closes that broke off, or of one taken away "
            "from the end; a kept head tells which (--head)",
            err=True,
        )
    if found.findings:
        raise typer.Exit(1)
    typer.echo(f"{found.closes:,} closes are as they were closed")
    if found.closes:
        typer.echo(f"head {found.head.hash} (close {found.head.number})")
    if found.after_head:
        typer.echo(f"{found.after_head:,} of them came after the head given")
