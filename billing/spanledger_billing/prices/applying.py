"""`spanledger prices apply`: from the overrides in force to what a file says, all or nothing.

They are part of the price list and take force with it, by one row. What was priced before keeps its price;
what had none is priced, in open months.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spanledger_billing import orders
from spanledger_billing.clients.documents import file_bytes
from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.prices import published, sync
from spanledger_billing.prices.overrides import Overrides, reached
from spanledger_billing.prices.overrides_reading import EXAMPLE, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spanledger_billing.clients.reaching import ClientMonth
    from spanledger_billing.prices.published import PriceList
    from spanledger_billing.prices.sync import Synced


@dataclass(frozen=True, slots=True)
class Change:
    """What an apply would do."""

    prices: PriceList
    lines: Sequence[str]
    """The difference, for people, each beginning with + or -; empty where there is none."""
    reaches_closed: Sequence[ClientMonth]


def read_file(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        InvalidInputError: it cannot be read.

    """
    return file_bytes(path, holds="your prices", example=f"a file as {EXAMPLE} shows it")


def plan(ledger: Any, content: bytes, file: str = "overrides.yaml") -> Change:
    """What applying a file changes. Writes nothing.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        content: the file's bytes.
        file: what errors call it.

    Raises:
        InvalidInputError: the file is not what is allowed; the error names every place.
        PriceListError: the installed list cannot be taken over.

    """
    in_force = sync.overrides_in_force(ledger)
    before = Overrides()

    def overrides(known: Mapping[str, str]) -> Overrides:
        nonlocal before
        if in_force:
            before = read(in_force, known, "the overrides in force")
        return read(content, known, file)

    prices = published.installed(sync.facts(ledger), overrides)
    months = {month for _, month in closed_months(ledger)}
    touched = {month for month in months if reached(before, prices.overrides, month)}
    return Change(
        prices,
        list(_differences(before, prices.overrides)),
        sorted(one for one in closed_months(ledger) if one[1] in touched) if touched else [],
    )


def carry_out(
    ledger: Any,
    change: Change,
    *,
    closed: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Synced:
    """Apply a change.

    Raises:
        RefusedError: it reaches into closed months without consent; nothing was changed.

    """
    orders.refuse_closed(
        change.reaches_closed,
        closed=closed,
        command="let the entries begin later (from) or end earlier (until), or add --closed",
    )
    return sync.take_over(ledger, change.prices, closed=closed, progress=progress)


def _differences(before: Overrides, after: Overrides) -> list[str]:
    old, new = before.texts(), after.texts()
    gone, come = set(old) - set(new), set(new) - set(old)
    return [f"- {text}" for text in old if text in gone] + [f"+ {text}" for text in new if text in come]
