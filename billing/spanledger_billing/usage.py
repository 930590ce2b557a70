"""Usage: what a month's calls were and what they cost, broken down by what the reader asks for.

Every row and the total say beside their cost what is not in it: calls whose usage is known but has no
price (unpriced), and calls whose usage is missing or only partly known (incomplete). A cost is None where
calls are there and the cost of none of them is known; it is never zero for that.

All comes from one query of the view `calls`, so rows and total are of the same moment. The total is the
sum of the rows.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from spanledger_billing.calendar import agency_timezone
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.money import EXACT, exact_sum

UNIT: Final = "unit"
LABEL: Final = "label:"
COLUMNS: Final = {
    "client": "client_id",
    "project": "project",
    "provider": "provider",
    "model": "model",
    "day": "toString(day)",
}
"""What usage can be broken down by -> expression over `calls`. `unit` and `label:KEY` come beside these."""

Quantities = Mapping[str, Decimal]

OUTPUT_UNITS: Final = frozenset({"output", "reasoning", "citation", "audio_output", "image_output"})


def is_input(unit: str) -> bool:
    """Whether the unit is tokens asked for, cached ones included."""
    return unit == "input" or unit.startswith("cache_") or unit.endswith("_input")


def input_tokens(units: Quantities) -> Decimal:
    return exact_sum(n for unit, n in units.items() if is_input(unit))


def output_tokens(units: Quantities) -> Decimal:
    """Tokens answered, reasoning included."""
    return exact_sum(n for unit, n in units.items() if unit in OUTPUT_UNITS)


def tokens(units: Quantities) -> Decimal:
    return EXACT.add(input_tokens(units), output_tokens(units))


def beside_tokens(units: Quantities) -> Quantities:
    """What is counted in something else than tokens: searches, pages, seconds."""
    return {unit: n for unit, n in units.items() if not is_input(unit) and unit not in OUTPUT_UNITS}


@dataclass(frozen=True)
class Measures:
    """What a set of calls amounts to. A line of a call counts among `unpriced` and `incomplete` as one."""

    calls: int = 0
    units: Quantities = field(default_factory=dict)
    cost_usd: Decimal | None = Decimal(0)
    costs: Quantities = field(default_factory=dict)
    """By unit; of calls whose cost is known, so that they add up to `cost_usd`."""
    unpriced: Mapping[str, int] = field(default_factory=dict)
    """Reason -> calls."""
    unpriced_units: Quantities = field(default_factory=dict)
    incomplete: Mapping[str, int] = field(default_factory=dict)
    """Reason -> calls."""

    @property
    def unpriced_calls(self) -> int:
        return sum(self.unpriced.values())

    @property
    def incomplete_calls(self) -> int:
        return sum(self.incomplete.values())

    def __add__(self, other: "Measures") -> "Measures":
        known = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Measures(
            calls=self.calls + other.calls,
            units=_sum(self.units, other.units),
            cost_usd=exact_sum(known) if known else None,
            costs=_sum(self.costs, other.costs),
            unpriced=Counter(self.unpriced) + Counter(other.unpriced),
            unpriced_units=_sum(self.unpriced_units, other.unpriced_units),
            incomplete=Counter(self.incomplete) + Counter(other.incomplete),
        )


def _sum(left: Quantities, right: Quantities) -> Quantities:
    none = Decimal(0)
    return {unit: EXACT.add(left.get(unit, none), right.get(unit, none)) for unit in sorted({*left, *right})}


@dataclass(frozen=True)
class Row:
    keys: tuple[str, ...]
    """One for each word of `by`, `unit` left out; empty where the call names none."""
    measures: Measures


@dataclass(frozen=True)
class Usage:
    month: str
    by: tuple[str, ...]
    rows: tuple[Row, ...]
    client: str | None = None

    @property
    def total(self) -> Measures:
        return _total([row.measures for row in self.rows])


def _total(parts: Sequence[Measures]) -> Measures:
    total = parts[0] if parts else Measures()
    for part in parts[1:]:
        total = total + part
    return total


def current_month() -> str:
    """The month that it is now in the agency's timezone, as YYYY-MM."""
    return datetime.now(ZoneInfo(agency_timezone())).strftime("%Y-%m")


