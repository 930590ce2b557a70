-- billed_lines: the lines that are billed: month_lines, until a month is closed. 0071 puts the lines of closed months, which
-- never change, and their adjustments in their place.

CREATE VIEW IF NOT EXISTS {database}.billed_lines AS
SELECT
    *,
    month AS corrects,
    formatDateTime(addMonths(toDate(concat(month, '-01')), 1), '%Y-%m') AS next_month,
    false AS closed
FROM {database}.month_lines;

-- charges: one row per client, month, state of the client, line and unit: what each kind of quantity cost and is charged.
--
-- A fee or a minimum has no unit. Where the provider states a call's cost as a whole, it stands under
-- `stated_by_provider`, and the call's quantities have no cost of their own.

CREATE OR REPLACE VIEW {database}.charges AS
SELECT
    client_id,
    month,
    client_state,
    kind,
    first_day,
    last_day,
    provider,
    model,
    unit,
    units[unit] AS quantity,
    currency,
    currency_exponent,
    multiIf(
        kind != 'usage', charge,
        mapContains(unit_charges, unit) AND charge IS NOT NULL, toNullable(unit_charges[unit]),
        charge IS NULL OR not_told_apart, NULL,
        toNullable(toDecimal128(0, 3))
    ) AS charge,
    multiIf(
        kind != 'usage', cost,
        mapContains(unit_costs, unit) AND cost IS NOT NULL, toNullable(unit_costs[unit]),
        cost IS NULL OR not_told_apart, NULL,
        toNullable(toDecimal128(0, 3))
    ) AS cost,
    charge_reason,
    unpriced_units[unit] AS unpriced_quantity
FROM
(
    SELECT
        *,
        unpriced_calls > 0 OR incomplete_calls > 0 OR mapContains(unit_costs, 'stated_by_provider') AS not_told_apart
    FROM {database}.billed_lines
    WHERE corrects = month
)
ARRAY JOIN if(
    kind = 'usage', arraySort(arrayDistinct(arrayConcat(mapKeys(units), mapKeys(unit_costs)))), ['']
) AS unit;

-- margins: one row per client, month and state of the client: the sums of its lines, and beside them those of the
-- adjustments of earlier closed months that its statement has. In USD they add up over clients.

CREATE OR REPLACE VIEW {database}.margins AS
SELECT
    client_id,
    month,
    next_month,
    client_state,
    any(lines.currency) AS currency,
    any(lines.currency_exponent) AS currency_exponent,
    any(lines.rate) AS rate,
    sumOrNullIf(lines.charge, corrects = month) AS charge,
    sumOrNullIf(lines.cost, corrects = month) AS cost,
    charge - cost AS margin,
    sumIf(assumeNotNull(lines.charge), kind = 'fee' AND corrects = month) AS fees,
    sumIf(assumeNotNull(lines.charge), kind = 'minimum' AND corrects = month) AS minimum_adds,
    sumOrNullIf(lines.charge_usd, corrects = month) AS charge_usd,
    sumOrNullIf(lines.cost_usd, corrects = month) AS cost_usd,
    charge_usd - cost_usd AS margin_usd,
    sumOrNullIf(lines.cost_usd_exact, corrects = month) AS cost_usd_exact,
    sumIf(ifNull(lines.charge, 0), corrects != month) AS adjustments,
    sumIf(ifNull(lines.cost, 0), corrects != month) AS adjustments_cost,
    sumIf(ifNull(lines.charge_usd, 0), corrects != month) AS adjustments_usd,
    sumIf(ifNull(lines.cost_usd, 0), corrects != month) AS adjustments_cost_usd,
    -- Why the charge, or a part of it, is not known.
    arrayFilter(r -> r != '', groupUniqArray(charge_reason)) AS charge_reasons,
    sumIf(lines.calls, corrects = month) AS calls,
    sumIf(lines.refused, corrects = month) AS refused,
    sumIf(lines.unpriced_calls, corrects = month) AS unpriced_calls,
    sumIf(lines.incomplete_calls, corrects = month) AS incomplete_calls
FROM {database}.billed_lines AS lines
GROUP BY client_id, month, next_month, client_state;

-- trend: one row per client, month and state of the client, beside the month before.

CREATE OR REPLACE VIEW {database}.trend AS
SELECT
    client_id,
    shown_in AS month,
    client_state,
    if(countIf(present) > 0, anyIf(m.currency, present), any(m.currency)) AS currency,
    -- A client that used nothing is charged nothing: a fall to zero shows.
    if(countIf(present) = 0 AND client_state = 'known', toDecimal128(0, 3), sumOrNullIf(m.charge, present)) AS charge,
    -- In another currency there is nothing to compare with.
    if(anyIf(m.currency, NOT present) IN ('', currency), sumOrNullIf(m.charge, NOT present), NULL) AS previous_charge,
    charge - previous_charge AS change,
    -- Cut to four decimals; NULL where there was no charge before.
    toDecimal128(toDecimal256(change, 7) * 100 / toDecimal256(nullIf(previous_charge, 0), 3), 4) AS change_percent,
    sumOrNullIf(m.charge_usd, present) AS charge_usd,
    sumOrNullIf(m.charge_usd, NOT present) AS previous_charge_usd,
    sumOrNullIf(m.cost_usd, present) AS cost_usd,
    sumOrNullIf(m.cost_usd, NOT present) AS previous_cost_usd,
    sumIf(m.calls, present) AS calls,
    sumIf(m.calls, NOT present) AS previous_calls,
    sumIf(m.unpriced_calls, present) AS unpriced_calls,
    sumIf(m.incomplete_calls, present) AS incomplete_calls
FROM
(
    SELECT *, month AS shown_in, true AS present
    FROM {database}.margins
    UNION ALL
    SELECT *, next_month AS shown_in, false AS present
    FROM {database}.margins
) AS m
GROUP BY client_id, shown_in, client_state
HAVING countIf(present) > 0 OR shown_in <= formatDateTime(now('UTC'), '%Y-%m');
