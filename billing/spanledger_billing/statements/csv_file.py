"""A statement as CSV: one table, which a spreadsheet opens as it is.

Comma, decimal point, ISO dates, CRLF (RFC 4180), in UTF-8 with a byte order mark: without it Excel reads
every name as Windows-1252, and programs drop it under the name `utf-8-sig`. Figures are digits with a point
and no separator of thousands, so they are numbers; text stays text (`spreadsheet.text_cell`).

The column `kind` says what a row is:

    usage        a model: its calls, tokens and charge
    unit         how much of one unit that model used
    fee, minimum, adjustment, tax
    total        the sum of the amounts of usage, fee, minimum, adjustment and tax
    gap          calls that the total leaves out, or knows only in part
    previous     the month before, at its first day
    day          the charge of one day; the days add up to usage, fee and minimum

A cell is empty where nothing is known or nothing can be: never zero for that. `date` is the day, for an
adjustment the first of the month that it corrects. What a client's copy does not show has no column.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from spanledger_billing.money import Money, plain
from spanledger_billing.spreadsheet import text_cell
from spanledger_billing.statements.lines import OF_THE_AGENCY
from spanledger_billing.statements.model import Copy, Statement

COLUMNS: Final = (
    "statement",
    "status",
    "client_id",
    "client",
    "period_start",
    "period_end",
    "kind",
    "date",
    "provider",
    "model",
    "description",
    "detail",
    "unit",
    "quantity",
    "calls",
    "input_tokens",
    "output_tokens",
    "unpriced_calls",
    "incomplete_calls",
    "cost_usd",
    "cost",
    "markup_percent",
    "markup",
    "amount",
    "currency",
)
"""Of a full copy."""

Row = dict[str, Any]


def render(statement: Statement) -> bytes:
    columns = [name for name in COLUMNS if statement.copy is Copy.FULL or name not in OF_THE_AGENCY]
    of_each: Row = {
        "statement": statement.number,
        "status": statement.status.value,
        "client_id": statement.client.id,
        "client": statement.client.name,
        "period_start": statement.period.first_day,
        "period_end": statement.period.last_day,
        "currency": statement.currency,
    }
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in _rows(statement):
        cells = of_each | row
        writer.writerow(_cell(cells.get(name)) for name in columns)
    return out.getvalue().encode("utf-8-sig")


def _rows(statement: Statement) -> Iterator[Row]:
    yield from _usage(statement)
    for fee in statement.fees:
        yield {"kind": "fee", "description": fee.label, "detail": fee.detail, "amount": fee.amount}
    if statement.minimum:
        line = statement.minimum
        yield {"kind": "minimum", "description": line.label, "detail": line.detail, "amount": line.amount}
    for adjustment in statement.adjustments:
        yield {
            "kind": "adjustment",
            "date": _first_day(adjustment.corrects),
            "description": adjustment.reason,
            "detail": adjustment.detail,
            "amount": adjustment.amount,
        }
    for tax in statement.taxes:
        yield {
            "kind": "tax",
            "description": f"{tax.label} {plain(tax.percent)} % of {tax.base.amount:f}",
            "amount": tax.amount,
        }
    yield {
        "kind": "total",
        "calls": statement.calls,
        "cost_usd": statement.cost_usd,
        "cost": statement.cost,
        "markup": statement.margin,
        "amount": statement.total,
    }
    for gap in statement.gaps:
        reasons = ", ".join(f"{reason} {calls}" for reason, calls in sorted(gap.reasons.items()))
        yield {"kind": "gap", "description": gap.kind.value, "detail": reasons, "calls": gap.calls}
    if statement.previous:
        before = statement.previous
        yield {
            "kind": "previous",
            "date": _first_day(before.month),
            "calls": before.calls,
            "amount": before.total,
            "currency": before.total.currency,
        }
    for day in statement.days:
        yield {"kind": "day", "date": day.day, "amount": day.charge}


def _usage(statement: Statement) -> Iterator[Row]:
    for line in statement.models:
        names = {"provider": line.provider, "model": line.model}
        yield {
            "kind": "usage",
            **names,
            "calls": line.calls,
            "input_tokens": line.input_tokens,
            "output_tokens": line.output_tokens,
            "unpriced_calls": line.unpriced_calls,
            "incomplete_calls": line.incomplete_calls,
            "cost_usd": line.cost_usd,
            "cost": line.cost,
            "markup_percent": line.markup_percent,
            "markup": line.markup,
            "amount": line.charge,
        }
        for unit, quantity in sorted(line.units.items()):
            yield {"kind": "unit", **names, "unit": unit, "quantity": quantity}


def _first_day(month: str) -> date:
    """A month alone (2026-10) is no date to a spreadsheet until it has rewritten it."""
    return date.fromisoformat(f"{month}-01")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Money):
        return format(value.amount, "f")
    if isinstance(value, Decimal):
        return plain(value)
    return text_cell(value) if isinstance(value, str) else str(value)
