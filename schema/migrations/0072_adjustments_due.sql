-- closed_balances: one row per closed month of a client and line: the month computed again, whole, under its own
-- terms and its own exchange rate, less everything billed for it: its frozen lines and all adjustments so far.
--
-- Money is in the currency that the month has by its terms; what was billed in another is converted at both rates.
-- `known` is false where the line's charge is not known now: unknown is not zero, nothing is given back for it.

CREATE OR REPLACE VIEW {database}.closed_balances AS
SELECT
    client_id,
    month,
    kind,
    first_day,
    last_day,
    provider,
    model,
    any(sides.month_currency) AS currency,
    any(sides.month_exponent) AS currency_exponent,
    any(sides.month_rate) AS rate,
    min(sides.side_known) AS known,
    sum(sides.charge_side) AS charge,
    sum(sides.cost_side) AS cost,
    sum(sides.charge_usd_side) AS charge_usd,
    sum(sides.cost_usd_side) AS cost_usd,
    sum(sides.cost_usd_exact_side) AS cost_usd_exact,
    sum(sides.calls_side) AS calls,
    sum(sides.refused_side) AS refused,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.units_side), 'Map(String, Decimal(38, 12))')) AS units,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.unit_charges_side), 'Map(String, Decimal(38, 3))')) AS unit_charges,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.unit_costs_side), 'Map(String, Decimal(38, 3))')) AS unit_costs,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.unpriced_side), 'Map(String, Int64)')) AS unpriced,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.unpriced_units_side), 'Map(String, Decimal(38, 12))')) AS unpriced_units,
    mapFilter((k, v) -> v != 0, CAST(sumMap(sides.incomplete_side), 'Map(String, Int64)')) AS incomplete
