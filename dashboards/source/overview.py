"""Agency overview: what the month brings, what it costs, and which clients cost more than they pay."""

from __future__ import annotations

from board import (
    ANY_IS_ORANGE,
    BELOW_ZERO_IS_RED,
    COUNT,
    MONEY,
    MONTH,
    PERCENT,
    Column,
    Dashboard,
    bars,
    numbers,
    steps,
    table,
)
from parts import (
    BEFORE,
    CHARGE_AND_COST,
    CHARGE_AND_COST_BARS,
    GAPS,
    MARGIN,
    TWO_MONTHS_BARS,
    linked_client,
    orange,
)

LOSSES = table(
    "Clients that cost more than they pay",
    "The dearest loss first. A flat fee or an allowance that is used beyond what it pays for is the usual cause: talk to "
    "the client, or change its terms from next month on. Amounts are in the client's currency; the last column is in USD.",
    """
SELECT
    losses.client_id AS client_id,
    losses.client AS "Client",
    losses.loss AS "Loses",
    losses.charge AS "Pays",
    losses.cost AS "Costs",
    losses.currency AS "Currency",
    replaceAll(terms.plan, '_', ' ') AS "Plan",
    losses.loss_usd AS "Loses, USD"
FROM losses
LEFT JOIN
(
    SELECT client_id, argMax(current_terms.plan, valid_from_day) AS plan
    FROM current_terms
    WHERE valid_from_day <= toLastDayOfMonth(toDate(concat(${month:singlequote}, '-01')))
    GROUP BY client_id
) AS terms ON terms.client_id = losses.client_id
WHERE losses.month = ${month:singlequote}
ORDER BY losses.loss_usd DESC, losses.client_id
""",
    height=5,
    empty="No client costs more than it pays in this month",
    columns=(
        *linked_client(width=170),
        Column("Loses", MONEY, thresholds=steps((None, "red")), colour="background"),
        Column("Pays", MONEY),
        Column("Costs", MONEY),
        Column("Loses, USD", MONEY, thresholds=steps((None, "red"))),
    ),
)

SUMS = numbers(
    "Month to date, USD",
    "Charge: what all clients owe so far, at the month's exchange rates, fees included, taxes not. Cost: what providers "
    "charge the agency, calls of nobody included. Margin: the difference. What is not in them is counted at the right.",
    """
SELECT
    sumOrNull(charge_usd) AS "Charge",
    sumOrNull(cost_usd) AS "Cost",
    "Charge" - "Cost" AS "Margin",
    toFloat64("Margin") * 100 / nullIf(toFloat64("Charge"), 0) AS "Margin %"
FROM margins
WHERE month = ${month:singlequote}
""",
    width=9,
    standard=MONEY,
    columns=MARGIN,
)

AGAINST = numbers(
    "Against last month, USD",
    "What clients owed by the same day of the month before (by the end of it, where the month "
    "is over), and by how much the charge at the left is more or less. Fees count on the first day of their terms.",
    f"""
SELECT
    sumIf(days.charge_usd, days.month != ${{month:singlequote}}) AS "Last month by then",
    toFloat64(sumIf(days.charge_usd, days.month = ${{month:singlequote}}) - "Last month by then") * 100
        / nullIf(toFloat64("Last month by then"), 0) AS "Change"
FROM billed_days_usd AS days
LEFT JOIN (SELECT client_id, month, today FROM present_months WHERE month = ${{month:singlequote}}) AS present
    ON present.client_id = days.client_id
WHERE days.month IN (${{month:singlequote}}, {BEFORE})
    AND days.client_state = 'known'
    AND (present.month = '' OR toDayOfMonth(days.day) <= toDayOfMonth(present.today))
""",
    width=7,
    standard=MONEY,
    columns=(Column("Change", PERCENT),),
)

NOT_IN = numbers(
    "Calls, and gaps",
    "Unpriced: usage is known and its price is not. Incomplete: usage is missing, or was cut short and is a lower bound. "
    "Of nobody: no client is named, or one without terms; their cost counts and nobody is charged for it.",
    """
SELECT
    sum(days.calls) AS "Calls",
    sum(arraySum(mapValues(days.unpriced))) AS "Unpriced",
    sum(arraySum(mapValues(days.incomplete))) AS "Incomplete",
    sumIf(days.calls, client_state != 'known') AS "Of nobody"
FROM usage_by_day AS days
WHERE month = ${month:singlequote}
""",
    width=8,
    standard=COUNT,
    columns=orange("Unpriced", "Incomplete", "Of nobody"),
)

THROUGH = bars(
    "Charge through the month, USD, running total",
    "What clients owe up to and with each day, beside the month before. Fees count on the first day of their terms, so the "
    "first bar starts there.",
    f"""
SELECT
    leftPad(toString(day_of_month), 2, '0') AS "Day",
    if(day_of_month <= last_day, sum(added) OVER (ORDER BY day_of_month), NULL) AS "This month",
    if(day_of_month <= last_day_before, sum(added_before) OVER (ORDER BY day_of_month), NULL) AS "Last month"
FROM
(
    SELECT
        day_of_month,
        sumIf(charge_usd, month = ${{month:singlequote}}) AS added,
        sumIf(charge_usd, month = {BEFORE}) AS added_before
    FROM
    (
        SELECT toDayOfMonth(day) AS day_of_month, month, toFloat64(ifNull(charge_usd, 0)) AS charge_usd
        FROM billed_days_usd
        WHERE month IN (${{month:singlequote}}, {BEFORE}) AND client_state = 'known'
        UNION ALL
        SELECT toUInt8(number + 1), '', 0 FROM numbers(31)
    )
    GROUP BY day_of_month
) AS days
CROSS JOIN
(
    SELECT
        toDayOfMonth(least(toLastDayOfMonth(toDate(concat(${{month:singlequote}}, '-01'))), max(today))) AS last_day,
        toDayOfMonth(toLastDayOfMonth(toDate(concat({BEFORE}, '-01')))) AS last_day_before
    FROM present_months
) AS ends
ORDER BY day_of_month
""",
    width=16,
    height=9,
    columns=TWO_MONTHS_BARS,
)

