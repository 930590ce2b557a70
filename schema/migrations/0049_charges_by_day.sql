-- charges_by_day: one row per client, local day and state of the client.
--
-- A day's charge is the difference of running totals: what the month would come to if nothing came after the day,
-- rounded as the month is, less the same for the day before. So the days add up to the month, whatever its terms; a
-- fee counts on the first day of its stretch, and what a minimum adds is eaten up again as usage comes. Other amounts
-- are exact, in the client's currency (`usage_charge`, `top_up`: 12 decimals, cut) or USD (`cost_usd`).

CREATE OR REPLACE VIEW {database}.charges_by_day AS
SELECT
    client_id,
    month,
    client_state,
    day,
    max(side.currency) AS currency,
    max(side.currency_exponent) AS currency_exponent,
    if(client_state = 'known' AND currency != '', toNullable(sum(side.charge)), NULL) AS charge,
    sum(side.usage_charge) AS usage_charge,
    sum(side.top_up) AS top_up,
    sumOrNull(side.cost_usd) AS cost_usd,
    sum(side.calls) AS calls,
    sum(side.refused) AS refused,
    sum(side.unpriced_calls) AS unpriced_calls,
    sum(side.incomplete_calls) AS incomplete_calls
FROM
(
    SELECT
        client_id,
        month,
        'known' AS client_state,
        by_day.1 AS day,
        currency,
        currency_exponent,
        toDecimal128(toDecimal256(by_day.2 - by_day.3, 3) / intExp10(currency_exponent), 3) AS charge,
        toDecimal256(by_day.4, 12) AS usage_charge,
        toDecimal256(by_day.5, 12) AS top_up,
        CAST(NULL, 'Nullable(Decimal(38, 18))') AS cost_usd,
        0 AS calls,
        0 AS refused,
        0 AS unpriced_calls,
        0 AS incomplete_calls
    FROM
    (
        SELECT
            client_id,
            month,
            any(charged.currency) AS currency,
            any(charged.currency_exponent) AS currency_exponent,
            any(charged.month_days) AS days_of_month,
            arraySort(
                s -> s.first_day,
                groupArray(
                    (first_day, days, running_charge_x, running_usage_x, running_top_up_x, charge_x)::Tuple(
                        first_day Date, days Array(Date), charge_x Array(Decimal(76, 34)),
                        usage_x Array(Decimal(76, 34)), top_up_x Array(Decimal(76, 34)), whole_x Decimal(76, 34)
                    )
                )
            ) AS stretches,
            arrayMap(
                total -> intDiv(
                    2 * reinterpretAsInt256(total) * intExp10(currency_exponent)
                        + toInt256('10000000000000000000000000000000000') * days_of_month,
                    2 * toInt256('10000000000000000000000000000000000') * days_of_month
                ),
                arrayFlatten(
                    arrayMap(
                        (s, i) -> arrayMap(
                            c -> c + arraySum(earlier -> earlier.whole_x, arraySlice(stretches, 1, i - 1)), s.charge_x
                        ),
                        stretches, arrayEnumerate(stretches)
                    )
                )
            ) AS totals,
            arrayZip(
                arrayFlatten(arrayMap(s -> s.days, stretches)),
                totals,
                arrayPopBack(arrayPushFront(totals, toInt256(0))),
                arrayFlatten(
                    arrayMap(
                        s -> arrayMap((now, before) -> (now - before) / days_of_month, s.usage_x,
                            arrayPopBack(arrayPushFront(s.usage_x, toDecimal256(0, 34)))),
                        stretches
                    )
                ),
                arrayFlatten(
                    arrayMap(
                        s -> arrayMap((now, before) -> (now - before) / days_of_month, s.top_up_x,
                            arrayPopBack(arrayPushFront(s.top_up_x, toDecimal256(0, 34)))),
                        stretches
                    )
                )
            ) AS by_days
        FROM {database}.stretch_charges AS charged
        GROUP BY client_id, month
    )
    ARRAY JOIN by_days AS by_day
    UNION ALL
    SELECT
        toString(client_id),
        toString(month),
        toString(client_state),
        day,
        '',
        0,
        toDecimal128(0, 3),
        toDecimal256(0, 12),
        toDecimal256(0, 12),
        sumOrNull(d.cost_usd),
        sum(d.calls),
        sum(d.refused),
        sum(arraySum(mapValues(d.unpriced))),
        sum(arraySum(mapValues(d.incomplete)))
    FROM {database}.usage_day AS d FINAL
    GROUP BY client_id, month, client_state, day
) AS side
GROUP BY client_id, month, client_state, day;
