"""Models and prices: the mix, what a call costs, what caching saves, and what has no price."""

from __future__ import annotations

from board import (
    ANY_IS_ORANGE,
    BELOW_ZERO_IS_RED,
    COUNT,
    MONEY,
    MONTH,
    PERCENT,
    SMALL_MONEY,
    Column,
    Dashboard,
    Variable,
    bars,
    numbers,
    steps,
    table,
)
from parts import (
    BEFORE,
    GAPS,
    IN_TOKENS,
    MODEL,
    NO_CALLS,
    OUT_TOKENS,
    PROVIDED,
    TWO_MONTHS_BARS,
    UNIT,
    a_series_each,
    orange,
)

CLIENT = Variable(
    "client",
    "Client",
    "Only this client's calls.",
    "SELECT client_id, name FROM current_clients ORDER BY lower(name), client_id",
    all_=True,
)

PROVIDER = Variable(
    "provider",
    "Provider",
    "Only this provider's models.",
    """
SELECT DISTINCT toString(provider) AS provider
FROM usage_by_day
WHERE month = ${month:singlequote} AND match(provider, '^[A-Za-z0-9._:@/-]{1,128}$')
ORDER BY provider
""",
    all_=True,
)

CHOSEN = (
    "('*' IN (${client:singlequote}) OR client_id IN (${client:singlequote}))"
    " AND ('*' IN (${provider:singlequote}) OR provider IN (${provider:singlequote}))"
)
HERE = "month = ${month:singlequote} AND " + CHOSEN

# Of a model's month: tokens of calls that have a price, for the others are in no cost.
SAVED = f"""
SELECT
    provider,
    model,
    sumMap(units) AS all_units,
    sumMap(unpriced_units) AS left_out,
    sumMap(days.costs) AS all_costs,
    toFloat64(all_units['input'] - left_out['input']) AS plain,
    toFloat64(all_costs['input']) / nullIf(plain, 0) AS usd_per_token,
    toFloat64(arraySum(mapValues(mapFilter((unit, n) -> startsWith(unit, 'cache_'), all_units)))
        - arraySum(mapValues(mapFilter((unit, n) -> startsWith(unit, 'cache_'), left_out)))) AS cached,
    toFloat64(arraySum(mapValues(mapFilter((unit, n) -> startsWith(unit, 'cache_'), all_costs)))) AS cached_usd,
    if(cached_usd > 0, cached * usd_per_token - cached_usd, NULL) AS saved_usd
FROM usage_by_day AS days
WHERE {HERE}
GROUP BY provider, model
"""

SUMS = numbers(
    "The month's calls, USD",
    "Cost of all calls, nobody's included, and what one costs in the mean over those whose cost is known. What is not in it is "
    "counted at the right.",
    f"""
SELECT
    sum(days.calls) AS "Calls",
    sumOrNull(days.cost_usd) AS "Cost",
    toFloat64("Cost") / nullIf(sum(days.calls) - sum(arraySum(mapValues(days.unpriced))), 0) AS "Cost per priced call"
FROM usage_by_day AS days
WHERE {HERE}
""",
    width=9,
    standard=MONEY,
    empty="no calls",
    columns=(Column("Calls", COUNT), Column("Cost per priced call", SMALL_MONEY)),
)

CACHE = numbers(
    "Caching",
    "Cached: share of the tokens asked for that came from a cache. Saved: what cached tokens would have cost at the same model's mean "
    "price of plain input in this month, less what reading and writing them did cost. An estimate; below zero caching costs more than it "
    "saves. Models whose cached or plain input has no cost of its own are not in it.",
    f"""
SELECT
    (
        SELECT
            toFloat64(sum(arraySum(mapValues(mapFilter((unit, n) -> startsWith(unit, 'cache_read'), days.units))))) * 100
            / nullIf(toFloat64(sum({IN_TOKENS.format(units="days.units")})), 0)
        FROM usage_by_day AS days
        WHERE {HERE}
    ) AS "Cached %",
    (SELECT sumOrNull(saved_usd) FROM ({SAVED})) AS "Saved, USD"
""",
    width=7,
    empty="nothing cached",
    columns=(Column("Cached %", PERCENT), Column("Saved, USD", MONEY, thresholds=BELOW_ZERO_IS_RED)),
)

