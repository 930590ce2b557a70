-- What is in force: the latest version of clients and terms, whole.

-- current_version: one row, or none before the first apply.
CREATE OR REPLACE VIEW {database}.current_version AS
SELECT version, apply_id, applied_at, file_sha256, changed_clients, reaches_closed
FROM {database}.client_versions
ORDER BY version DESC, applied_at, apply_id
LIMIT 1;

-- current_agency: one row.
CREATE OR REPLACE VIEW {database}.current_agency AS
SELECT name, timezone, address, email, tax_id, logo, colour, texts
FROM {database}.agency
WHERE apply_id IN (SELECT apply_id FROM {database}.current_version);

-- current_clients: one row per client.
CREATE OR REPLACE VIEW {database}.current_clients AS
SELECT client_id, name, contact_name, contact_email, address, tax_id, reference, calendar_id, terms_days
FROM {database}.clients
WHERE apply_id IN (SELECT apply_id FROM {database}.current_version);

-- current_terms: one row per client and stretch of terms; stretches of a client never overlap.
CREATE OR REPLACE VIEW {database}.current_terms AS
SELECT
    client_id,
    valid_from_day,
    valid_to_day,
    timezone,
    currency,
    currency_exponent,
    plan,
    fee,
    allowance_cost_usd,
    tiers,
    minimum,
    overrides,
    tax_name,
    tax_percent,
    hide_cost,
    incomplete_tolerance_percent
FROM {database}.terms
WHERE apply_id IN (SELECT apply_id FROM {database}.current_version);

-- current_budgets: one row per client and stretch of terms that has a budget.
CREATE OR REPLACE VIEW {database}.current_budgets AS
SELECT client_id, valid_from_day, valid_to_day, amount, currency, basis, thresholds_percent
FROM {database}.budgets
WHERE apply_id IN (SELECT apply_id FROM {database}.current_version);

-- current_exchange_rates: one row per currency and stretch of days in which a rate holds.
CREATE OR REPLACE VIEW {database}.current_exchange_rates AS
SELECT
    currency,
    valid_from_day,
    leadInFrame(valid_from_day, 1, toDate('2149-06-06')) OVER (
        PARTITION BY currency ORDER BY valid_from_day ASC ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    ) AS valid_to_day,
    units_per_usd,
    source
FROM {database}.exchange_rates
WHERE apply_id IN (SELECT apply_id FROM {database}.current_version);

-- calendar_days: one row per calendar and local day, the agency's under the empty id.
CREATE OR REPLACE VIEW {database}.calendar_days AS
SELECT '' AS calendar_id, day, month, starts_at, ends_at
FROM {database}.calendar FINAL
WHERE client_id = ''
UNION ALL
SELECT calendar_id, day, month, starts_at, ends_at
FROM {database}.client_days FINAL;

-- client_calendars: one row per client: whose days, and which of them are under terms.
CREATE OR REPLACE VIEW {database}.client_calendars AS
SELECT client_id, calendar_id, terms_days
FROM {database}.current_clients;

-- local_days: one row per client and local day, the agency's under the empty client id. `known` days are those
-- under terms; on all others, and for every client that is not here, a call counts in the agency's days.
CREATE OR REPLACE VIEW {database}.local_days AS
SELECT client_id, day, month, starts_at, ends_at, timezone, true AS known
FROM {database}.calendar FINAL
WHERE client_id = ''
UNION ALL
SELECT
    clients.client_id AS client_id,
    days.day AS day,
    days.month AS month,
    days.starts_at AS starts_at,
    days.ends_at AS ends_at,
    days.timezone AS timezone,
    arrayExists(under -> days.day >= under.from_day AND days.day < under.to_day, clients.terms_days) AS known
FROM
(
    SELECT calendar_id, day, month, starts_at, ends_at, timezone
    FROM {database}.client_days FINAL
) AS days
-- The clients on the right: they are the side that is held in memory.
INNER JOIN {database}.current_clients AS clients ON days.calendar_id = clients.calendar_id;

-- local_months: one row per client and local month. `days` is what fees and allowances are divided by.
CREATE OR REPLACE VIEW {database}.local_months AS
SELECT
    client_id,
    month,
    min(local_days.day) AS first_day,
    max(local_days.day) AS last_day,
    min(local_days.starts_at) AS starts_at,
    max(local_days.ends_at) AS ends_at,
    count() AS days,
    countIf(local_days.known) AS known_days
FROM {database}.local_days AS local_days
GROUP BY client_id, month;
