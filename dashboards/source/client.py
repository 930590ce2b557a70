"""Client: everything that one client's account manager asks, in the currency that the client is charged in."""

from __future__ import annotations

from board import (
    COUNT,
    MONEY,
    MONTH,
    PERCENT,
    Column,
    Dashboard,
    Variable,
    bars,
    link,
    numbers,
    table,
)
from parts import (
    BEFORE,
    BUDGET_USED,
    CALLS_AND_TOKENS,
    CHARGE_AND_COST,
    CHARGE_AND_COST_BARS,
    GAPS,
    IN_TOKENS,
    MARGIN,
    MODEL,
    NO_CALLS,
    OUT_TOKENS,
    PROJECT,
    UNIT,
    a_series_each,
    fees,
    gaps,
    orange,
)

CLIENT = Variable(
    "client",
    "Client",
    "Clients that have or had terms, and ids that calls of the month name without.",
    # An id without terms is what some app sent: only plain ones are offered, for they go into queries.
    """
SELECT client_id, argMax(name, ranked) AS shown
FROM
(
    SELECT client_id, name, 1 AS ranked FROM current_clients
    UNION ALL
    SELECT toString(client_id), concat(toString(client_id), ' (no terms)'), 0
    FROM usage_by_day
    WHERE month = ${month:singlequote} AND client_state = 'unknown'
)
WHERE match(client_id, '^[A-Za-z0-9._:@/-]{1,128}$')
GROUP BY client_id
ORDER BY lower(shown), client_id
""",
)

CURRENCY = Variable(
    "currency",
    "Currency",
    "What the client is charged in, in this month; it changes on a month's first day only.",
    """
SELECT if(count() = 0, 'USD', toString(argMax(terms.currency, valid_from_day))) AS currency
FROM current_terms AS terms
WHERE client_id = ${client:singlequote}
    AND valid_from_day <= toLastDayOfMonth(toDate(concat(${month:singlequote}, '-01')))
""",
    hidden=True,
)

OF_CLIENT = "client_id = ${client:singlequote} AND month = ${month:singlequote}"

SUMS = numbers(
    "Month to date, ${currency}",
    "Charge: what the client owes so far, fees and minimum included, taxes and corrections of earlier months not. Fees: what "
    "of it is owed whatever was used. Cost: what providers charge for it. Margin: the difference. Of a closed month: as it was closed.",
    f"""
SELECT
    charge AS "Charge",
    fees + minimum_adds AS "Fees in it",
    cost AS "Cost",
    margin AS "Margin",
    toFloat64(margin) * 100 / nullIf(toFloat64(charge), 0) AS "Margin %"
FROM margins
WHERE {OF_CLIENT} AND client_state = 'known'
""",
    width=13,
    standard=MONEY,
    empty="not known",
    columns=MARGIN,
)

STATE = numbers(
    "State",
    "Open: figures still change. Closed: they are frozen under the statement's number, and what comes late is corrected in the "
    "next month's statement.",
    f"""
SELECT if(count() = 0, 'open', concat('closed ', toString(toDate(max(closed_at))), ' as ', toString(max(number)))) AS "Month"
FROM closes
WHERE {OF_CLIENT}
""",
    width=4,
    named=False,
)

NOT_IN = numbers(
    "Calls, and gaps",
    "Unpriced: usage is known and its price is not. Incomplete: usage is missing, or was cut short and is a lower bound.",
    f"""
SELECT
    sum(days.calls) AS "Calls",
    sum(arraySum(mapValues(days.unpriced))) AS "Unpriced",
    sum(arraySum(mapValues(days.incomplete))) AS "Incomplete"
FROM usage_by_day AS days
WHERE {OF_CLIENT}
""",
    width=7,
    standard=COUNT,
    columns=orange("Unpriced", "Incomplete"),
)

BUDGET_LEFT = numbers(
    "Budget",
    "How much of the month's budget is used, what it will be at the month's end as the last whole days went, and the day on "
    "which it runs out at that rate. A budget on cost is in USD.",
    f"""
SELECT
    share_percent AS "Used",
    forecast_percent AS "Forecast",
    concat(toString(toDecimal64(amount, 2)), ' ', currency, if(basis = 'cost', ' of cost', '')) AS "Of",
    multiIf(
        month_is_over, 'the month is over',
        runs_out_on IS NULL, 'not this month',
        toString(runs_out_on)
    ) AS "Runs out"
FROM budget_status
WHERE {OF_CLIENT}
""",
    width=12,
    empty="no budget",
    columns=BUDGET_USED,
)