FROM
(
    SELECT
        now.client_id AS client_id,
        now.month AS month,
        now.kind AS kind,
        now.first_day AS first_day,
        now.last_day AS last_day,
        now.provider AS provider,
        now.model AS model,
        now.currency AS month_currency,
        now.currency_exponent AS month_exponent,
        toDecimal64(ifNull(now.rate, 0), 10) AS month_rate,
        now.charge IS NOT NULL AS side_known,
        toDecimal128(ifNull(now.charge, 0), 3) AS charge_side,
        toDecimal128(ifNull(now.cost, 0), 3) AS cost_side,
        toDecimal128(ifNull(now.charge_usd, 0), 2) AS charge_usd_side,
        toDecimal128(ifNull(now.cost_usd, 0), 2) AS cost_usd_side,
        toDecimal128(ifNull(now.cost_usd_exact, 0), 18) AS cost_usd_exact_side,
        toInt64(now.calls) AS calls_side,
        toInt64(now.refused) AS refused_side,
        CAST(now.units, 'Map(String, Decimal(38, 12))') AS units_side,
        CAST(now.unit_charges, 'Map(String, Decimal(38, 3))') AS unit_charges_side,
        CAST(now.unit_costs, 'Map(String, Decimal(38, 3))') AS unit_costs_side,
        CAST(now.unpriced, 'Map(String, Int64)') AS unpriced_side,
        CAST(now.unpriced_units, 'Map(String, Decimal(38, 12))') AS unpriced_units_side,
        CAST(now.incomplete, 'Map(String, Int64)') AS incomplete_side
    FROM {database}.month_lines AS now
    WHERE now.client_state = 'known' AND (now.client_id, now.month) IN (SELECT client_id, month FROM {database}.closes)
    UNION ALL
    SELECT
        client_id,
        month,
        kind,
        first_day,
        last_day,
        provider,
        model,
        month_currency,
        month_exponent,
        month_rate,
        true,
        -converted[1],
        -converted[2],
        -charge_usd,
        -cost_usd,
        -cost_usd_exact,
        -calls,
        -refused,
        mapApply((unit, quantity) -> (unit, -quantity), units),
        -- By unit there is no rounded figure in another currency.
        if(same_currency, mapApply((unit, amount) -> (unit, -amount), unit_charges), map()),
        if(same_currency, mapApply((unit, amount) -> (unit, -amount), unit_costs), map()),
        mapApply((reason, count) -> (reason, -count), unpriced),
        mapApply((unit, quantity) -> (unit, -quantity), unpriced_units),
        mapApply((reason, count) -> (reason, -count), incomplete)
    FROM
    (
        SELECT
            billed.client_id AS client_id,
            billed.corrects AS month,
            toString(billed.kind) AS kind,
            billed.first_day AS first_day,
            billed.last_day AS last_day,
            toString(billed.provider) AS provider,
            billed.model AS model,
            if(months.currency = '', toString(billed.corrected_currency), months.currency) AS month_currency,
            if(months.currency = '', billed.corrected_exponent, months.currency_exponent) AS month_exponent,
            if(months.currency = '', billed.corrected_rate, months.rate) AS month_rate,
            month_currency = billed.corrected_currency AS same_currency,
            toInt256(intExp10(3 - month_exponent)) * reinterpretAsInt256(toDecimal256(billed.corrected_rate, 10)) AS divisor,
            arrayMap(
                amount -> if(
                    same_currency,
                    amount,
                    toDecimal128(
                        toDecimal256(
                            sign(amount) * intDiv(
                                2 * abs(reinterpretAsInt256(toDecimal256(amount, 3)))
                                    * reinterpretAsInt256(toDecimal256(month_rate, 10)) + divisor,
                                2 * divisor
                            ),
                            3
                        ) / intExp10(month_exponent),
                        3
                    )
                ),
                [billed.corrected_charge, billed.corrected_cost]
            ) AS converted,
            ifNull(billed.charge_usd, 0) AS charge_usd,
            ifNull(billed.cost_usd, 0) AS cost_usd,
            ifNull(billed.cost_usd_exact, 0) AS cost_usd_exact,
            billed.calls AS calls,
            billed.refused AS refused,
            billed.units AS units,
            billed.unit_charges AS unit_charges,
            billed.unit_costs AS unit_costs,
            billed.unpriced AS unpriced,
            billed.unpriced_units AS unpriced_units,
            billed.incomplete AS incomplete
        FROM
        (
            SELECT *
            FROM {database}.closed_lines
            WHERE close_id IN (SELECT close_id FROM {database}.closes)
        ) AS billed
        LEFT JOIN {database}.month_currencies AS months
            ON months.client_id = billed.client_id AND months.month = billed.corrects
    )
) AS sides
WHERE (client_id, month) NOT IN (
    SELECT client_id, month FROM {database}.month_currencies WHERE NOT rate_known
)
GROUP BY client_id, month, kind, first_day, last_day, provider, model;

-- adjustments_due: one row per closed month of a client and line that comes to something else now, and the open
-- month (into_month, the first after it) whose statement corrects it; empty where there is none yet.
--
-- `month_charge` and `month_cost` are the differences as the closed month reckons them, `charge` and `cost` the same
-- in the currency of into_month, at both months' rates, half-up. An adjustment that was closed with into_month is in
-- no row again: what was billed has grown by it.

CREATE OR REPLACE VIEW {database}.adjustments_due AS
SELECT
    client_id,
    month,
    into_month,
    kind,
    first_day,
    last_day,
    provider,
    model,
    multiIf(
        calls = 1, '1 late call',
        calls > 1, concat(toString(calls), ' late calls'),
        calls = -1, '1 call less',
        calls < -1, concat(toString(-calls), ' calls less'),
        cost_usd_exact != 0, 'new prices',
        month_calls > 0, 'late calls',
        month_calls < 0, 'calls less',
        month_cost_changed, 'new prices',
        'new terms'
    ) AS reason,
    into_currency AS currency,
    into_exponent AS currency_exponent,
    into_rate AS rate,
    converted[1] AS charge,
    converted[2] AS cost,
    charge_usd,
    cost_usd,
    cost_usd_exact,
    calls,
    refused,
    units,
    if(same_currency, unit_charges, CAST(map(), 'Map(String, Decimal(38, 3))')) AS unit_charges,
    if(same_currency, unit_costs, CAST(map(), 'Map(String, Decimal(38, 3))')) AS unit_costs,
    unpriced,
    unpriced_units,
    incomplete,
    month_currency,
    month_exponent,
    month_rate,
    month_charge,
    month_cost
