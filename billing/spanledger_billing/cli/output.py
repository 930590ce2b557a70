"""How figures and names are written: exact, and harmless to whatever reads them.

Names come from spans, so from anyone who may send them: in a table they carry no markup and no control
characters, in a CSV file no formula.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from spanledger_billing.money import plain

MISSING = "-"
"""Stands where a figure is not known: never a zero."""


_GAP: Final = 2


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class TableOrJson(StrEnum):
    TABLE = "table"
    JSON = "json"


def quantity(number: Decimal) -> str:
    """For people: thousands apart."""
    whole, point, fraction = plain(number).partition(".")
    return f"{int(whole):,}{point}{fraction}"


def calls(number: int) -> str:
    return f"{number:,} {'call' if number == 1 else 'calls'}"


def decimals(amounts: Iterable[Decimal | None]) -> int:
    """Decimals that show every one of these amounts exactly, at least two."""
    return max([2, *(len(plain(amount).partition(".")[2]) for amount in amounts if amount is not None)])


def usd(amount: Decimal | None, places: int) -> str:
    """For people: exact, with so many decimals that a column lines up."""
    return MISSING if amount is None else f"{amount:,.{places}f}"


def name(text: str) -> Text:
    """A name from a span, for a terminal."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text), overflow="fold")


def table(names: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table whose names fold and whose numbers do not."""
    # Two blanks between columns: the box's own and one after each cell.
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for header in names:
        # A day is of one width, and folded it is no day.
        made.add_column(header, overflow="fold", no_wrap=header == "day", min_width=6)
    for header in numbers:
        made.add_column(header, justify="right", no_wrap=True)
    return made


def print_table(made: Table, console: Console) -> None:
    """On a terminal too narrow for the numbers, lines run over: a figure is never cut."""
    wanted = Measurement.get(console, console.options.update(max_width=10_000), made).maximum
    needed = sum(_least(column) + _GAP for column in made.columns) - _GAP
    console.print(made, width=max(needed, min(console.width, wanted)), crop=False)


def _least(column: Column) -> int:
    if not column.no_wrap:
        return column.min_width or 1
    return max(cell_len(str(cell)) for cell in (column.header, *column.cells))


def console(*, stderr: bool = False) -> Console:
    """Where nobody looks at a terminal (a pipe, a file), lines are as long as their content."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = 1000
    return made


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV file as text. Names in it have gone through `spreadsheet.text_cell`; figures are as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([header, *rows])
    return out.getvalue()


def json_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)