def checked_month(month: str) -> str:
    """The month itself.

    Raises:
        InvalidInputError: it is not written YYYY-MM.

    """
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise InvalidInputError(
            f"--month is {month!r}",
            allowed="a month as YYYY-MM",
            next_step=f"for instance --month {current_month()}",
        )
    return month


def checked_by(text: str) -> tuple[str, ...]:
    """The words of `--by`, in their order.

    Raises:
        InvalidInputError: one of them is none that usage can be broken down by, or stands there twice.

    """
    words = tuple(word.strip() for word in text.split(","))
    for word in words:
        is_label = word.startswith(LABEL) and word != LABEL
        known = word in COLUMNS or word == UNIT or is_label
        if not known or words.count(word) > 1:
            raise InvalidInputError(
                f"--by has {word!r}{' twice' if known else ''}",
                allowed=f"{', '.join([*COLUMNS, UNIT])} and label:KEY, each once, with commas between",
                next_step="for instance --by client,model",
            )
    return words


_QUERY = """
SELECT
    {keys}
    countIf(line = '')                                           AS calls_,
    sumMap(units)                                                AS units_,
    sumOrNull(cost_usd)                                          AS cost_usd_,
    sumMapIf(costs, cost_usd IS NOT NULL)                        AS costs_,
    sumMapIf(map(unpriced_reason, 1), unpriced_reason != '')     AS unpriced_,
    sumMapIf(units, unpriced_reason != '')                       AS unpriced_units_,
    sumMapIf(map(incomplete_reason, 1), incomplete_reason != '') AS incomplete_
FROM calls
WHERE bills AND month = {{month:String}} {client}
{group}
"""


def read(ledger: Any, month: str, by: Sequence[str], client: str | None = None) -> Usage:
    """Usage of one month, from the ledger.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        month: YYYY-MM.
        by: words that `checked_by` lets through.
        client: of this client only; the empty text stands for the calls that name nobody.

    """
    parameters = {"month": month}
    keys = []
    for position, word in enumerate(word for word in by if word != UNIT):
        if word.startswith(LABEL):
            parameters[f"label_{position}"] = word.removeprefix(LABEL)
            keys.append(f"labels[{{label_{position}:String}}] AS key_{position}")
        else:
            keys.append(f"{COLUMNS[word]} AS key_{position}")
    if client is not None:
        parameters["client"] = client
    query = _QUERY.format(
        keys="".join(f"{key},\n    " for key in keys),
        client="" if client is None else "AND client_id = {client:String}",
        group=f"GROUP BY {', '.join(f'key_{n}' for n in range(len(keys)))}" if keys else "HAVING count() > 0",
    )
    rows = [_row(found, len(keys)) for found in ledger.query(query, parameters=parameters).result_rows]
    # Nobody's usage comes last, where a reader looks for the total.
    rows.sort(key=lambda row: [(key == "", key) for key in row.keys])
    return Usage(month=month, by=tuple(by), rows=tuple(rows), client=client)


def _row(found: Sequence[Any], keys: int) -> Row:
    calls, units, cost_usd, costs, unpriced, unpriced_units, incomplete = found[keys:]
    return Row(
        keys=tuple(found[:keys]),
        measures=Measures(
            calls=calls,
            units=_known(units),
            cost_usd=cost_usd,
            costs=_known(costs),
            unpriced={reason: int(n) for reason, n in unpriced.items()},
            unpriced_units=_known(unpriced_units),
            incomplete={reason: int(n) for reason, n in incomplete.items()},
        ),
    )


def _known(quantities: Quantities) -> Quantities:
    return {unit: quantities[unit] for unit in sorted(quantities)}


def months_with_calls(ledger: Any) -> list[str]:
    """The newest months that have calls, newest first, at most twelve."""
    query = "SELECT DISTINCT month FROM calls WHERE bills ORDER BY month DESC LIMIT 12"
    return [month for (month,) in ledger.query(query).result_rows]
