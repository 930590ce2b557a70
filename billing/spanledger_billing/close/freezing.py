"""Freezing a month: its lines, days and documents are written, and one row makes them the closed month.

That row claims the next number of the chain. Of two inserts with one token the second is ignored, so
exactly one close becomes it; what the other wrote belongs to no close and is never read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.close import chain
from spanledger_billing.money import EXACT, exact_sum
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spanledger_billing.statements.drafting import ClientMonth
    from spanledger_billing.statements.model import Statement

Row = dict[str, Any]

_OF_A_LINE: Final = (
    "kind", "first_day", "last_day", "provider", "model", "currency", "currency_exponent", "rate", "charge",
    "cost", "charge_usd", "cost_usd", "cost_usd_exact", "units", "unit_charges", "unit_costs", "calls",
    "refused", "unpriced", "unpriced_units", "incomplete",
)  # fmt: skip
_OF_A_DAY: Final = (
    "day", "currency", "currency_exponent", "charge", "usage_charge", "top_up", "cost_usd", "calls",
    "refused", "unpriced_calls", "incomplete_calls",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """A month as its views have it, to be frozen."""

    lines: tuple[Row, ...]
    """Its own, then its adjustments."""
    days: tuple[Row, ...]

    @property
    def own(self) -> Decimal:
        """The month's charge, of the lines for which it is known."""
        return self._charge(of_itself=True)

    @property
    def adjusted(self) -> Decimal:
        return self._charge(of_itself=False)

    @property
    def net(self) -> Decimal:
        return exact_sum((self.own, self.adjusted))

    @property
    def rate(self) -> Decimal:
        return next((Decimal(line["rate"]) for line in self.lines), Decimal(1))

    def _charge(self, *, of_itself: bool) -> Decimal:
        return exact_sum(
            line["charge"]
            for line in self.lines
            if line["charge"] is not None and (line["corrects"] == line["month"]) is of_itself
        )


def figures(found: ClientMonth) -> Figures:
    """What a close would freeze as rows, of what the views say of an open month."""
    lines = [
        *(_own_line(row, found.month) for row in found.lines),
        *(_adjustment(row, found.month) for row in found.due),
    ]
    return Figures(
        lines=tuple({**line, "line": number} for number, line in enumerate(lines, start=1)),
        days=tuple(
            {name: row[name] for name in ("client_id", *_OF_A_DAY)} | {"month": found.month}
            for row in found.days
        ),
    )


def _own_line(row: Mapping[str, Any], month: str) -> Row:
    return {
        **{name: row[name] for name in ("client_id", "charge_reason", *_OF_A_LINE)},
        "month": month,
        "corrects": month,
        "reason": "",
        "corrected_currency": row["currency"],
        "corrected_exponent": row["currency_exponent"],
        "corrected_rate": row["rate"],
        "corrected_charge": row["charge"] or Decimal(0),
        "corrected_cost": row["cost"] or Decimal(0),
    }


def _adjustment(row: Mapping[str, Any], month: str) -> Row:
    return {
        **{name: row[name] for name in ("client_id", "corrects", "reason", *_OF_A_LINE)},
        "month": month,
        "charge_reason": "",
        "corrected_currency": row["month_currency"],
        "corrected_exponent": row["month_exponent"],
        "corrected_rate": row["month_rate"],
        "corrected_charge": row["month_charge"],
        "corrected_cost": row["month_cost"],
    }


def render_all(statement: Statement) -> dict[tuple[str, str], bytes]:
    """Every document of a closed month: both copies in each format."""
    copies = {Copy.FULL: statement, Copy.CHARGES: statement.for_client()}
    return {
        (copy.value, form.value): render(shown, form).content
        for copy, shown in copies.items()
        for form in Format
    }


def freeze(
    ledger: Any,
    statement: Statement,
    frozen: Figures,
    *,
    after: chain.Head,
    accepted: Sequence[tuple[str, int]],
) -> chain.Head | None:
    """Make a statement the closed month, as the close after `after`.

    Returns: The new head of the chain; None where another close became it first, and nothing of this one is
    visible.

    """
    close_id = os.urandom(16).hex()
    documents = render_all(statement)
    _insert(ledger, "closed_lines", [{"close_id": close_id, **row} for row in frozen.lines])
    _insert(ledger, "closed_days", [{"close_id": close_id, **row} for row in frozen.days])
    _insert(
        ledger,
        "closed_documents",
        [
            {"close_id": close_id, "copy": copy, "format": form, "bytes": kept}
            for (copy, form), kept in documents.items()
        ],
    )
    columns = {
        "number": after.number + 1,
        "close_id": close_id,
        "client_id": statement.client.id,
        "month": statement.period.month,
        # What is hashed is what the column can hold.
        "closed_at": _to_the_millisecond(datetime.now(UTC)),
        "statement_number": statement.number,
        "currency": statement.currency,
        "rate": frozen.rate,
        "net": statement.net.amount,
        "total": statement.total.amount,
        "accepted": [{"cause": cause, "count": count} for cause, count in accepted],
        "prev_hash": after.hash,
    }
    # As they are stored: what is vouched for is what can be read again.
    parts = {part: chain.rows(ledger, part, [close_id]).get(close_id, []) for part in chain.PARTS}
    said = chain.content(columns, parts, documents)
    became = chain.Head(after.number + 1, chain.digest(said.encode()))
    _insert(
        ledger,
        "closes",
        [{**columns, "content": said, "hash": became.hash}],
        # By hand, and not put off: when the insert is answered it is known who won.
        {"insert_deduplication_token": f"close-{became.number}", "async_insert": 0},
    )
    winners = ledger.query(
        "SELECT close_id FROM closes WHERE number = {number:UInt32}", parameters={"number": became.number}
    ).result_rows
    return became if winners == [(close_id,)] else None


def _to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _insert(ledger: Any, table: str, given: Sequence[Row], settings: Mapping[str, Any] | None = None) -> None:
    if not given:
        return
    names = list(given[0])
    # The driver rounds to the digits of the present context.
    with localcontext(EXACT):
        ledger.insert(
            table,
            [[row[name] for name in names] for row in given],
            column_names=names,
            settings={"async_insert": 0, **(settings or {})},
        )
