"""What a ledger needs before its dashboards have money to show, where it has none: prices and terms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from spanledger_billing.clients import applying, reading, tables
from spanledger_billing.prices.sync import sync

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FILE: Final = Path(__file__).with_name("clients.yaml")


def put_in_force(ledger: Client) -> list[str]:
    """Import prices and apply the demo's terms where the ledger has none; what was put in force.

    A ledger's own prices and terms stay as they are, whomever they leave out.
    """
    done = []
    if not ledger.query("SELECT 1 FROM price_list").result_rows:
        sync(ledger)
        done.append("prices")
    if tables.current(ledger).roster is None:
        roster, content = reading.read_file(FILE)
        applying.carry_out(ledger, applying.plan(ledger, roster, content))
        done.append("terms")
    return done
