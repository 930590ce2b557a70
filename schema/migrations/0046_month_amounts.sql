-- month_amounts: one row per client, month, state of the client, line and measure: the line's amount and its units',
-- rounded. This is where money is rounded, and nowhere else.
--
-- A line is the usage of a model (`usage`), a fee (`fee`), or what a minimum adds (`minimum`). What a plan charges for
-- a stretch's usage as a whole (tiers, an overage, a flat fee) is allocated to that usage by share of cost. Usage of
-- unknown clients and of nobody has a cost and no charge.
--
-- The month's exact total is rounded half-up, once. Its lines are rounded down, and what is then missing goes by one
-- smallest coin each to those with the largest remainders (of equal ones by kind and name); so they add up. In the
-- same way a line's amount is told apart by unit. Nothing here is negative.
--
-- Measures: `charge` and `cost` in the client's currency, `charge_usd` and `cost_usd` in USD. `amount` is in the
-- currency's smallest coin; cents for USD.
--
-- Whole numbers of 256 bits, 5.7 * 10^76 at most. `charge_e8_x`, a part's charge times the month's days and 10^8, cut,
-- is below 6 * 10^37 (see stretch_charges), and times a cost of at most 1.7 * 10^38 (18 decimals) below 1.1 * 10^76; an
-- exact total with its 34 decimals, doubled and in USD's cents and the rate's 10 decimals, is below 1.2 * 10^76.

CREATE OR REPLACE VIEW {database}.month_amounts AS
WITH
    toInt256('100000000') AS e8,
    toInt256('10000000000') AS e10,
    toInt256('1000000000000') AS e12,
    toInt256('1000000000000000000') AS e18,
    toInt256('100000000000000000000000000') AS e26,
    toInt256('10000000000000000000000000000000000') AS e34
SELECT
    client_id,
    month,
    client_state,
    measure,
    line.kind AS kind,
    line.first_day AS first_day,
    line.last_day AS last_day,
    line.provider AS provider,
    line.model AS model,
    of_month.currency AS currency,
    of_month.currency_exponent AS currency_exponent,
    of_month.rate_e10 AS rate_e10,
    line.amount AS amount,
    arraySort(
        u -> (-u.3, u.1),
        arrayMap((unit, n) -> (unit, intDiv(n, denominator), n % denominator), line.units, line.numbers)
    ) AS units_down,
    line.amount - arraySum(u -> u.2, units_down) AS coins_to_give,
    arrayMap(u -> u.1, units_down) AS units,
    arrayMap((u, place) -> u.2 + (place <= coins_to_give), units_down, arrayEnumerate(units_down)) AS unit_amounts
