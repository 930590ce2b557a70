-- billed_days: charges_by_day, until a month is closed; 0071 puts the days of closed months, which never change, in
-- their place.

CREATE VIEW IF NOT EXISTS {database}.billed_days AS
SELECT *
FROM {database}.charges_by_day;

-- budget_status: one row per client and month that has a budget: the one in force on the month's last day; of the month
-- that it is now, today's.
--
-- `spent` is the month's charge so far in the client's currency, or its cost so far in USD, whichever the budget is on.
-- Forecast, of a month that is not over: the usage of the last seven whole days of this month, or of those that there
-- are, goes on as it was until the month's end, today included; fees are in `spent` already, and new usage first eats
-- up what the minimum adds. On a month's first day there is no whole day yet, and no forecast.

CREATE OR REPLACE VIEW {database}.budget_status AS
SELECT
    client_id,
    month,
    basis,
    currency,
    amount,
    spent,
    -- Percent, cut to four decimals; a threshold is reached or not by the exact amounts.
    toDecimal128(spent * 100 / toDecimal256(amount, 12), 4) AS share_percent,
    thresholds_percent,
    arrayFilter(t -> spent * 100 >= toDecimal256(amount, 12) * toDecimal256(t, 4), thresholds_percent) AS reached_percent,
    month_is_over,
    today,
    days_left,
    if(month_is_over OR window_days = 0, NULL, toNullable(burn)) AS burn_per_day,
    -- What today brings still. What it brought beyond its due comes on top: the days to come are no cheaper for it.
    greatest(burn - used_today, toDecimal256(0, 12)) AS rest_of_today,
    multiIf(
        month_is_over, toNullable(spent),
        window_days = 0, NULL,
        toNullable(spent + greatest(rest_of_today + burn * (days_left - 1) - top_up, toDecimal256(0, 12)))
    ) AS forecast,
    if(forecast IS NULL, NULL, toNullable(toDecimal128(assumeNotNull(forecast) * 100 / toDecimal256(amount, 12), 4)))
        AS forecast_percent,
    multiIf(
        month_is_over, 'the month is over',
        window_days = 0, 'none on the first day of a month',
        concat('mean of the last ', toString(window_days), if(window_days = 1, ' whole day', ' whole days'), ', today to month end')
    ) AS forecast_method,
    -- What usage is still to come until the amount is reached.
    greatest(toDecimal256(amount, 12) - spent + top_up, toDecimal256(0, 12)) AS needed,
    multiIf(
        spent >= toDecimal256(amount, 12), toNullable(reached_on),
        month_is_over OR window_days = 0 OR burn <= 0, NULL,
        needed <= rest_of_today, toNullable(today),
        (needed - rest_of_today) > burn * (days_left - 1), NULL,
        toNullable(today + toUInt16(ceil((needed - rest_of_today) / toDecimal256(burn, 12))))
    ) AS runs_out_on,
    calls,
    unpriced_calls,
    incomplete_calls
FROM
(
    SELECT
        client_id,
        month,
        of_month.basis AS basis,
        of_month.currency AS currency,
        of_month.amount AS amount,
        of_month.thresholds_percent AS thresholds_percent,
        of_month.month_is_over AS month_is_over,
        of_month.today AS today,
        of_month.days_left AS days_left,
        of_month.window_days AS window_days,
        arraySort(d -> d.day, by_day) AS days,
        if(basis = 'cost', arraySum(d -> d.cost, days), arraySum(d -> d.charge, days)) AS spent,
        days[
            arrayFirstIndex(
                i -> if(
                    basis = 'cost', arraySum(d -> d.cost, arraySlice(days, 1, i)), arraySum(d -> d.charge, arraySlice(days, 1, i))
                ) >= toDecimal256(amount, 12),
                arrayEnumerate(days)
            )
        ].day AS reached_on,
        arraySum(
            d -> if(d.day >= today - window_days AND d.day < today, if(basis = 'cost', d.cost, d.usage_charge), toDecimal256(0, 12)),
            days
        ) / greatest(window_days, 1) AS burn,
        arraySum(d -> if(d.day = today, if(basis = 'cost', d.cost, d.usage_charge), toDecimal256(0, 12)), days) AS used_today,
        if(basis = 'cost', toDecimal256(0, 12), arraySum(d -> d.top_up, days)) AS top_up,
        calls,
        unpriced_calls,
        incomplete_calls
    FROM
    (
        SELECT
            client_id,
            month,
            groupArray(
                (
                    day, toDecimal256(ifNull(spending.charge, 0), 12), toDecimal256(ifNull(spending.cost_usd, 0), 12),
                    spending.usage_charge, spending.top_up
                )::Tuple(
                    day Date, charge Decimal(76, 12), cost Decimal(76, 12), usage_charge Decimal(76, 12),
                    top_up Decimal(76, 12)
                )
            ) AS by_day,
            sum(spending.calls) AS calls,
            sum(spending.unpriced_calls) AS unpriced_calls,
            sum(spending.incomplete_calls) AS incomplete_calls
        FROM {database}.billed_days AS spending
        WHERE client_state = 'known'
        GROUP BY client_id, month
    ) AS spent_by_day
    INNER JOIN
    (
        SELECT
            months.client_id AS client_id,
            months.month AS month,
            months.today AS today,
            months.ends_at <= now('UTC') AS month_is_over,
            toUInt8(months.days[-1] - months.today + 1) AS days_left,
            toUInt8(least(7, months.today - months.days[1])) AS window_days,
            budgets.basis AS basis,
            toString(budgets.currency) AS currency,
            budgets.amount AS amount,
            budgets.thresholds_percent AS thresholds_percent
        FROM
        (
            SELECT clients.client_id AS client_id, begun.month AS month, begun.days AS days, begun.ends_at AS ends_at, begun.today AS today
            FROM {database}.current_clients AS clients
            INNER JOIN {database}.begun_months AS begun ON begun.calendar_id = clients.calendar_id
        ) AS months
        ASOF INNER JOIN {database}.current_budgets AS budgets
            ON budgets.client_id = months.client_id AND months.today >= budgets.valid_from_day
        WHERE months.today < budgets.valid_to_day
    ) AS of_month ON of_month.client_id = spent_by_day.client_id AND of_month.month = spent_by_day.month
);
