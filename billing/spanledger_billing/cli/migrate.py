"""`spanledger migrate`: the ledger's schema brought up to date."""

from __future__ import annotations


def migrate() -> None:
    """Bring the ledger's schema up to date, and extend its calendar.

    What was applied is not applied again: a second run does nothing.
    """
    from spanledger_billing import ledger, migrate
    from spanledger_billing.cli import output

    say = output.console(stderr=True)
    with ledger.open_server(ledger.address()) as client:
        client.database = ledger.database()
        applied = migrate.apply(client, progress=lambda name: say.print(f"applying {name}"))
    say.print(
        f"{len(applied)} migrations applied" if applied else "nothing to apply: the schema is up to date"
    )
