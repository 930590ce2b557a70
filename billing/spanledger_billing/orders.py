"""Orders of the operator's that change stored calls: each is recorded, with its time and who gave it.

The record is written before the calls are changed and once more afterwards, so that an order that broke off
is seen as one; giving it again does what was left.
"""

from __future__ import annotations

import getpass
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import localcontext
from typing import TYPE_CHECKING, Any

from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.errors import RefusedError
from spanledger_billing.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spanledger_billing.clients.reaching import ClientMonth


@contextmanager
def recorded(ledger: Any, table: str, id_column: str, about: Mapping[str, Any]) -> Iterator[None]:
    """Record an order around what it does.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        table: of this kind of orders.
        id_column: the name of its id there.
        about: the table's other columns, time and person left out.

    """
    row = {
        id_column: secrets.token_hex(8),
        "ordered_at": datetime.now(UTC),
        "finished_at": datetime(1970, 1, 1, tzinfo=UTC),
        "ordered_by": who(),
        **about,
    }
    _write(ledger, table, row)
    yield
    _write(ledger, table, row | {"finished_at": datetime.now(UTC)})


def refuse_closed(reached: Iterable[ClientMonth], *, closed: bool, command: str) -> None:
    """Refuse to reach into closed months without consent.

    Args:
        reached: the closed months that the order would reach into.
        closed: whether the operator consents.
        command: what to run to consent.

    Raises:
        RefusedError: it does, and the operator did not.

    """
    months = set(reached)
    if months and not closed:
        raise RefusedError(
            f"this reaches into closed months, and nothing was changed: {_named(months)}",
            allowed="open months; closed ones with --closed, which adjusts the next statements",
            next_step=command,
        )


def refuse_closed_since(ledger: Any, months: Iterable[ClientMonth], known: Iterable[ClientMonth]) -> None:
    """Refuse to reach into months that were closed since the order was shown to the operator.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        months: all that the order would reach into.
        known: those of them that were closed when it looked.

    Raises:
        RefusedError: some were.

    """
    since = (set(months) & closed_months(ledger)) - set(known)
    if since:
        raise RefusedError(
            f"closed since this looked, and nothing was changed: {_named(since)}",
            next_step="run this again",
        )


def _named(months: Iterable[ClientMonth]) -> str:
    return ", ".join(f"{client_id} {month}" for client_id, month in sorted(months))


def _write(ledger: Any, table: str, row: Mapping[str, Any]) -> None:
    # The driver rounds decimals by the context of the moment.
    with localcontext(EXACT):
        ledger.insert(table, [list(row.values())], column_names=list(row))


def who() -> str:
    """The account of the machine that gives an order; empty where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have it
        return ""
