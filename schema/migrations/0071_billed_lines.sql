-- month_currencies: one row per client and month that has begun: in what currency it is charged. It changes on a month's
-- first day only, so all stretches of a month have one.

CREATE OR REPLACE VIEW {database}.month_currencies AS
SELECT
    client_id,
    month,
    toString(any(stretches.currency)) AS currency,
    any(stretches.currency_exponent) AS currency_exponent,
    toDecimal64(ifNull(any(stretches.rate), 0), 10) AS rate,
    countIf(stretches.rate IS NULL) = 0 AS rate_known
FROM {database}.month_stretches AS stretches
GROUP BY client_id, month;

-- billed_lines: one row per client, month, state of the client, line and month that it corrects: what every total
-- anywhere is the sum of. Closed months are frozen, with the adjustments (corrects before month) that their
-- statements have; all others are as the ledger has them now.

CREATE OR REPLACE VIEW {database}.billed_lines AS
SELECT
    client_id,
    month,
    month AS corrects,
    next_month,
    toString(open.client_state) AS client_state,
    toString(open.kind) AS kind,
    first_day,
    last_day,
    provider,
    model,
    toString(open.currency) AS currency,
    toUInt8(open.currency_exponent) AS currency_exponent,
    open.rate AS rate,
    open.charge AS charge,
    open.cost AS cost,
    open.charge - open.cost AS markup,
    open.charge_usd AS charge_usd,
    open.cost_usd AS cost_usd,
    open.cost_usd_exact AS cost_usd_exact,
    open.charge_reason AS charge_reason,
    open.units AS units,
    open.unit_charges AS unit_charges,
    open.unit_costs AS unit_costs,
    toInt64(open.calls) AS calls,
    toInt64(open.refused) AS refused,
    CAST(open.unpriced, 'Map(String, Int64)') AS unpriced,
    open.unpriced_units AS unpriced_units,
    CAST(open.incomplete, 'Map(String, Int64)') AS incomplete,
    toInt64(arraySum(mapValues(open.unpriced))) AS unpriced_calls,
    toInt64(arraySum(mapValues(open.incomplete))) AS incomplete_calls,
    false AS closed
FROM {database}.kept_lines AS open FINAL
WHERE client_state != 'known' OR (client_id, month) NOT IN (SELECT client_id, month FROM {database}.closes)
UNION ALL
SELECT
    client_id,
    month,
    corrects,
    formatDateTime(addMonths(toDate(concat(frozen.month, '-01')), 1), '%Y-%m'),
    'known',
    toString(frozen.kind),
    first_day,
    last_day,
    toString(frozen.provider),
    frozen.model,
    toString(frozen.currency),
    frozen.currency_exponent,
    toNullable(frozen.rate),
    frozen.charge,
    frozen.cost,
    frozen.charge - frozen.cost,
    frozen.charge_usd,
    frozen.cost_usd,
    frozen.cost_usd_exact,
    frozen.charge_reason,
    frozen.units,
    frozen.unit_charges,
    frozen.unit_costs,
    frozen.calls,
    frozen.refused,
    frozen.unpriced,
    frozen.unpriced_units,
    frozen.incomplete,
    arraySum(mapValues(frozen.unpriced)),
    arraySum(mapValues(frozen.incomplete)),
    true
FROM {database}.closed_lines AS frozen
WHERE close_id IN (SELECT close_id FROM {database}.closes);

-- billed_days: one row per client, local day and state of the client: charges_by_day, frozen where the month is closed.

CREATE OR REPLACE VIEW {database}.billed_days AS
SELECT
    client_id,
    month,
    toString(open.client_state) AS client_state,
    day,
    toString(open.currency) AS currency,
    toUInt8(open.currency_exponent) AS currency_exponent,
    open.charge AS charge,
    open.usage_charge AS usage_charge,
    open.top_up AS top_up,
    open.cost_usd AS cost_usd,
    toInt64(open.calls) AS calls,
    toInt64(open.refused) AS refused,
    toInt64(open.unpriced_calls) AS unpriced_calls,
    toInt64(open.incomplete_calls) AS incomplete_calls
FROM {database}.kept_days AS open FINAL
WHERE client_state != 'known' OR (client_id, month) NOT IN (SELECT client_id, month FROM {database}.closes)
UNION ALL
SELECT
    client_id,
    month,
    'known',
    day,
    toString(frozen.currency),
    frozen.currency_exponent,
    frozen.charge,
    frozen.usage_charge,
    frozen.top_up,
    frozen.cost_usd,
    frozen.calls,
    frozen.refused,
    frozen.unpriced_calls,
    frozen.incomplete_calls
FROM {database}.closed_days AS frozen
WHERE close_id IN (SELECT close_id FROM {database}.closes);