AGAINST = numbers(
    "Charge against last month, ${currency}",
    "What the client owes so far, beside what it owed by the same day of the month before (by the end of it, where the month is "
    "over). What it was charged in another currency is left out.",
    f"""
SELECT
    sumIf(days.charge, days.month = ${{month:singlequote}}) AS "So far",
    sumIf(days.charge, days.month != ${{month:singlequote}} AND days.currency = ${{currency:singlequote}}) AS "Last month by then",
    toFloat64("So far" - "Last month by then") * 100 / nullIf(toFloat64("Last month by then"), 0) AS "Change"
FROM billed_days AS days
LEFT JOIN (SELECT client_id, month, today FROM present_months WHERE month = ${{month:singlequote}}) AS present
    ON present.client_id = days.client_id
WHERE days.client_id = ${{client:singlequote}}
    AND days.month IN (${{month:singlequote}}, {BEFORE})
    AND days.client_state = 'known'
    AND (present.month = '' OR toDayOfMonth(days.day) <= toDayOfMonth(present.today))
""",
    width=12,
    standard=MONEY,
    columns=(Column("Change", PERCENT),),
)

BY_DAY = bars(
    "Charge and cost by day, USD",
    "By the client's own days. A fee stands on the first day of its terms. Charge at the month's exchange rate.",
    f"""
SELECT
    formatDateTime(day, '%d') AS "Day",
    toFloat64(sum(ifNull(charge_usd, 0))) AS "Charge",
    toFloat64(sum(ifNull(cost_usd, 0))) AS "Cost"
FROM
(
    SELECT day, charge_usd, cost_usd FROM billed_days_usd WHERE {OF_CLIENT}
    UNION ALL
    SELECT arrayJoin(range(toUInt32(first_day), toUInt32(last_day) + 1))::Date, 0, 0
    FROM (SELECT toDate(concat(${{month:singlequote}}, '-01')) AS first_day, toLastDayOfMonth(first_day) AS last_day)
)
GROUP BY day
ORDER BY day
""",
    width=12,
    height=9,
    columns=CHARGE_AND_COST_BARS,
)

BY_DAY_AND_MODEL = bars(
    "Cost by day and model, USD",
    "Where a rise comes from: what each model cost on each of the client's days. Beyond the eight dearest they are one.",
    f"""
SELECT
    formatDateTime(day, '%d') AS "Day",
    if(model IN (
        SELECT model FROM usage_by_day WHERE {OF_CLIENT} GROUP BY model ORDER BY sum(ifNull(cost_usd, 0)) DESC, model LIMIT 8
    ), if(model = '', 'no model named', model), 'all others') AS model_shown,
    toFloat64(sum(ifNull(cost_usd, 0))) AS cost
FROM usage_by_day
WHERE {OF_CLIENT}
GROUP BY day, model_shown
ORDER BY day, model_shown
""",
    width=12,
    height=9,
    stacked=True,
    empty=NO_CALLS,
    standard=MONEY,
    transformations=(a_series_each("model_shown", "cost"),),
)

MODELS = table(
    "Models, ${currency}",
    "What was used of each model, what it costs and what is charged for it; with fees they add up to the statement. Tokens in "
    "include cached ones.",
    f"""
SELECT
    if(model = '', 'no model named', model) AS "Model",
    provider AS "Provider",
    lines.charge AS "Charge",
    lines.cost AS "Cost",
    lines.calls AS "Calls",
    toFloat64({IN_TOKENS.format(units="lines.units")}) AS "Tokens in",
    toFloat64({OUT_TOKENS.format(units="lines.units")}) AS "Tokens out",
    lines.unpriced_calls AS "Unpriced",
    lines.incomplete_calls AS "Incomplete"
FROM billed_lines AS lines
WHERE {OF_CLIENT} AND corrects = month AND kind = 'usage'
ORDER BY lines.charge DESC NULLS LAST, lines.cost DESC NULLS LAST, provider, model
""",
    width=24,
    empty=NO_CALLS,
    columns=(
        MODEL,
        *CALLS_AND_TOKENS,
        *CHARGE_AND_COST,
        *GAPS,
    ),
)

