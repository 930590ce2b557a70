-- stretch_charges: one row per client, month and stretch of terms: what it is charged, exact and unrounded.
--
-- Fee, allowance, thresholds and minimum count for the stretch's days out of the month's. That division need not end,
-- so everything here is the month's days times what it is: all amounts `_x` are exact, and are divided once, where
-- they are rounded. The `running_` arrays go along `days`, the stretch's first day and those with usage: what it
-- would be charged if nothing came after that day. Without a rate there is no row.
--
-- `used` has an entry per provider, model, unit and override: its cost, and by what it is marked up where an override
-- says so (1.15 for 15 %, 0 where the plan's own terms hold).
--
-- Bounds: a cost below 1.7 * 10^20 USD, times 31 days, a factor of at most 11 (1000 %), a rate of at most 10^7 are
-- 6 * 10^29, which with 34 decimals are 64 digits of the 76 that Decimal256 has.

CREATE OR REPLACE VIEW {database}.stretch_charges AS
SELECT
    client_id,
    month,
    first_day,
    last_day,
    month_days,
    currency,
    currency_exponent,
    rate,
    used,
    days,
    plain_usd,
    fee_x,
    running_usage_x,
    running_charge_x,
    running_top_up_x,
    running_top_up_x[-1] AS top_up_x,
    running_charge_x[-1] AS charge_x,
    -- What the plan charges for the usage that no override is for, as a whole. A flat fee that includes all usage is
    -- allocated to it; where there is no usage, it is a line of its own.
    empty(tiers) AND plain_usd > 0 AS fee_is_allocated,
    if(fee_is_allocated, fee_x, running_tiered_usd_x[-1] * rate) AS plain_charge_x
FROM
(
    SELECT
        *,
        running_plain_usd[-1] AS plain_usd,
        toDecimal256(fee, 34) * stretch_days AS fee_x,
        -- Of the cost beyond the allowance, what lies in each tier, marked up by it.
        arrayMap(
            overs -> arraySum(
                (over, next_over, tier) -> (over - next_over) * (1 + toDecimal256(tier.markup_percent, 6) / 100),
                overs, arrayPopFront(arrayPushBack(overs, toDecimal256(0, 18))), tiers
            ),
            running_overs_x
        ) AS running_tiered_usd_x,
        arrayMap(
            (tiered, overridden) -> (tiered + overridden * month_days) * rate,
            running_tiered_usd_x, running_override_usd
        ) AS running_usage_x,
        arrayMap(
            usage -> greatest(toDecimal256(minimum, 34) * stretch_days - fee_x - usage, toDecimal256(0, 34)),
            running_usage_x
        ) AS running_top_up_x,
        arrayMap((usage, top_up) -> fee_x + usage + top_up, running_usage_x, running_top_up_x) AS running_charge_x
    FROM
    (
        SELECT
            *,
            arrayMap(
                plain -> arrayMap(
                    tier -> greatest(
                        greatest(
                            plain * month_days - toDecimal256(allowance_cost_usd, 18) * stretch_days,
                            toDecimal256(0, 18)
                        ) - toDecimal256(tier.from_cost_usd, 18) * stretch_days,
                        toDecimal256(0, 18)
                    ),
                    tiers
                ),
                running_plain_usd
            ) AS running_overs_x
        FROM
        (
            SELECT
                client_id,
                month,
                first_day,
                any(used_by_day.last_day) AS last_day,
                any(used_by_day.stretch_days) AS stretch_days,
                any(used_by_day.month_days) AS month_days,
                any(used_by_day.currency) AS currency,
                any(used_by_day.currency_exponent) AS currency_exponent,
                toDecimal256(any(used_by_day.rate), 10) AS rate,
                any(used_by_day.fee) AS fee,
                any(used_by_day.allowance_cost_usd) AS allowance_cost_usd,
                any(used_by_day.tiers) AS tiers,
                any(used_by_day.minimum) AS minimum,
                groupArrayIf(
                    (
                        provider,
                        model,
                        unit,
                        override_factor,
                        arraySum(used_by_day.own_costs)
                    )::Tuple(provider String, model String, unit String, override_factor Decimal(76, 6), cost_usd Decimal(76, 18)),
                    notEmpty(used_by_day.used_days)
                ) AS used,
                arraySort(arrayDistinct(arrayPushBack(groupArrayArray(used_by_day.used_days), first_day))) AS days,
                sumMapIf(used_by_day.used_days, used_by_day.own_costs, override_factor = 0) AS plain_by_day,
                sumMapIf(
                    used_by_day.used_days, arrayMap(c -> c * override_factor, used_by_day.own_costs), override_factor != 0
                ) AS override_by_day,
                arrayMap(
                    d -> arraySum(arrayFilter((cost, on) -> on <= d, plain_by_day.2, plain_by_day.1)), days
                ) AS running_plain_usd,
                arrayMap(
                    d -> arraySum(arrayFilter((cost, on) -> on <= d, override_by_day.2, override_by_day.1)), days
                ) AS running_override_usd
            FROM
            (
                SELECT
                    stretches.client_id AS client_id,
                    stretches.month AS month,
                    stretches.first_day AS first_day,
                    provider,
                    model,
                    unit,
                    -- Overrides stand in the order in which they win.
                    arrayFirst(
                        o -> o.provider IN ('', provider)
                            AND o.unit IN ('', unit)
                            AND if(o.is_prefix, startsWith(model, o.model), o.model IN ('', model)),
                        stretches.override_factors
                    ).factor AS override_factor,
                    arrayFilter(
                        (cost, day) -> day >= stretches.first_day AND day <= stretches.last_day, usage.costs, usage.days
                    ) AS own_costs,
                    arrayFilter(day -> day >= stretches.first_day AND day <= stretches.last_day, usage.days) AS used_days,
                    stretches.last_day AS last_day,
                    stretches.stretch_days AS stretch_days,
                    stretches.month_days AS month_days,
                    stretches.currency AS currency,
                    stretches.currency_exponent AS currency_exponent,
                    assumeNotNull(stretches.rate) AS rate,
                    stretches.fee AS fee,
                    stretches.allowance_cost_usd AS allowance_cost_usd,
                    stretches.tiers AS tiers,
                    stretches.minimum AS minimum
                FROM
                (
                    SELECT
                        *,
                        arrayMap(
                            o -> (
                                o.provider, o.model, o.is_prefix, o.unit, 1 + toDecimal256(o.markup_percent, 6) / 100
                            )::Tuple(provider String, model String, is_prefix Bool, unit String, factor Decimal(76, 6)),
                            overrides
                        ) AS override_factors
                    FROM {database}.month_stretches
                    WHERE rate IS NOT NULL
                ) AS stretches
                LEFT JOIN
                (
                    -- One row per unit before it meets the stretches, which repeat their tiers and overrides for each.
                    SELECT
                        client_id,
                        month,
                        toString(provider) AS provider,
                        toString(model) AS model,
                        toString(unit) AS unit,
                        groupArray(day) AS days,
                        groupArray(by_day.cost_usd) AS costs
                    FROM
                    (
                        SELECT client_id, month, day, provider, model, unit, sum(toDecimal256(unit_cost_usd, 18)) AS cost_usd
                        FROM
                        (
                            SELECT client_id, month, day, provider, model, costs
                            FROM {database}.usage_day FINAL
                            WHERE client_state = 'known'
                        )
                        -- Usage of which no cost is known stays, without a unit.
                        LEFT ARRAY JOIN mapKeys(costs) AS unit, mapValues(costs) AS unit_cost_usd
                        GROUP BY client_id, month, day, provider, model, unit
                    ) AS by_day
                    GROUP BY client_id, month, provider, model, unit
                ) AS usage ON usage.client_id = stretches.client_id AND usage.month = stretches.month
            ) AS used_by_day
            GROUP BY client_id, month, first_day
        )
    )
);
