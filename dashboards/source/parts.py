"""What several dashboards have alike: pieces of SQL, columns, and panels about one client's month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from board import (
    ANY_IS_ORANGE,
    BELOW_ZERO_IS_RED,
    BUDGET,
    COUNT,
    MONEY,
    PERCENT,
    TO_CLIENT,
    Column,
    table,
)

if TYPE_CHECKING:
    from board import Json, Panel

BEFORE: Final = "formatDateTime(addMonths(toDate(concat(${month:singlequote}, '-01')), -1), '%Y-%m')"
"""The month before the one shown."""

IN_TOKENS: Final = "arraySum(mapValues(mapFilter((unit, n) -> unit = 'input' OR startsWith(unit, 'cache_') OR endsWith(unit, '_input'), {units})))"
OUT_TOKENS: Final = (
    "arraySum(mapValues(mapFilter((unit, n) -> unit IN ('output', 'reasoning', 'citation', 'audio_output', 'image_output'), "
    "{units})))"
)

NO_CALLS: Final = "no calls in this month"

CHARGE_AND_COST: Final = (Column("Charge", MONEY), Column("Cost", MONEY))
CHARGE_AND_COST_BARS: Final = (
    Column("Charge", MONEY, colour="fixed:blue"),
    Column("Cost", MONEY, colour="fixed:orange"),
)
TWO_MONTHS_BARS: Final = (
    Column("This month", MONEY, colour="fixed:blue"),
    Column("Last month", MONEY, colour="fixed:gray"),
)
MARGIN: Final = (
    Column("Margin", thresholds=BELOW_ZERO_IS_RED),
    Column("Margin %", PERCENT, thresholds=BELOW_ZERO_IS_RED),
)
BUDGET_USED: Final = (
    Column("Used", PERCENT, thresholds=BUDGET),
    Column("Forecast", PERCENT, thresholds=BUDGET),
)
CALLS_AND_TOKENS: Final = tuple(Column(name, COUNT) for name in ("Calls", "Tokens in", "Tokens out"))
GAPS: Final = (
    Column("Unpriced", COUNT, thresholds=ANY_IS_ORANGE),
    Column("Incomplete", COUNT, thresholds=ANY_IS_ORANGE, width=88),
)
PROVIDED: Final = Column("Provider", width=90)
MODEL: Final = Column("Model", width=170)
PROJECT: Final = Column("Project", width=110)
UNIT: Final = Column("Unit", width=150)


def orange(*names: str) -> tuple[Column, ...]:
    """Columns of calls that should not be there."""
    return tuple(Column(name, thresholds=ANY_IS_ORANGE) for name in names)


def linked_client(*, width: int) -> tuple[Column, ...]:
    """A client's name, which leads to its page; the query gives its id beside it."""
    return (Column("client_id", hidden=True), Column("Client", link=TO_CLIENT, width=width))


def a_series_each(name: str, value: str) -> Json:
    """Of rows of a day, a name and a value: a column of bars for each name."""
    return {
        "id": "groupingToMatrix",
        "options": {"rowField": "Day", "columnField": name, "valueField": value, "emptyValue": "null"},
    }


def fees(where: str, description: str) -> Panel:
    """What stands in a statement beside usage."""
    return table(
        "Fees, minimum and corrections, ${currency}",
        description,
        f"""
SELECT
    multiIf(corrects != month, concat('correction of ', corrects), kind = 'fee', 'fee', 'what the minimum adds') AS "What",
    if(kind = 'usage', concat(provider, ' ', model), concat(toString(first_day), ' to ', toString(last_day))) AS "Of",
    lines.charge AS "Charge"
FROM billed_lines AS lines
WHERE {where} AND (corrects != month OR kind != 'usage')
ORDER BY "What", "Of"
""",
        width=12,
        height=6,
        empty="none: all is usage",
        columns=(Column("Of", width=190), Column("Charge", MONEY)),
    )


def gaps(where: str, description: str, **more: Any) -> Panel:
    """Calls that are in no sum, by reason."""
    return table(
        "What is not in these figures, and why",
        description,
        f"""
SELECT gap AS "What", reason AS "Reason", sum(month_gaps.calls) AS "Calls"
FROM month_gaps
WHERE {where}
GROUP BY gap, reason
ORDER BY "Calls" DESC, reason
""",
        width=12,
        height=6,
        empty="nothing: every call has its price and its usage",
        columns=(Column("Reason", width=260), Column("Calls", COUNT)),
        **more,
    )
