"""What a client sees of its own: `spanledger grafana share` puts one of these two into the client's organisation.

They read the client's own views (schema/README.md, What a client may see), which hold no other client's rows, so no
query names a client; and the one without cost names no column that the views then lack.
"""

from __future__ import annotations

import json
from pathlib import Path

from board import (
    COUNT,
    MONEY,
    Column,
    Dashboard,
    Panel,
    Variable,
    bars,
    numbers,
    table,
)
from parts import (
    BUDGET_USED,
    CALLS_AND_TOKENS,
    GAPS,
    IN_TOKENS,
    MARGIN,
    MODEL,
    NO_CALLS,
    OUT_TOKENS,
    PROJECT,
    PROVIDED,
    UNIT,
    fees,
    gaps,
)

FOLDER = Path(__file__).parents[1] / "share"

MONTH = Variable(
    "month",
    "Month",
    "The client's own months, by its timezone; the present one first.",
    "SELECT month FROM margins ORDER BY month DESC",
)

CURRENCY = Variable(
    "currency",
    "Currency",
    "What is charged in, in this month.",
    "SELECT currency FROM margins WHERE month = ${month:singlequote}",
    hidden=True,
)

OF_MONTH = "month = ${month:singlequote}"


def panels(*, with_cost: bool) -> tuple[Panel, ...]:
    """With what the agency pays, or without."""

    def cost(sql: str) -> str:
        return sql if with_cost else ""

    costs = (Column("Cost", MONEY),) if with_cost else ()
    return (
        numbers(
            "Month to date, ${currency}",
            "What is owed so far, fees and minimum included, taxes and corrections of earlier months not. Of a closed month: "
            "as its statement has it." + cost(" Cost: what providers charge. Margin: the difference."),
            'SELECT charge AS "Charge", fees + minimum_adds AS "Fees in it"'
            + cost(
                ', cost AS "Cost", margin AS "Margin", '
                'toFloat64(margin) * 100 / nullIf(toFloat64(charge), 0) AS "Margin %"'
            )
            + f" FROM margins WHERE {OF_MONTH}",
            width=12,
            standard=MONEY,
            columns=MARGIN if with_cost else (),
        ),
        numbers(
            "Calls, and gaps",
            "Unpriced: usage is known and its price is not. Incomplete: usage is missing, or was cut short.",
            f'SELECT calls AS "Calls", unpriced_calls AS "Unpriced", incomplete_calls AS "Incomplete" FROM margins WHERE {OF_MONTH}',
            width=6,
            standard=COUNT,
            columns=GAPS,
        ),
        numbers(
            "Budget",
            "How much of the month's budget is used, and what it will be at the month's end at this rate.",
            f"""
SELECT
    share_percent AS "Used",
    forecast_percent AS "Forecast",
    concat(toString(toDecimal64(amount, 2)), ' ', currency) AS "Of"
FROM budget_status
WHERE {OF_MONTH}
""",
            width=6,
            empty="no budget",
            columns=BUDGET_USED,
        ),
        bars(
            "Charge by day, ${currency}",
            "By the client's own days. A fee stands on the first day of its terms.",
            f"""
SELECT formatDateTime(day, '%d') AS "Day", toFloat64(days.charge) AS "Charge"
FROM billed_days AS days
WHERE {OF_MONTH}
ORDER BY day
""",
            width=24,
            height=8,
            empty="nothing in this month",
            columns=(Column("Charge", MONEY, colour="fixed:blue"),),
        ),
        table(
            "Models, ${currency}",
            "What was used of each model and what is charged for it; with fees it adds up to the statement.",
            f"""
SELECT
    if(model = '', 'no model named', model) AS "Model",
    provider AS "Provider",
    lines.charge AS "Charge",{cost(' lines.cost AS "Cost",')}
    lines.calls AS "Calls",
    toFloat64({IN_TOKENS.format(units="lines.units")}) AS "Tokens in",
    toFloat64({OUT_TOKENS.format(units="lines.units")}) AS "Tokens out",
    lines.unpriced_calls AS "Unpriced",
    lines.incomplete_calls AS "Incomplete"
FROM billed_lines AS lines
WHERE {OF_MONTH} AND corrects = month AND kind = 'usage'
ORDER BY lines.charge DESC NULLS LAST, provider, model
""",
            empty=NO_CALLS,
            columns=(MODEL, PROVIDED, *CALLS_AND_TOKENS, Column("Charge", MONEY), *costs, *GAPS),
        ),
        table(
            "Projects",
            "The agency's own break-down; a project never changes what is owed." + cost(" Cost is in USD."),
            f"""
SELECT
    if(project = '', '(none)', project) AS "Project",
    sum(days.calls) AS "Calls",
    toFloat64(sum({IN_TOKENS.format(units="days.units")})) AS "Tokens in",
    toFloat64(sum({OUT_TOKENS.format(units="days.units")})) AS "Tokens out"{cost(', sumOrNull(days.cost_usd) AS "Cost"')}
FROM usage_by_day AS days
WHERE {OF_MONTH}
GROUP BY project
ORDER BY "Calls" DESC, project
""",
            width=12,
            empty=NO_CALLS,
            columns=(PROJECT, *CALLS_AND_TOKENS, *costs),
        ),
        table(
            "Units, ${currency}",
            "What is charged for each kind of quantity; units of one call never overlap.",
            f"""
SELECT
    unit AS "Unit",
    toFloat64(sum(quantity)) AS "Quantity",
    sumOrNull(charges.charge) AS "Charge"{cost(', sumOrNull(charges.cost) AS "Cost"')}
FROM charges
WHERE {OF_MONTH} AND kind = 'usage'
GROUP BY unit
ORDER BY "Charge" DESC NULLS LAST, unit
""",
            width=12,
            empty=NO_CALLS,
            columns=(UNIT, Column("Quantity", COUNT), Column("Charge", MONEY), *costs),
        ),
        fees(
            OF_MONTH,
            "What stands in the statement beside usage. A correction mends a closed month by what came after its close.",
        ),
        gaps(
            OF_MONTH,
            "Calls whose price or usage is not known, by reason, and calls that were refused and cost nothing.",
        ),
        table(
            "Statements",
            "Months that are closed: what their statements say, taxes included in the total.",
            """
SELECT month AS "Month", statement_number AS "Statement", toString(toDate(closed_at)) AS "Closed", currency AS "Currency", net AS "Net", total AS "Total"
FROM closes
ORDER BY month DESC
""",
            empty="no month is closed yet",
            columns=(Column("Net", MONEY), Column("Total", MONEY)),
        ),
    )


def dashboard(*, with_cost: bool) -> Dashboard:
    return Dashboard(
        uid="spanledger-share",
        title="Usage and charges",
        description="One client's month: what was used, what it is charged, and what is not known yet.",
        variables=(MONTH, CURRENCY),
        panels=panels(with_cost=with_cost),
    )


def built() -> dict[Path, str]:
    """File -> what is to stand in it."""
    made = {"client": dashboard(with_cost=True), "client-without-cost": dashboard(with_cost=False)}
    return {
        FOLDER / f"{name}.json": json.dumps(each.json(), indent=2, ensure_ascii=False) + "\n"
        for name, each in made.items()
    }


if __name__ == "__main__":
    for path, text in built().items():
        path.write_text(text, encoding="utf-8")