NOT_IN = numbers(
    "Not in the cost",
    "Unpriced: usage is known and its price is not; the table below says why. Incomplete: usage is missing or was cut short. "
    "Refused before any output: cost nothing.",
    f"""
SELECT
    sum(arraySum(mapValues(days.unpriced))) AS "Unpriced",
    sum(arraySum(mapValues(days.incomplete))) AS "Incomplete",
    sum(days.refused) AS "Refused"
FROM usage_by_day AS days
WHERE {HERE}
""",
    width=8,
    standard=COUNT,
    columns=orange("Unpriced", "Incomplete"),
)

MIX = bars(
    "Cost by model, USD",
    "The fifteen dearest models, beside the month before.",
    f"""
SELECT
    if(model = '', 'no model named', model) AS "Model",
    toFloat64(sumIf(ifNull(days.cost_usd, 0), month = ${{month:singlequote}})) AS "This month",
    toFloat64(sumIf(ifNull(days.cost_usd, 0), month != ${{month:singlequote}})) AS "Last month"
FROM usage_by_day AS days
WHERE month IN (${{month:singlequote}}, {BEFORE}) AND {CHOSEN}
GROUP BY model
HAVING sumIf(days.calls, month = ${{month:singlequote}}) > 0
ORDER BY "This month" DESC, model
LIMIT 15
""",
    width=12,
    height=10,
    horizontal=True,
    empty=NO_CALLS,
    columns=TWO_MONTHS_BARS,
)

BY_DAY = bars(
    "Cost by day and provider, USD",
    "By each client's own days.",
    f"""
SELECT
    formatDateTime(day, '%d') AS "Day",
    if(provider = '', 'no provider named', provider) AS provider_shown,
    toFloat64(sum(ifNull(cost_usd, 0))) AS cost
FROM usage_by_day
WHERE {HERE}
GROUP BY day, provider_shown
ORDER BY day, provider_shown
""",
    width=12,
    height=10,
    stacked=True,
    empty=NO_CALLS,
    standard=MONEY,
    transformations=(a_series_each("provider_shown", "cost"),),
)

MODELS = table(
    "Models, USD",
    "What each model is used for and costs. Per call, and per million (M) tokens, in and out together: of calls whose cost is known.",
    f"""
SELECT
    if(model = '', 'no model named', model) AS "Model",
    provider AS "Provider",
    sumOrNull(days.cost_usd) AS "Cost",
    sum(days.calls) AS "Calls",
    toFloat64("Cost") * 100 / nullIf(toFloat64(sum("Cost") OVER ()), 0) AS "Share",
    toFloat64("Cost") / nullIf("Calls" - "Unpriced", 0) AS "Per call",
    toFloat64("Cost") * 1e6 / nullIf("Tokens in" + "Tokens out" - toFloat64(sum(
        {IN_TOKENS.format(units="days.unpriced_units")} + {OUT_TOKENS.format(units="days.unpriced_units")}
    )), 0) AS "Per M",
    toFloat64(sum({IN_TOKENS.format(units="days.units")})) AS "Tokens in",
    toFloat64(sum({OUT_TOKENS.format(units="days.units")})) AS "Tokens out",
    sum(arraySum(mapValues(days.unpriced))) AS "Unpriced",
    sum(arraySum(mapValues(days.incomplete))) AS "Incomplete"
FROM usage_by_day AS days
WHERE {HERE}
GROUP BY provider, model
HAVING "Calls" > 0 OR "Unpriced" > 0 OR "Incomplete" > 0
ORDER BY "Cost" DESC NULLS LAST, provider, model
""",
    height=10,
    empty=NO_CALLS,
    columns=(
        PROVIDED,
        MODEL,
        Column("Calls", COUNT),
        *(Column(name, COUNT, width=92) for name in ("Tokens in", "Tokens out")),
        Column("Cost", MONEY),
        Column("Share", PERCENT, cell="gauge", minimum=0, maximum=100, thresholds=steps((None, "blue"))),
        Column("Per call", SMALL_MONEY, width=78),
        Column("Per M", MONEY),
        *GAPS,
    ),
)

