-- begun_months: one row per calendar and month that has begun by its clock: its days in their order, and which is the
-- last of them that has begun (`today` while the month goes on).
--
-- Clients share a few calendars: the days of a calendar are put together once, not once a client.

CREATE OR REPLACE VIEW {database}.begun_months AS
SELECT
    calendar_id,
    month,
    arraySort(groupArray(day)) AS days,
    min(own.starts_at) AS starts_at,
    max(own.ends_at) AS ends_at,
    maxIf(day, own.starts_at <= now('UTC')) AS today
FROM {database}.client_days AS own FINAL
-- Calendars reach years ahead; no month that has begun reaches further than this.
WHERE day < toDate(now('UTC')) + 33
GROUP BY calendar_id, month
HAVING starts_at <= now('UTC');

-- month_stretches: one row per client, month that has begun by its clock, and stretch of terms in it.
--
-- `rate` is what one USD is in the client's currency on the month's last day, or today where that is still to come;
-- NULL where no rate is known then.

CREATE OR REPLACE VIEW {database}.month_stretches AS
SELECT
    stretches.client_id AS client_id,
    stretches.month AS month,
    stretches.first_day AS first_day,
    stretches.last_day AS last_day,
    stretches.stretch_days AS stretch_days,
    stretches.month_days AS month_days,
    stretches.month_starts_at AS month_starts_at,
    stretches.month_ends_at AS month_ends_at,
    stretches.rate_day AS rate_day,
    stretches.timezone AS timezone,
    stretches.currency AS currency,
    stretches.currency_exponent AS currency_exponent,
    multiIf(
        stretches.currency = 'USD', toNullable(toDecimal64(1, 10)),
        rates.units_per_usd > 0, toNullable(rates.units_per_usd),
        NULL
    ) AS rate,
    rates.source AS rate_source,
    rates.valid_from_day AS rate_valid_from_day,
    stretches.plan AS plan,
    stretches.fee AS fee,
    stretches.allowance_cost_usd AS allowance_cost_usd,
    stretches.tiers AS tiers,
    stretches.minimum AS minimum,
    stretches.overrides AS overrides,
    stretches.tax_name AS tax_name,
    stretches.tax_percent AS tax_percent,
    stretches.hide_cost AS hide_cost,
    stretches.incomplete_tolerance_percent AS incomplete_tolerance_percent
FROM
(
    SELECT
        terms.client_id AS client_id,
        months.month AS month,
        arrayFilter(day -> day >= terms.valid_from_day AND day < terms.valid_to_day, months.days) AS own_days,
        own_days[1] AS first_day,
        own_days[-1] AS last_day,
        length(own_days) AS stretch_days,
        length(months.days) AS month_days,
        months.starts_at AS month_starts_at,
        months.ends_at AS month_ends_at,
        months.today AS rate_day,
        terms.* EXCEPT (client_id)
    FROM {database}.current_terms AS terms
    INNER JOIN {database}.current_clients AS clients ON clients.client_id = terms.client_id
    INNER JOIN {database}.begun_months AS months ON months.calendar_id = clients.calendar_id
    WHERE notEmpty(own_days)
) AS stretches
ASOF LEFT JOIN
(
    SELECT currency, valid_from_day, units_per_usd, source
    FROM {database}.current_exchange_rates
) AS rates ON rates.currency = stretches.currency AND stretches.rate_day >= rates.valid_from_day;