PROJECTS = table(
    "Projects, USD of cost",
    "The agency's own break-down; a project never changes what is owed, so it has a cost and no charge.",
    f"""
SELECT
    if(project = '', '(none)', project) AS "Project",
    sum(days.calls) AS "Calls",
    toFloat64(sum({IN_TOKENS.format(units="days.units")})) AS "Tokens in",
    toFloat64(sum({OUT_TOKENS.format(units="days.units")})) AS "Tokens out",
    sumOrNull(days.cost_usd) AS "Cost"
FROM usage_by_day AS days
WHERE {OF_CLIENT}
GROUP BY project
ORDER BY "Cost" DESC NULLS LAST, project
""",
    width=12,
    empty=NO_CALLS,
    columns=(PROJECT, *CALLS_AND_TOKENS, Column("Cost", MONEY)),
)

UNITS = table(
    "Units, ${currency}",
    "What each kind of quantity costs and is charged; units of one call never overlap. A whole cost that the provider states "
    "itself is not told apart.",
    f"""
SELECT
    unit AS "Unit",
    toFloat64(sum(quantity)) AS "Quantity",
    sumOrNull(charges.charge) AS "Charge",
    sumOrNull(charges.cost) AS "Cost"
FROM charges
WHERE {OF_CLIENT} AND kind = 'usage'
GROUP BY unit
ORDER BY "Charge" DESC NULLS LAST, unit
""",
    width=12,
    empty=NO_CALLS,
    columns=(UNIT, Column("Quantity", COUNT), *CHARGE_AND_COST),
)

FEES = fees(
    OF_CLIENT,
    "What stands in the statement beside usage. A correction mends a closed month by what came or changed after its close.",
)

GAPS_BY_REASON = gaps(
    OF_CLIENT,
    "Calls whose price or usage is not known, by reason, and calls that were refused and cost nothing. spanledger usage and the "
    "page Models and prices say what to do about the first two.",
    links=(link("Models and prices", "spanledger-models", month="${month:percentencode}"),),
)

TERMS = table(
    "Terms",
    "What the client is charged by in this month, as clients.yaml has it. Money is in the client's currency, thresholds of tiers "
    "and allowances in USD of cost. Overrides are markups of some models or units of their own.",
    """
SELECT
    toString(greatest(valid_from_day, toDate('1971-01-01'))) AS "From",
    replaceAll(plan, '_', ' ') AS "Plan",
    fee AS "Fee",
    allowance_cost_usd AS "Allowance",
    minimum AS "Minimum",
    arrayStringConcat(arrayMap(
        tier -> concat(if(tier.1 > 0, concat('from ', toString(toDecimal64(tier.1, 2)), ' USD '), ''), toString(toFloat64(tier.2)), ' %'), tiers
    ), '; ') AS "Markup",
    length(overrides) AS "Overrides",
    timezone AS "Timezone",
    if(tax_name = '', 'none', concat(tax_name, ' ', toString(toFloat64(tax_percent)), ' %')) AS "Tax"
FROM current_terms
WHERE client_id = ${client:singlequote}
    AND valid_from_day <= toLastDayOfMonth(toDate(concat(${month:singlequote}, '-01')))
    AND valid_to_day > toDate(concat(${month:singlequote}, '-01'))
ORDER BY valid_from_day
""",
    width=24,
    height=5,
    empty="no terms in this month: its calls are charged to nobody",
    columns=(
        Column("Fee", MONEY),
        Column("Allowance", MONEY),
        Column("Minimum", MONEY),
        Column("Overrides", COUNT),
        Column("Timezone", width=140),
    ),
)

MONTHS = bars(
    "The last six months, USD",
    "Charge and cost, each at its month's exchange rate; closed months as they were closed.",
    """
SELECT month AS "Month", charge_usd AS "Charge", cost_usd AS "Cost"
FROM margins
WHERE client_id = ${client:singlequote}
    AND client_state = 'known'
    AND month <= ${month:singlequote}
    AND month >= formatDateTime(addMonths(toDate(concat(${month:singlequote}, '-01')), -5), '%Y-%m')
ORDER BY month
""",
    width=24,
    height=7,
    empty="no terms in these months",
    columns=CHARGE_AND_COST_BARS,
)

DASHBOARD = Dashboard(
    uid="spanledger-client",
    title="Client",
    description="One client's month: what it owes, what it costs, where that comes from, and what is not known.",
    variables=(MONTH, CLIENT, CURRENCY),
    panels=(
        SUMS, STATE, NOT_IN, BUDGET_LEFT, AGAINST, BY_DAY, BY_DAY_AND_MODEL, MODELS, PROJECTS, UNITS, FEES, GAPS_BY_REASON, TERMS,
        MONTHS,
    ),
)  # fmt: skip