FROM
(
    SELECT
        client_id,
        month,
        client_state,
        measure,
        any(measured.of_month) AS of_month,
        any(measured.denominator) AS denominator,
        arraySort(
            line -> (-line.rest, line.kind, line.provider, line.model, line.first_day),
            groupArray(
                (
                    kind, first_day, last_day, provider, model,
                    intDiv(number, measured.denominator), number % measured.denominator, units, numbers
                )::Tuple(
                    kind String, first_day Date, last_day Date, provider String, model String,
                    down Int256, rest Int256, units Array(String), numbers Array(Int256)
                )
            )
        ) AS lines_down,
        -- Charges were cut when they were allocated, so their total comes apart; costs are exact as they are.
        if(
            measure IN ('charge', 'charge_usd'),
            any(measured.total),
            intDiv(2 * sum(measured.number) + denominator, 2 * denominator)
        ) - arraySum(line -> line.down, lines_down) AS coins_to_give,
        arrayMap(
            (line, place) -> (
                line.kind, line.first_day, line.last_day, line.provider, line.model,
                line.down + (place <= coins_to_give), line.units, line.numbers
            )::Tuple(
                kind String, first_day Date, last_day Date, provider String, model String,
                amount Int256, units Array(String), numbers Array(Int256)
            ),
            lines_down, arrayEnumerate(lines_down)
        ) AS lines
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
            units,
            of_month,
            by_measure.measure AS measure,
            by_measure.denominator AS denominator,
            by_measure.total AS total,
            arrayMap(n -> n * by_measure.factor, if(by_measure.of_charge, unit_charges, unit_costs)) AS numbers,
            arraySum(numbers) AS number
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
                groupArray(unit) AS units,
                groupArray(summed.charge_e8_x) AS unit_charges,
                groupArray(summed.cost_e18) AS unit_costs,
                any(summed.of_month) AS of_month
            FROM
            (
                SELECT
                    client_id,
                    month,
                    client_state,
                    part.kind AS kind,
                    part.first_day AS first_day,
                    part.last_day AS last_day,
                    part.provider AS provider,
                    part.model AS model,
                    part.unit AS unit,
                    sum(part.charge_e8_x) AS charge_e8_x,
                    sum(part.cost_e18) AS cost_e18,
                    any(parted.of_month) AS of_month
                FROM
                (
                    SELECT
                        client_id,
                        month,
                        'known' AS client_state,
                        toInt256(intExp10(any(stretches.currency_exponent))) AS coins,
                        reinterpretAsInt256(any(stretches.rate)) AS rate_e10,
                        reinterpretAsInt256(sum(stretches.charge_x)) AS charge_e34_x,
                        e34 * any(stretches.month_days) AS one,
                        (
                            any(stretches.month_days),
                            any(stretches.currency),
                            any(stretches.currency_exponent),
                            rate_e10,
                            coins,
                            intDiv(2 * charge_e34_x * coins + one, 2 * one),
                            intDiv(2 * charge_e34_x * e12 + one * rate_e10, 2 * one * rate_e10)
                        )::Tuple(
                            month_days UInt64, currency String, currency_exponent UInt8, rate_e10 Int256,
                            coins Int256, charge Int256, charge_usd Int256
                        ) AS of_month,
                        groupArrayArray(stretches.parts) AS parts
                    FROM
                    (
                        SELECT
                            client_id,
                            month,
                            month_days,
                            currency,
                            currency_exponent,
                            rate,
                            charge_x,
                            intDiv(reinterpretAsInt256(plain_charge_x), e26) AS plain_charge_e8_x,
                            greatest(reinterpretAsInt256(plain_usd), toInt256(1)) AS plain_e18,
                            arrayConcat(
                                arrayMap(
                                    u -> (
                                        'usage', toDate(0), toDate(0), u.provider, u.model, u.unit,
                                        if(
                                            u.override_factor = 0,
                                            intDiv(plain_charge_e8_x * reinterpretAsInt256(u.cost_usd), plain_e18),
                                            intDiv(
                                                reinterpretAsInt256(u.cost_usd * u.override_factor * rate * month_days), e26
                                            )
                                        ),
                                        reinterpretAsInt256(u.cost_usd)
                                    )::Tuple(
                                        kind String, first_day Date, last_day Date, provider String, model String,
                                        unit String, charge_e8_x Int256, cost_e18 Int256
                                    ),
                                    used
                                ),
                                arrayMap(
                                    f -> (
                                        f.1, first_day, last_day, '', '', '', intDiv(reinterpretAsInt256(f.2), e26), 0
                                    )::Tuple(
                                        kind String, first_day Date, last_day Date, provider String, model String,
                                        unit String, charge_e8_x Int256, cost_e18 Int256
                                    ),
                                    arrayFilter(
                                        f -> f.2 > 0,
                                        [
                                            ('fee', if(fee_is_allocated, toDecimal256(0, 34), fee_x)),
                                            ('minimum', top_up_x)
                                        ]
                                    )
                                )
                            ) AS parts
                        FROM {database}.stretch_charges
                    ) AS stretches
                    GROUP BY client_id, month
                    UNION ALL
                    SELECT
                        toString(client_id),
                        toString(month),
                        toString(client_state),
                        toInt256(100) AS coins,
                        e10 AS rate_e10,
                        toInt256(0) AS charge_e34_x,
                        toInt256(1) AS one,
                        (1, 'USD', 2, e10, coins, 0, 0)::Tuple(
                            month_days UInt64, currency String, currency_exponent UInt8, rate_e10 Int256,
                            coins Int256, charge Int256, charge_usd Int256
                        ) AS of_month,
                        groupArrayArray(
                            arrayMap(
                                (unit, cost) -> (
                                    'usage', toDate(0), toDate(0), provider, model, unit, 0,
                                    reinterpretAsInt256(toDecimal256(cost, 18))
                                )::Tuple(
                                    kind String, first_day Date, last_day Date, provider String, model String,
                                    unit String, charge_e8_x Int256, cost_e18 Int256
                                ),
                                -- Usage of which no cost is known stays, without a unit.
                                if(empty(costs), [''], mapKeys(costs)),
                                if(empty(costs), [toDecimal128(0, 18)], mapValues(costs))
                            )
                        ) AS parts
                    FROM {database}.usage_day FINAL
                    WHERE client_state != 'known'
                    GROUP BY client_id, month, client_state
                ) AS parted
                ARRAY JOIN parts AS part
                GROUP BY client_id, month, client_state, kind, first_day, last_day, provider, model, unit
            ) AS summed
            GROUP BY client_id, month, client_state, kind, first_day, last_day, provider, model
        )
        ARRAY JOIN arrayFilter(
            m -> client_state = 'known' OR NOT m.of_charge,
            [
                ('cost', e18 * e10, of_month.rate_e10 * of_month.coins, toInt256(0), false),
                ('cost_usd', e18, toInt256(100), toInt256(0), false),
                ('charge', e8 * of_month.month_days, of_month.coins, of_month.charge, true),
                ('charge_usd', e8 * of_month.month_days * of_month.rate_e10, e12, of_month.charge_usd, true)
            ]::Array(Tuple(measure String, denominator Int256, factor Int256, total Int256, of_charge Bool))
        ) AS by_measure
    ) AS measured
    GROUP BY client_id, month, client_state, measure
)
ARRAY JOIN lines AS line;
