"""`spanledger usage`: a month's calls and their cost, by client or whatever else is asked for."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from spanledger_billing import usage as measured
from spanledger_billing.cli import output
from spanledger_billing.cli.options import DataFolder
from spanledger_billing.cli.output import Format
from spanledger_billing.money import plain
from spanledger_billing.spreadsheet import text_cell
from spanledger_billing.usage import UNIT, Measures, Usage


def usage(
    *,
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="The month; the agency's current one where not given."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="WORDS", help="client, project, provider, model, unit, day, label:KEY; with commas."
        ),
    ] = "client",
    client: Annotated[
        str | None, typer.Option(metavar="ID", help='Only this client; "" for calls that name nobody.')
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    data: DataFolder = None,
) -> None:
    """Show what a month's calls used and cost.

    Beside every cost stands what is not in it: calls without a price, and calls whose usage is missing or
    cut short. With `--by …,unit` each kind of quantity has a row of its own.

    In JSON, money and quantities are decimal text; null stands for a cost that is not known and for a name
    that a call does not give. CSV has no row for the total.
    """
    from spanledger_billing import ledger

    words = measured.checked_by(by)
    month = measured.checked_month(month) if month else measured.current_month()
    with ledger.connect(data) as connection:
        found = measured.read(connection, month, words, client)
        others = [] if found.rows else measured.months_with_calls(connection)

    if format_ is Format.JSON:
        typer.echo(output.json_text(as_json(found)))
    elif format_ is Format.CSV:
        typer.echo(as_csv(found), nl=False)
    elif found.rows:
        print_table(found, output.console())
    if not found.rows:
        output.console(stderr=True).print(_nothing(found, others))


def _nothing(found: Usage, others: list[str]) -> str:
    whose = "" if found.client is None else f" of client {output.name(found.client or '(unattributed)')}"
    if others:
        return f"no calls{whose} in {found.month}\nmonths with calls: {', '.join(others)}"
    return "the ledger has no call yet\nnext: spanledger doctor, to see whether one would arrive"


# A table for people ---------------------------------------------------------------------------------


def print_table(found: Usage, console: Console) -> None:
    """The rows, the total under them, and in words what the total leaves out."""
    if UNIT in found.by:
        _print_units(found, console)
    else:
        _print_calls(found, console)
    total = found.total
    console.print("\n".join(["", f"{found.month}: {total.calls:,} calls", *_left_out(total)]))


_LEFT_OUT: Final[dict[str, Callable[[Measures], int]]] = {
    "unpriced": lambda measures: measures.unpriced_calls,
    "incomplete": lambda measures: measures.incomplete_calls,
}


def _print_calls(found: Usage, console: Console) -> None:
    total = found.total
    # Where nothing is left out, the line under the table says so, and names get the columns' room.
    left_out = [word for word, counts in _LEFT_OUT.items() if counts(total)]
    table = output.table(found.by, ["calls", "input", "output", "cost USD", *left_out])
    places = output.decimals(row.measures.cost_usd for row in found.rows)

    def figures(measures: Measures) -> list[str]:
        return [
            f"{measures.calls:,}",
            output.quantity(measured.input_tokens(measures.units)),
            output.quantity(measured.output_tokens(measures.units)),
            output.usd(measures.cost_usd, places),
            *(f"{count:,}" if (count := _LEFT_OUT[word](measures)) else "" for word in left_out),
        ]

    for row in found.rows:
        table.add_row(*_names(found.by, row.keys), *figures(row.measures))
    table.add_section()
    table.add_row("total", *[""] * (len(found.by) - 1), *figures(total))
    output.print_table(table, console)


def _print_units(found: Usage, console: Console) -> None:
    """No total of quantities: tokens and pages do not add up."""
    table = output.table(found.by, ["quantity", "cost USD", "unpriced"])
    rows = list(unit_rows(found))
    places = output.decimals(cost for _, _, cost, _ in rows)
    for keys, amount, cost, unpriced in rows:
        table.add_row(
            *_names(found.by, keys),
            output.quantity(amount),
            output.usd(cost, places),
            output.quantity(unpriced) if unpriced else "",
        )
    table.add_section()
    table.add_row("total", *[""] * (len(found.by) - 1), "", output.usd(found.total.cost_usd, places), "")
    output.print_table(table, console)


def _names(by: tuple[str, ...], keys: tuple[str, ...]) -> list[Any]:
    return [output.name(key or _nobody(word)) for word, key in zip(by, keys, strict=True)]


def _nobody(word: str) -> str:
    return "(unattributed)" if word == "client" else "(none)"


def _left_out(total: Measures) -> list[str]:
    parts = []
    if total.unpriced:
        tokens = measured.tokens(total.unpriced_units)
        quantities = {"tokens": tokens, **measured.beside_tokens(total.unpriced_units)}
        amounts = ", ".join(
            f"{output.quantity(n)} {output.name(unit)}" for unit, n in quantities.items() if n
        )
        parts.append(f"unpriced, so not in the cost: {_reasons(total.unpriced)}; {amounts or 'no usage'}")
        parts.append("next: spanledger prices show MODEL, then spanledger prices sync")
    if total.incomplete:
        parts.append(f"incomplete, so the cost is a lower bound: {_reasons(total.incomplete)}")
    return parts or ["none of them unpriced or incomplete"]


def _reasons(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    each = ", ".join(f"{output.name(reason)} {n:,}" for reason, n in sorted(counts.items()))
    return f"{total:,} {'call' if total == 1 else 'calls'} ({each})"


# Rows by unit ---------------------------------------------------------------------------------------


def unit_rows(found: Usage) -> Iterator[tuple[tuple[str, ...], Decimal, Decimal | None, Decimal]]:
    """(keys with the unit in its place, quantity, cost, quantity without a price), unit for unit.

    A call without any known quantity has no unit; it shows in the counts below the table only. A cost that
    the provider states for a whole call stands under `stated_by_provider`, without a quantity.
    """
    position = found.by.index(UNIT)
    for row in found.rows:
        units = row.measures.units
        for unit in sorted({*units, *row.measures.costs}):
            keys = (*row.keys[:position], unit, *row.keys[position:])
            unpriced = row.measures.unpriced_units.get(unit, Decimal(0))
            yield keys, units.get(unit, Decimal(0)), row.measures.costs.get(unit), unpriced


# For programs ---------------------------------------------------------------------------------------


def as_json(found: Usage) -> dict[str, Any]:
    if UNIT in found.by:
        rows = [
            {
                **_json_keys(found.by, keys),
                "quantity": plain(amount),
                "cost_usd": _money(cost),
                "unpriced_quantity": plain(unpriced),
            }
            for keys, amount, cost, unpriced in unit_rows(found)
        ]
    else:
        rows = [{**_json_keys(found.by, row.keys), **_json_measures(row.measures)} for row in found.rows]
    return {
        "month": found.month,
        "client": found.client,
        "by": list(found.by),
        "rows": rows,
        "total": _json_measures(found.total),
    }


def _json_keys(by: tuple[str, ...], keys: tuple[str, ...]) -> dict[str, str | None]:
    return {word: key or None for word, key in zip(by, keys, strict=True)}


def _json_measures(measures: Measures) -> dict[str, Any]:
    return {
        "calls": measures.calls,
        "units": {unit: plain(n) for unit, n in measures.units.items()},
        "cost_usd": _money(measures.cost_usd),
        "unpriced": {
            "calls": measures.unpriced_calls,
            "reasons": dict(measures.unpriced),
            "units": {unit: plain(n) for unit, n in measures.unpriced_units.items()},
        },
        "incomplete": {"calls": measures.incomplete_calls, "reasons": dict(measures.incomplete)},
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def as_csv(found: Usage) -> str:
    if UNIT in found.by:
        return output.csv_text(
            [*map(text_cell, found.by), "quantity", "cost_usd", "unpriced_quantity"],
            (
                [*_csv_keys(found.by, keys), plain(amount), _money(cost) or "", plain(unpriced)]
                for keys, amount, cost, unpriced in unit_rows(found)
            ),
        )
    return output.csv_text(
        [*map(text_cell, found.by), *_CSV_MEASURES],
        ([*_csv_keys(found.by, row.keys), *_csv_measures(row.measures)] for row in found.rows),
    )


def _csv_keys(by: tuple[str, ...], keys: tuple[str, ...]) -> list[str]:
    """A day is ours, and stays a date."""
    return [
        key if word == "day" else text_cell(key or _nobody(word)) for word, key in zip(by, keys, strict=True)
    ]


_CSV_MEASURES = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "unpriced_calls",
    "unpriced_tokens",
    "incomplete_calls",
)


def _csv_measures(measures: Measures) -> list[str]:
    return [
        str(measures.calls),
        plain(measured.input_tokens(measures.units)),
        plain(measured.output_tokens(measures.units)),
        _money(measures.cost_usd) or "",
        str(measures.unpriced_calls),
        plain(measured.tokens(measures.unpriced_units)),
        str(measures.incomplete_calls),
    ]
