-- budgets_reached: one row per client and threshold of its budget that its present month has reached.
--
-- Compared by exact decimals, as in budget_status; an alert rule that compared would do so by floats.

CREATE OR REPLACE VIEW {database}.budgets_reached AS
SELECT
    status.client_id AS client_id,
    clients.name AS client,
    status.month AS month,
    threshold AS threshold_percent,
    arrayMax(status.reached_percent) AS highest_percent,
    status.basis AS basis,
    status.currency AS currency,
    if(status.currency = 'USD', 2, decimals.currency_exponent) AS currency_exponent,
    status.spent AS spent,
    status.amount AS amount,
    status.share_percent AS share_percent,
    status.forecast AS forecast,
    status.runs_out_on AS runs_out_on
FROM
(
    SELECT *
    FROM {database}.budget_status
    WHERE (client_id, month) IN (SELECT client_id, month FROM {database}.present_months)
) AS status
ARRAY JOIN status.reached_percent AS threshold
LEFT JOIN {database}.current_clients AS clients ON clients.client_id = status.client_id
LEFT JOIN
(
    SELECT toString(currency) AS currency, any(terms.currency_exponent) AS currency_exponent
    FROM {database}.current_terms AS terms
    GROUP BY currency
) AS decimals ON decimals.currency = status.currency;

-- budgets_at_risk: one row per client whose present month has not used up its budget and will, as it goes on now.

CREATE OR REPLACE VIEW {database}.budgets_at_risk AS
SELECT
    status.client_id AS client_id,
    clients.name AS client,
    status.month AS month,
    status.basis AS basis,
    status.currency AS currency,
    if(status.currency = 'USD', 2, decimals.currency_exponent) AS currency_exponent,
    status.spent AS spent,
    status.amount AS amount,
    assumeNotNull(status.forecast) AS forecast,
    assumeNotNull(status.forecast_percent) AS forecast_percent,
    status.runs_out_on AS runs_out_on
FROM
(
    SELECT *
    FROM {database}.budget_status
    WHERE (client_id, month) IN (SELECT client_id, month FROM {database}.present_months)
) AS status
LEFT JOIN {database}.current_clients AS clients ON clients.client_id = status.client_id
LEFT JOIN
(
    SELECT toString(currency) AS currency, any(terms.currency_exponent) AS currency_exponent
    FROM {database}.current_terms AS terms
    GROUP BY currency
) AS decimals ON decimals.currency = status.currency
WHERE status.forecast > toDecimal256(status.amount, 12) AND status.spent < toDecimal256(status.amount, 12);

-- losses: one row per client and month in which it costs more than it is charged.

CREATE OR REPLACE VIEW {database}.losses AS
SELECT
    margins.client_id AS client_id,
    clients.name AS client,
    margins.month AS month,
    margins.currency AS currency,
    margins.currency_exponent AS currency_exponent,
    margins.charge AS charge,
    margins.cost AS cost,
    -margins.margin AS loss,
    -margins.margin_usd AS loss_usd,
    margins.fees AS fees
FROM {database}.margins AS margins
LEFT JOIN {database}.current_clients AS clients ON clients.client_id = margins.client_id
WHERE margins.client_state = 'known' AND margins.margin < 0;

-- spend_today: one row per client with a habit (use on three days of the fourteen before, a dollar on one of them at
-- least): what today has cost so far, beside the dearest of those days. Days are the client's own.
--
-- Beside the dearest, not the mean: a week has quiet days, and a Monday is no spike. Below a dollar nothing is worth
-- a message. `times` is a statistic and no money.

CREATE OR REPLACE VIEW {database}.spend_today AS
SELECT
    days.client_id AS client_id,
    any(clients.name) AS client,
    any(present.today) AS today,
    sumIf(days.cost_usd, days.day = present.today) AS cost_usd,
    maxIf(days.cost_usd, days.day < present.today) AS dearest_day_usd,
    countIf(days.day < present.today) AS days_of_use,
    toFloat64(cost_usd) / toFloat64(dearest_day_usd) AS times
FROM
(
    SELECT toString(client_id) AS client_id, day, sum(ifNull(rolled.cost_usd, 0)) AS cost_usd
    FROM {database}.usage_day AS rolled FINAL
    WHERE client_state = 'known'
        -- Whole partitions are left out by the month; the day says it exactly.
        AND month >= formatDateTime(now('UTC') - INTERVAL 17 DAY, '%Y-%m')
        AND day >= toDate(now('UTC')) - 16
    GROUP BY client_id, day
    HAVING cost_usd > 0
) AS days
INNER JOIN {database}.present_months AS present ON present.client_id = days.client_id
LEFT JOIN {database}.current_clients AS clients ON clients.client_id = days.client_id
WHERE days.day >= present.today - 14
GROUP BY client_id
HAVING days_of_use >= 3 AND dearest_day_usd >= 1;