UNPRICED = table(
    "Without a price",
    "Usage that is known and has no price, and so is in no cost and no charge. spanledger prices show MODEL tells what is known of a "
    "model; then spanledger prices sync, or an override in prices/, and spanledger reprice for the calls that are there.",
    f"""
SELECT
    provider AS "Provider",
    if(model = '', 'no model named', model) AS "Model",
    found.1 AS "Reason",
    sum(found.2) AS "Calls",
    uniqExact(client_id) AS "Clients",
    toString(min(day)) AS "First day",
    toString(max(day)) AS "Last day"
FROM usage_by_day
ARRAY JOIN arrayZip(mapKeys(unpriced), mapValues(unpriced)) AS found
WHERE {HERE}
GROUP BY provider, model, "Reason"
ORDER BY "Calls" DESC, provider, model, "Reason"
LIMIT 200
""",
    height=6,
    empty="Every call of this month has its price",
    columns=(
        PROVIDED,
        MODEL,
        Column("Reason", width=300),
        Column("Calls", COUNT, thresholds=ANY_IS_ORANGE),
        Column("Clients", COUNT),
    ),
)

CACHED = table(
    "Caching by model, USD",
    "Cached tokens, what they cost, and what plain input would have cost in their place, as above. Empty: not known.",
    f"""
SELECT provider AS "Provider", model AS "Model", cached AS "Cached", cached_usd AS "Cost", saved_usd AS "Saved"
FROM ({SAVED})
WHERE cached > 0
ORDER BY saved_usd DESC NULLS LAST, provider, model
LIMIT 50
""",
    width=13,
    height=8,
    empty="Nothing was read from a cache",
    columns=(
        PROVIDED,
        MODEL,
        Column("Cached", COUNT, width=80),
        Column("Cost", MONEY),
        Column("Saved", MONEY, thresholds=BELOW_ZERO_IS_RED),
    ),
)

UNITS = table(
    "Units, USD",
    "What each kind of quantity costs; units of one call never overlap. stated_by_provider: whole costs that providers state themselves, "
    "not told apart.",
    f"""
SELECT unit AS "Unit", toFloat64(quantities[unit]) AS "Quantity", usd[unit] AS "Cost"
FROM (SELECT sumMap(days.units) AS quantities, sumMap(days.costs) AS usd FROM usage_by_day AS days WHERE {HERE})
ARRAY JOIN arraySort(arrayDistinct(arrayConcat(mapKeys(quantities), mapKeys(usd)))) AS unit
ORDER BY "Cost" DESC, unit
""",
    width=11,
    height=8,
    empty=NO_CALLS,
    columns=(UNIT, Column("Quantity", COUNT), Column("Cost", MONEY)),
)

LIST = table(
    "Price list in force",
    "What calls that arrive now are priced by. Older calls keep the list that priced them.",
    """
SELECT version AS "Version", source AS "Source", source_version AS "Its release", toString(toDate(imported_at)) AS "Imported"
FROM price_list
""",
    height=4,
    empty="No price list yet: spanledger prices sync",
    columns=(Column("Version", width=240),),
)

DASHBOARD = Dashboard(
    uid="spanledger-models",
    title="Models and prices",
    description="Which models are used, what a call costs, what caching saves, and what has no price.",
    variables=(MONTH, CLIENT, PROVIDER),
    panels=(SUMS, CACHE, NOT_IN, MIX, BY_DAY, MODELS, UNPRICED, CACHED, UNITS, LIST),
)