FROM
(
    SELECT
        balances.* EXCEPT (known),
        into_months.into_month AS into_month,
        if(into_month = '', balances.month_currency, into_months.currency) AS into_currency,
        if(into_month = '', balances.month_exponent, into_months.currency_exponent) AS into_exponent,
        if(into_month = '', balances.month_rate, into_months.rate) AS into_rate,
        into_currency = balances.month_currency AS same_currency,
        toInt256(intExp10(3 - into_exponent)) * reinterpretAsInt256(toDecimal256(balances.month_rate, 10)) AS divisor,
        arrayMap(
            amount -> if(
                same_currency,
                amount,
                toDecimal128(
                    toDecimal256(
                        sign(amount) * intDiv(
                            2 * abs(reinterpretAsInt256(toDecimal256(amount, 3)))
                                * reinterpretAsInt256(toDecimal256(into_rate, 10)) + divisor,
                            2 * divisor
                        ),
                        3
                    ) / intExp10(into_exponent),
                    3
                )
            ),
            [balances.month_charge, balances.month_cost]
        ) AS converted
    FROM
    (
        SELECT
            lines.client_id AS client_id,
            lines.month AS month,
            lines.kind AS kind,
            lines.first_day AS first_day,
            lines.last_day AS last_day,
            lines.provider AS provider,
            lines.model AS model,
            lines.currency AS month_currency,
            lines.currency_exponent AS month_exponent,
            lines.rate AS month_rate,
            lines.known AS known,
            lines.charge AS month_charge,
            lines.cost AS month_cost,
            lines.charge_usd AS charge_usd,
            lines.cost_usd AS cost_usd,
            lines.cost_usd_exact AS cost_usd_exact,
            lines.calls AS calls,
            lines.refused AS refused,
            lines.units AS units,
            lines.unit_charges AS unit_charges,
            lines.unit_costs AS unit_costs,
            lines.unpriced AS unpriced,
            lines.unpriced_units AS unpriced_units,
            lines.incomplete AS incomplete,
            sum(lines.calls) OVER (PARTITION BY lines.client_id, lines.month) AS month_calls,
            max(lines.cost_usd_exact != 0) OVER (PARTITION BY lines.client_id, lines.month) AS month_cost_changed
        FROM {database}.closed_balances AS lines
    ) AS balances
    LEFT JOIN
    (
        SELECT
            closed.client_id AS client_id,
            closed.month AS month,
            argMin((open.month, open.currency, open.currency_exponent, open.rate), open.month) AS first_open,
            first_open.1 AS into_month,
            first_open.2 AS currency,
            first_open.3 AS currency_exponent,
            first_open.4 AS rate
        FROM {database}.closes AS closed
        INNER JOIN
        (
            SELECT client_id, month, currency, currency_exponent, rate
            FROM {database}.month_currencies
            WHERE rate_known AND (client_id, month) NOT IN (SELECT client_id, month FROM {database}.closes)
        ) AS open ON open.client_id = closed.client_id
        WHERE open.month > closed.month
        GROUP BY client_id, month
    ) AS into_months ON into_months.client_id = balances.client_id AND into_months.month = balances.month
    WHERE balances.known
        AND (
            balances.month_charge != 0 OR balances.month_cost != 0 OR balances.charge_usd != 0
            OR balances.cost_usd != 0 OR balances.cost_usd_exact != 0 OR balances.calls != 0 OR balances.refused != 0
            OR notEmpty(balances.units) OR notEmpty(balances.unpriced) OR notEmpty(balances.incomplete)
        )
);
