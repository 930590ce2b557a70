"""`spanledger backup` and `spanledger restore`: the ledger kept elsewhere, and put back."""

from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_billing.cli.options import DataFolder

if TYPE_CHECKING:
    from spanledger_billing.backup import Contents


def backup(
    name: Annotated[
        str | None, typer.Argument(help="By default the database's name and the time.", show_default=False)
    ] = None,
    *,
    data: DataFolder = None,
) -> None:
    """Back the ledger up while it works, into the folder that the engine keeps backups in.

    That is /backups of the container in docker-compose.yml, and DATA/backups of spanledger up. Copy it to
    another machine. What waits in outboxes and in the collector's queue is not in it, and will arrive.
    """
    from spanledger_billing import backup as backups
    from spanledger_billing import ledger

    where = ledger.address(data)
    with ledger.open_server(where) as server:
        made = backups.backup(server, ledger.database(), name)
    folder = "backups of the data folder" if where.embedded else "the folder where the server keeps backups"
    typer.echo(f"backed up as {made}, in {folder}")
    typer.echo(f"next: copy it elsewhere, and try it: spanledger restore {made} --check")


def restore(
    name: Annotated[str, typer.Argument(help="The backup's name.", show_default=False)],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only try: restore beside the ledger, look, take away.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give up the ledger that is there for the backup.")
    ] = False,
    data: DataFolder = None,
) -> None:
    """Put a backup in the ledger's place, once it was restored beside it and looked at.

    What cannot be restored leaves the ledger as it is. Counts the backup's calls and verifies its closed
    months; ends with 1 where one is not as it was closed. Needs room for the ledger twice.
    """
    from spanledger_billing import backup as backups
    from spanledger_billing import ledger

    with ledger.open_server(ledger.address(data)) as server:
        if check:
            found = backups.check(server, ledger.database(), name)
        else:
            found = backups.restore(server, ledger.database(), name, replace=replace)
    typer.echo(f"{'it holds' if check else 'restored:'} {_described(found)}")
    for finding in found.findings:
        typer.echo(finding)
    if found.findings:
        raise typer.Exit(1)
    if not check:
        typer.echo("next: spanledger migrate, then spanledger repair and spanledger doctor")


def _described(found: "Contents") -> str:
    last = f", the last of {found.last_call:%Y-%m-%d %H:%M} UTC" if found.last_call else ""
    return f"{found.calls:,} calls{last}; {found.closes:,} closed months"
