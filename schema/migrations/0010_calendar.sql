-- calendar: one row per client and local day: the month it belongs to and where it begins and ends in UTC.
--
-- Written by `spanledger migrate` for the empty client id, which stands for the agency and for every client
-- without days of its own, years ahead. No timezone is computed in SQL, since ClickHouse answers in UTC,
-- silently, where the zone is a column.

CREATE TABLE IF NOT EXISTS {database}.calendar
(
    client_id String,
    day Date,
    month String,
    starts_at DateTime('UTC'),
    ends_at DateTime('UTC'),
    timezone LowCardinality(String),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Replacing, so that days written again are not there twice.
ENGINE = {engine:ReplacingMergeTree(written_at)}
-- A call asks for the day of its client that began last before it.
ORDER BY (client_id, day);

-- local_days: one row per client and local day, as views join it; `known` where the day lies under terms.

CREATE VIEW IF NOT EXISTS {database}.local_days AS
SELECT client_id, day, month, starts_at, ends_at, true AS known
FROM {database}.calendar FINAL;

-- calendar_days: one row per calendar and local day, the agency's under the empty id. Clients with the same zones share a
-- calendar, so a call meets a few calendars' days and not every client's.

CREATE VIEW IF NOT EXISTS {database}.calendar_days AS
SELECT '' AS calendar_id, day, month, starts_at, ends_at
FROM {database}.calendar FINAL
WHERE client_id = '';

-- client_calendars: one row per client with days of its own: whose days, and which of them are under terms.

CREATE VIEW IF NOT EXISTS {database}.client_calendars AS
SELECT
    client_id,
    '' AS calendar_id,
    CAST([], 'Array(Tuple(from_day Date, to_day Date))') AS terms_days
FROM {database}.calendar
WHERE false;
