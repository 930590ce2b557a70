"""Budgets: how much is used, where it is going, and when it runs out."""

from __future__ import annotations

from board import (
    BUDGET,
    COUNT,
    MONEY,
    MONTH,
    PERCENT,
    ROUND_PERCENT,
    Column,
    Dashboard,
    bars,
    numbers,
    steps,
    table,
)
from parts import (
    CHARGE_AND_COST,
    linked_client,
)

STANDING = numbers(
    "Budgets of the month",
    "With a budget: clients that have one in this month. Past a threshold: of those, how many have reached one of their own. Used "
    "up: how many have spent it all. Will be used up: not yet, but as the last whole days went, before the month ends.",
    """
SELECT
    count() AS "With a budget",
    countIf(notEmpty(reached_percent)) AS "Past a threshold",
    countIf(spent >= toDecimal256(amount, 12)) AS "Used up",
    countIf(spent < toDecimal256(amount, 12) AND forecast > toDecimal256(amount, 12)) AS "Will be used up"
FROM budget_status
WHERE month = ${month:singlequote}
""",
    width=16,
    standard=COUNT,
    columns=(
        Column("Past a threshold", thresholds=steps((None, "text"), (1, "orange"))),
        Column("Used up", thresholds=steps((None, "text"), (1, "red"))),
        Column("Will be used up", thresholds=steps((None, "text"), (1, "orange"))),
    ),
)

DAYS_LEFT = numbers(
    "Days left",
    "Of the month that it is now by the agency's clock, today included; none where the month is over.",
    """
SELECT if(
    month = ${month:singlequote},
    toString(toInt32(toLastDayOfMonth(today)) - toInt32(today) + 1),
    if(month > ${month:singlequote}, 'the month is over', 'the month has not begun')
) AS "Left"
FROM present_months
WHERE client_id = ''
""",
    width=8,
    named=False,
)

TABLE = table(
    "Budget by client",
    "The most used first. Spent is on charge, in the client's currency, or on cost in USD, whichever the budget is on. A day: what "
    "the last whole days, seven at most, burnt. Forecast: what the month comes to if it goes on so. Alerts at: the thresholds, in percent. "
    "Left out: calls whose price or usage is not known.",
    """
SELECT
    status.client_id AS client_id,
    if(clients.name = '', status.client_id, clients.name) AS "Client",
    status.share_percent AS "Used",
    status.spent AS "Spent",
    status.amount AS "Budget",
    concat(status.currency, if(status.basis = 'cost', ' cost', '')) AS "In",
    status.burn_per_day AS "A day",
    status.forecast AS "Forecast",
    status.forecast_percent AS "Forecast %",
    multiIf(
        status.runs_out_on IS NOT NULL, toString(status.runs_out_on),
        status.month_is_over, 'did not',
        status.forecast IS NULL, 'not known yet',
        'not this month'
    ) AS "Runs out",
    arrayStringConcat(arrayMap(t -> toString(toFloat64(t)), status.thresholds_percent), ', ') AS "Alerts at",
    status.unpriced_calls + status.incomplete_calls AS "Left out"
FROM budget_status AS status
LEFT JOIN current_clients AS clients ON clients.client_id = status.client_id
WHERE status.month = ${month:singlequote}
ORDER BY status.share_percent DESC, status.client_id
""",
    height=12,
    empty="No client has a budget in this month: give it one in clients.yaml",
    columns=(
        *linked_client(width=150),
        Column("Used", PERCENT, thresholds=BUDGET, cell="gauge", minimum=0, maximum=100),
        *(Column(name, MONEY) for name in ("Spent", "Budget", "A day", "Forecast")),
        Column("Forecast %", PERCENT, thresholds=BUDGET, width=88),
        Column("Runs out", width=108),
        Column("Alerts at", width=92),
        Column("Left out", COUNT, thresholds=steps((None, "text"), (1, "orange"))),
    ),
)

SHARES = bars(
    "Used, and forecast, in percent of the budget",
    "The twenty nearest to their budget or furthest beyond it. 100 is all of it.",
    """
SELECT
    if(clients.name = '', status.client_id, clients.name) AS "Client",
    status.share_percent AS "Used",
    status.forecast_percent AS "Forecast"
FROM budget_status AS status
LEFT JOIN current_clients AS clients ON clients.client_id = status.client_id
WHERE status.month = ${month:singlequote}
ORDER BY greatest(status.share_percent, ifNull(status.forecast_percent, 0)) DESC, status.client_id
LIMIT 20
""",
    width=14,
    height=10,
    horizontal=True,
    empty="No client has a budget in this month",
    columns=(
        Column("Used", ROUND_PERCENT, colour="fixed:blue"),
        Column("Forecast", ROUND_PERCENT, colour="fixed:gray"),
    ),
)

WITHOUT = table(
    "Clients without a budget, USD",
    "They may spend whatever they like, and no alert says so. A budget is a line in clients.yaml.",
    """
SELECT
    margins.client_id AS client_id,
    if(clients.name = '', margins.client_id, clients.name) AS "Client",
    margins.charge_usd AS "Charge",
    margins.cost_usd AS "Cost"
FROM margins
LEFT JOIN current_clients AS clients ON clients.client_id = margins.client_id
WHERE margins.month = ${month:singlequote}
    AND margins.client_state = 'known'
    AND margins.client_id NOT IN (
        SELECT client_id
        FROM current_budgets
        WHERE valid_from_day <= toLastDayOfMonth(toDate(concat(${month:singlequote}, '-01')))
            AND valid_to_day > toDate(concat(${month:singlequote}, '-01'))
    )
ORDER BY margins.charge_usd DESC NULLS LAST, margins.client_id
""",
    width=10,
    height=10,
    empty="Every client has a budget",
    columns=(
        *linked_client(width=150),
        *CHARGE_AND_COST,
    ),
)

DASHBOARD = Dashboard(
    uid="spanledger-budgets",
    title="Budgets",
    description="How much of each client's budget is used, where it is going, and when it runs out.",
    variables=(MONTH,),
    panels=(STANDING, DAYS_LEFT, TABLE, SHARES, WITHOUT),
)
