"""Adjustments: what a closed month comes to now, less all that was billed for it, as lines of the next
statement.

They are reckoned by the view `adjustments_due`. Here they become what a document shows: a line for each
model, fee or minimum that something happened to, and one for what merely moved with it (a tier reached, a
rounded coin).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.money import Money, exact_sum
from spanledger_billing.statements.lines import Adjustment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMED: Final = {"fee": "fee", "minimum": "monthly minimum"}


def due(ledger: Any, month: str, client_id: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The lines that an open month's statements take now, by client.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        month: the open one, YYYY-MM.
        client_id: only this client's.

    """
    one = "" if client_id is None else "AND client_id = {client_id:String}"
    asked = {"month": month, "client_id": client_id or ""}
    earlier = f"SELECT count() FROM closes WHERE month < {{month:String}} {one}"  # noqa: S608 - constants
    if not ledger.query(earlier, parameters=asked).first_row[0]:
        # The view takes a second to say so.
        return {}
    found = ledger.query(
        "SELECT * EXCEPT month, month AS corrects FROM adjustments_due "  # noqa: S608 - constants
        f"WHERE into_month = {{month:String}} {one} "
        "ORDER BY client_id, corrects, kind, first_day, provider, model",
        parameters=asked,
    )
    by_client: dict[str, list[dict[str, Any]]] = {}
    for row in found.named_results():
        by_client.setdefault(row["client_id"], []).append(dict(row))
    return by_client


def shown(lines: Iterable[Mapping[str, Any]]) -> tuple[Adjustment, ...]:
    """Lines of `adjustments_due`, or frozen ones, as a document shows them; those without an amount are
    left out.
    """
    added: dict[tuple[str, str, str], tuple[Money, Decimal]] = {}
    for line in lines:
        key = (line["corrects"], *_named(line))
        amount = Money(line["charge"] or Decimal(0), line["currency"])
        before, cost = added.get(key, (Money.zero(line["currency"]), Decimal(0)))
        added[key] = (before + amount, exact_sum((cost, line["cost_usd"] or Decimal(0))))
    return tuple(
        Adjustment(corrects, reason, amount, f"{what}cost {cost:+.2f} USD")
        for (corrects, reason, what), (amount, cost) in added.items()
        if amount.amount
    )


def _named(line: Mapping[str, Any]) -> tuple[str, str]:
    """What is shown to the client, and to the agency beside it."""
    if line["kind"] != "usage":
        return f"{_NAMED.get(line['kind'], line['kind'])}: {line['reason']}", ""
    if not line["calls"] and not line["cost_usd_exact"]:
        return f"all else: {line['reason']}", ""
    return f"{line['model']}: {line['reason']}", f"{line['provider']} {line['model']}, "