TOP = bars(
    "Top clients by charge, USD",
    "The ten that owe most this month, and what they cost.",
    """
SELECT
    if(clients.name = '', margins.client_id, clients.name) AS "Client",
    margins.charge_usd AS "Charge",
    margins.cost_usd AS "Cost"
FROM margins
LEFT JOIN current_clients AS clients ON clients.client_id = margins.client_id
WHERE margins.month = ${month:singlequote} AND margins.client_state = 'known' AND margins.charge_usd IS NOT NULL
ORDER BY margins.charge_usd DESC, margins.client_id
LIMIT 10
""",
    width=8,
    height=9,
    horizontal=True,
    empty="No client has terms in this month",
    columns=CHARGE_AND_COST_BARS,
)

CLIENTS = table(
    "Clients, USD",
    "Those that cost more than they pay first, then by charge. A change is against the whole month before. An empty charge is not "
    "known: the client has no exchange rate or no price for what it used. Click a name for the client's own page.",
    f"""
SELECT
    now_.client_id AS client_id,
    if(clients.name = '', now_.client_id, clients.name) AS "Client",
    now_.charge_usd AS "Charge",
    now_.cost_usd AS "Cost",
    now_.margin_usd AS "Margin",
    toFloat64(now_.margin_usd) * 100 / nullIf(toFloat64(now_.charge_usd), 0) AS "Margin %",
    toFloat64(now_.charge_usd - now_.charge_before) * 100 / nullIf(toFloat64(now_.charge_before), 0) AS "Change %",
    now_.calls AS "Calls",
    now_.unpriced_calls AS "Unpriced",
    now_.incomplete_calls AS "Incomplete"
FROM
(
    SELECT
        m.client_id AS client_id,
        anyIf(m.charge_usd, m.month = ${{month:singlequote}}) AS charge_usd,
        anyIf(m.cost_usd, m.month = ${{month:singlequote}}) AS cost_usd,
        anyIf(m.margin_usd, m.month = ${{month:singlequote}}) AS margin_usd,
        anyIf(m.charge_usd, m.month != ${{month:singlequote}}) AS charge_before,
        sumIf(m.calls, m.month = ${{month:singlequote}}) AS calls,
        sumIf(m.unpriced_calls, m.month = ${{month:singlequote}}) AS unpriced_calls,
        sumIf(m.incomplete_calls, m.month = ${{month:singlequote}}) AS incomplete_calls
    FROM margins AS m
    WHERE m.month IN (${{month:singlequote}}, {BEFORE}) AND m.client_state = 'known'
    GROUP BY client_id
    HAVING countIf(m.month = ${{month:singlequote}}) > 0
) AS now_
LEFT JOIN current_clients AS clients ON clients.client_id = now_.client_id
ORDER BY least(ifNull(now_.margin_usd, 0), 0), now_.charge_usd DESC NULLS LAST, now_.client_id
""",
    height=11,
    empty="No client has terms in this month: spanledger clients apply clients.yaml",
    columns=(
        *linked_client(width=190),
        *CHARGE_AND_COST,
        Column("Margin", MONEY, thresholds=BELOW_ZERO_IS_RED),
        Column("Margin %", PERCENT, thresholds=BELOW_ZERO_IS_RED),
        Column("Change %", PERCENT),
        Column("Calls", COUNT),
        *GAPS,
    ),
)

NOBODYS = table(
    "Calls that nobody pays for, USD",
    "Unattributed: the app named no client; wrap the call in bill_to. Unknown: it named one without terms at that time; add "
    "the client to clients.yaml, or send the calls to another with spanledger attribute.",
    """
SELECT
    margins.client_state AS "State",
    if(margins.client_id = '', '(no client named)', margins.client_id) AS "Named",
    margins.calls AS "Calls",
    margins.cost_usd AS "Cost",
    margins.unpriced_calls AS "Unpriced"
FROM margins
WHERE margins.month = ${month:singlequote} AND margins.client_state != 'known' AND margins.calls > 0
ORDER BY margins.cost_usd DESC NULLS LAST, margins.client_id
LIMIT 100
""",
    height=6,
    empty="Every call of this month names a client with terms",
    columns=(
        Column("Cost", MONEY),
        Column("Calls", COUNT),
        Column("Unpriced", COUNT, thresholds=ANY_IS_ORANGE),
    ),
)

DASHBOARD = Dashboard(
    uid="spanledger-overview",
    title="Agency overview",
    description="What the month brings and costs, client by client; those that cost more than they pay on top.",
    variables=(MONTH,),
    panels=(LOSSES, SUMS, AGAINST, NOT_IN, THROUGH, TOP, CLIENTS, NOBODYS),
)