-- unpriced_models: one row per provider, model and reason: calls of the last 35 days, in months that are not closed,
-- whose cost is not known for want of a price.

CREATE OR REPLACE VIEW {database}.unpriced_models AS
SELECT
    toString(provider) AS provider,
    if(rolled.model = '', 'no model named', toString(rolled.model)) AS model,
    found.1 AS reason,
    sum(found.2) AS calls,
    uniqExact(client_id) AS clients,
    min(day) AS first_day,
    max(day) AS last_day
FROM {database}.usage_day AS rolled FINAL
ARRAY JOIN arrayZip(mapKeys(unpriced), mapValues(unpriced)) AS found
WHERE month >= formatDateTime(now('UTC') - INTERVAL 36 DAY, '%Y-%m')
    AND day >= toDate(now('UTC')) - 35
    AND (client_state != 'known' OR (toString(client_id), toString(month)) NOT IN (SELECT client_id, month FROM {database}.closes))
GROUP BY provider, model, reason;

-- unbilled_calls: one row per state (`unattributed`, `unknown`): calls of the last 35 days that bill nobody.
--
-- Not a row per claimed id: whoever may send spans could make as many alerts as there are names.

CREATE OR REPLACE VIEW {database}.unbilled_calls AS
SELECT
    toString(client_state) AS client_state,
    sum(rolled.calls) AS calls,
    sum(ifNull(rolled.cost_usd, 0)) AS cost_usd,
    sum(arraySum(mapValues(rolled.unpriced))) AS unpriced_calls,
    uniqExactIf(client_id, client_id != '') AS claimed_ids,
    min(day) AS first_day,
    max(day) AS last_day
FROM {database}.usage_day AS rolled FINAL
WHERE client_state != 'known'
    AND month >= formatDateTime(now('UTC') - INTERVAL 36 DAY, '%Y-%m')
    AND day >= toDate(now('UTC')) - 35
GROUP BY client_state
HAVING calls > 0;

-- incomplete_usage: one row per client and month that is not closed, of the present month and the one before: how many of
-- its calls have usage that is missing or cut short, and what share its terms allow at the close.

CREATE OR REPLACE VIEW {database}.incomplete_usage AS
SELECT
    counted.client_id AS client_id,
    any(clients.name) AS client,
    counted.month AS month,
    any(counted.month_calls) AS calls,
    any(counted.month_incomplete) AS incomplete_calls,
    -- Cut to four decimals.
    toDecimal64(intDiv(toUInt64(incomplete_calls) * 1000000, greatest(calls, 1)) / 10000, 4) AS incomplete_percent,
    argMax(stretches.incomplete_tolerance_percent, stretches.first_day) AS tolerance_percent,
    -- Exact: shares are not compared after they were cut.
    toDecimal256(incomplete_calls, 4) * 100 > toDecimal256(tolerance_percent, 4) * toInt256(calls) AS beyond_tolerance
FROM
(
    SELECT
        toString(client_id) AS client_id,
        toString(month) AS month,
        sum(rolled.calls) AS month_calls,
        sum(arraySum(mapValues(incomplete))) AS month_incomplete
    FROM {database}.usage_day AS rolled FINAL
    WHERE client_state = 'known' AND month >= formatDateTime(now('UTC') - INTERVAL 1 MONTH, '%Y-%m')
    GROUP BY client_id, month
) AS counted
INNER JOIN {database}.month_stretches AS stretches
    ON stretches.client_id = counted.client_id AND stretches.month = counted.month
LEFT JOIN {database}.current_clients AS clients ON clients.client_id = counted.client_id
WHERE (counted.client_id, counted.month) NOT IN (SELECT client_id, month FROM {database}.closes)
GROUP BY client_id, month;

-- closes_overdue: one row per client and month of the last thirteen that is over, has calls and is not closed: since when
-- it could be.

CREATE OR REPLACE VIEW {database}.closes_overdue AS
SELECT
    used.client_id AS client_id,
    clients.name AS client,
    used.month AS month,
    months.ends_at AS ended_at,
    intDiv(dateDiff('second', ended_at, now('UTC')), 86400) AS days
FROM
(
    -- From the lines, which are a hundredth of a month's usage.
    SELECT client_id, month
    FROM {database}.kept_lines AS kept FINAL
    -- Whole partitions are left out: whoever closes nothing for a year has chosen so.
    WHERE month >= formatDateTime(now('UTC') - INTERVAL 13 MONTH, '%Y-%m') AND client_state = 'known'
    GROUP BY client_id, month
    HAVING sum(kept.calls) > 0
) AS used
INNER JOIN {database}.current_clients AS clients ON clients.client_id = used.client_id
INNER JOIN {database}.begun_months AS months ON months.calendar_id = clients.calendar_id AND months.month = used.month
WHERE months.ends_at <= now('UTC') AND (used.client_id, used.month) NOT IN (SELECT client_id, month FROM {database}.closes);
