"""What `spanledger prices check` found, as tables, JSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanledger_billing.cli import output
from spanledger_billing.money import plain
from spanledger_billing.prices.check import commands
from spanledger_billing.spreadsheet import text_cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from rich.console import Console

    from spanledger_billing.prices.check import Found


def print_tables(found: Found, console: Console) -> None:
    """Both for people, each with what to do about it."""
    if found.unpriced:
        console.print("no price:")
        table = output.table(("provider", "model", "reason"), ("calls", "first day", "last day"))
        for unpriced in found.unpriced:
            names = (unpriced.provider, unpriced.model, unpriced.reason)
            days = (str(unpriced.first_day), str(unpriced.last_day))
            table.add_row(*map(output.name, names), f"{unpriced.calls:,}", *days)
        output.print_table(table, console)
        for step in dict.fromkeys(one.next_step for one in found.unpriced):
            console.print(f"next: {step}")
    if found.unpriced and found.stale:
        console.print()
    if found.stale:
        console.print(f"another price by {found.version}:")
        places = output.decimals(cost for one in found.stale for cost in (one.cost_now, one.cost_then))
        figures = ("calls", "USD now", "USD then", "difference")
        table = output.table(("client", "month", "priced by"), figures)
        for one in found.stale:
            closed = " (closed)" if one.of in found.closed else ""
            table.add_row(
                output.name(one.client_id or "(unattributed)"),
                one.month + closed,
                output.name(", ".join(version or "(none)" for version in one.versions)),
                f"{one.calls:,}",
                *(output.usd(cost, places) for cost in (one.cost_now, one.cost_then, one.difference)),
            )
        output.print_table(table, console)
        losing = sum(one.losing for one in found.stale)
        if losing:
            console.print(f"{output.calls(losing)} would have no price any more")
        for command in commands(found):
            console.print(f"next: {command}")
    if not found:
        console.print(f"every call has a price, and it is what {found.version or 'no list'} says")


def as_json(found: Found) -> dict[str, object]:
    """Money as decimal text; null stands for a cost that is not known, and for nobody."""
    return {
        "version": found.version,
        "unpriced": [
            {
                "provider": one.provider,
                "model": one.model,
                "reason": one.reason,
                "calls": one.calls,
                "first_day": one.first_day.isoformat(),
                "last_day": one.last_day.isoformat(),
                "next": one.next_step,
            }
            for one in found.unpriced
        ],
        "stale": [
            {
                "client": one.client_id or None,
                "month": one.month,
                "closed": one.of in found.closed,
                "versions": list(one.versions),
                "calls": one.calls,
                "losing_their_price": one.losing,
                "cost_usd_now": _money(one.cost_now),
                "cost_usd_then": _money(one.cost_then),
                "difference_usd": _money(one.difference),
            }
            for one in found.stale
        ],
        "next": list(commands(found)),
    }


def as_csv(found: Found) -> str:
    """Both in one file, told apart by the first column."""
    header = ("found", "client", "month", "provider", "model", "reason", "calls")
    return output.csv_text([*header, "cost_usd_now", "cost_usd_then", "difference_usd"], _csv_rows(found))


def _csv_rows(found: Found) -> Iterator[list[str]]:
    for one in found.unpriced:
        names = (one.provider, one.model, one.reason)
        yield ["unpriced", "", "", *map(text_cell, names), str(one.calls), "", "", ""]
    for stale in found.stale:
        costs = (stale.cost_now, stale.cost_then, stale.difference)
        client = text_cell(stale.client_id or "(unattributed)")
        month = [client, stale.month, "", "", f"priced by {', '.join(stale.versions)}"]
        yield ["stale", *month, str(stale.calls), *(_money(cost) or "" for cost in costs)]


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
