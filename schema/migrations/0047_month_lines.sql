-- month_lines: one row per client, month, state of the client and line: what every total anywhere is the sum of.
--
-- A line is the usage of a provider's model in the month (`usage`), a fee of a stretch of terms (`fee`), or what a
-- stretch's minimum adds (`minimum`). An amount is NULL where it is not known, with the reason; beside it stands what it
-- leaves out (unpriced) or knows only in part (incomplete). Rounding: month_amounts.

CREATE OR REPLACE VIEW {database}.month_lines AS
SELECT
    client_id,
    month,
    client_state,
    kind,
    first_day,
    last_day,
    provider,
    model,
    if(in_money.currency = '', 'USD', in_money.currency) AS currency,
    if(in_money.currency = '', 2, in_money.currency_exponent) AS currency_exponent,
    if(rounded, toNullable(reinterpret(toInt64(in_money.rate_e10), 'Decimal64(10)')), NULL) AS rate,
    if(charge_known, toNullable(toDecimal128(toDecimal256(in_money.charge, 3) / intExp10(currency_exponent), 3)), NULL)
        AS charge,
    if(cost_known, toNullable(toDecimal128(toDecimal256(in_money.cost, 3) / intExp10(currency_exponent), 3)), NULL)
        AS cost,
    -- What is printed as markup.
    charge - cost AS markup,
    if(charge_known, toNullable(toDecimal128(toDecimal256(in_money.charge_usd, 2) / 100, 2)), NULL) AS charge_usd,
    if(cost_known, toNullable(toDecimal128(toDecimal256(in_money.cost_usd, 2) / 100, 2)), NULL) AS cost_usd,
    -- Before it was rounded: what `calls` add up to.
    if(kind = 'usage', cost_usd_known, toDecimal128(0, 18)) AS cost_usd_exact,
    multiIf(
        charge IS NOT NULL, '',
        client_state = 'unattributed', 'no client named',
        client_state = 'unknown', 'no terms',
        NOT rounded, 'no exchange rate',
        'cost not known'
    ) AS charge_reason,
    units,
    mapApply((unit, coins) -> (unit, toDecimal128(toDecimal256(coins, 3) / intExp10(currency_exponent), 3)), in_money.unit_charges)
        AS unit_charges,
    mapApply((unit, coins) -> (unit, toDecimal128(toDecimal256(coins, 3) / intExp10(currency_exponent), 3)), in_money.unit_costs)
        AS unit_costs,
    calls,
    refused,
    unpriced,
    unpriced_units,
    incomplete,
    arraySum(mapValues(unpriced)) AS unpriced_calls,
    arraySum(mapValues(incomplete)) AS incomplete_calls,
    in_money.lines > 0 AS rounded,
    rounded AND (kind != 'usage' OR cost_usd_known IS NOT NULL) AS cost_known,
    cost_known AND client_state = 'known' AS charge_known
FROM
(
    SELECT
        client_id,
        month,
        client_state,
        kind,
        first_day,
        last_day,
        provider,
        model,
        (
            countIf(side.measure = 'cost'),
            max(side.currency),
            max(side.currency_exponent),
            max(side.rate_e10),
            sumIf(side.amount, side.measure = 'charge'),
            sumIf(side.amount, side.measure = 'cost'),
            sumIf(side.amount, side.measure = 'charge_usd'),
            sumIf(side.amount, side.measure = 'cost_usd'),
            anyIf(side.unit_amounts, side.measure = 'charge'),
            anyIf(side.unit_amounts, side.measure = 'cost')
        )::Tuple(
            lines UInt64, currency String, currency_exponent UInt8, rate_e10 Int256, charge Int256, cost Int256,
            charge_usd Int256, cost_usd Int256, unit_charges Map(String, Int256), unit_costs Map(String, Int256)
        ) AS in_money,
        sumOrNull(side.cost_usd) AS cost_usd_known,
        CAST(sumMap(side.units), 'Map(String, Decimal(38, 12))') AS units,
        sum(side.calls) AS calls,
        sum(side.refused) AS refused,
        CAST(sumMap(side.unpriced), 'Map(String, UInt64)') AS unpriced,
        CAST(sumMap(side.unpriced_units), 'Map(String, Decimal(38, 12))') AS unpriced_units,
        CAST(sumMap(side.incomplete), 'Map(String, UInt64)') AS incomplete
    FROM
    (
        SELECT
            client_id,
            month,
            client_state,
            kind,
            first_day,
            last_day,
            provider,
            model,
            measure,
            currency,
            currency_exponent,
            rate_e10,
            amount,
            mapFilter((unit, coins) -> unit != '', mapFromArrays(month_amounts.units, month_amounts.unit_amounts))
                AS unit_amounts,
            CAST(NULL, 'Nullable(Decimal(38, 18))') AS cost_usd,
            CAST(map(), 'Map(LowCardinality(String), Decimal(38, 12))') AS units,
            0 AS calls,
            0 AS refused,
            CAST(map(), 'Map(LowCardinality(String), UInt64)') AS unpriced,
            CAST(map(), 'Map(LowCardinality(String), Decimal(38, 12))') AS unpriced_units,
            CAST(map(), 'Map(LowCardinality(String), UInt64)') AS incomplete
        FROM {database}.month_amounts
        UNION ALL
        SELECT
            toString(client_id),
            toString(month),
            toString(client_state),
            'usage',
            toDate(0),
            toDate(0),
            toString(provider),
            toString(model),
            '',
            '',
            0,
            toInt256(0),
            toInt256(0),
            CAST(map(), 'Map(String, Int256)'),
            cost_usd,
            units,
            calls,
            refused,
            unpriced,
            unpriced_units,
            incomplete
        FROM {database}.usage_day FINAL
    ) AS side
    GROUP BY client_id, month, client_state, kind, first_day, last_day, provider, model
);
