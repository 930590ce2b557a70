-- usage_day: one row per client, local day, state of the client, project, provider and model: the grain that is read.
--
-- Terms begin and end at a local midnight, so no row has two sets of them. The day is the client's own where it is
-- under terms, else the agency's; the two may have the same date, and `client_state` keeps them apart. Columns as
-- in usage_15m. Read it FINAL.

CREATE TABLE IF NOT EXISTS {database}.usage_day
(
    -- Plain texts, as everything that these two are compared with is: a filter on a view then reaches them as it is.
    month String,
    client_id String,
    day Date,
    client_state LowCardinality(String),
    project LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    -- Bounds as in usage_15m, of which these are sums.
    units Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    costs Map(LowCardinality(String), Decimal(38, 18)) CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    refused UInt64 CODEC(T64, ZSTD(1)),
    unpriced Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    unpriced_units Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    incomplete Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    -- Of the clients and terms by which the days were told apart.
    terms_version UInt32,
    refreshed_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    is_deleted UInt8
)
-- Replacing, with deletion, for the reason of usage_15m.
ENGINE = {engine:ReplacingMergeTree(refreshed_at, is_deleted)}
-- By what is asked for; a day belongs to one month for ever, so a row never changes its partition.
PARTITION BY month
-- A client's days are asked for, and all clients' month. The month stands here too, though the day tells it: read
-- FINAL, a table leaves out only what its sorting key can rule out, and without it every question reads all years.
ORDER BY (month, client_id, day, client_state, project, provider, model);

-- rolled_days: one row per day that was made from its quarter-hours.

CREATE TABLE IF NOT EXISTS {database}.rolled_days
(
    day Date,
    terms_version UInt32,
    refreshed_at DateTime64(3, 'UTC')
)
-- Replacing: only the last time matters.
ENGINE = {engine:ReplacingMergeTree(refreshed_at)}
-- The question is when a day was made.
ORDER BY day;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.rolled_days_mv TO {database}.rolled_days AS
SELECT DISTINCT day, terms_version, refreshed_at
FROM {database}.usage_day;

-- due_days: one row per day that a quarter-hour rolled up since may lie in, or that was made under other clients
-- and terms than those in force. `waits_since`: when the first of these quarter-hours was rolled up; of one that is rolled
-- up again and again the last time is sure to be known.
--
-- Days by any clock on earth: some begin fourteen hours before UTC's, some end twelve hours after. One minute of
-- overlap, for a quarter-hour is marked as rolled up a moment before it can be read.

CREATE VIEW IF NOT EXISTS {database}.due_days AS
SELECT
    rolled_up.day AS day,
    rolled_up.written_at AS written_at,
    made.refreshed_at AS refreshed_at,
    made.terms_version AS terms_version,
    arrayMin(arrayFilter(at -> at >= made.refreshed_at, rolled_up.writes)) AS waits_since
FROM
(
    SELECT day, max(rolled_quarters.written_at) AS written_at, groupArray(rolled_quarters.written_at) AS writes
    FROM {database}.rolled_quarters
    ARRAY JOIN arrayMap(
        shift -> toDate(quarter) + shift,
        arrayFilter(
            shift -> (shift = 0) OR (shift = -1 AND toHour(quarter) < 12) OR (shift = 1 AND toHour(quarter) >= 10),
            [-1, 0, 1]
        )
    ) AS day
    GROUP BY day
) AS rolled_up
LEFT JOIN
(
    SELECT
        day,
        argMax(rolled_days.terms_version, rolled_days.refreshed_at) AS terms_version,
        max(rolled_days.refreshed_at) AS refreshed_at
    FROM {database}.rolled_days
    GROUP BY day
) AS made ON made.day = rolled_up.day
WHERE rolled_up.written_at >= made.refreshed_at - INTERVAL 1 MINUTE
    OR made.terms_version != (SELECT max(version) FROM {database}.current_version);

-- usage_day_mv: the days that are due, whole, from their quarter-hours; at most a month's worth at a time, in the order
-- of usage_15m_mv.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.usage_day_mv
REFRESH EVERY 15 SECOND DEPENDS ON {database}.usage_15m_mv APPEND TO {database}.usage_day EMPTY AS
WITH
    -- Before anything that depends on it is read: what an apply changes meanwhile is made again.
    (SELECT toUInt32(max(version)) FROM {database}.current_version) AS terms_in_force,
    (
        SELECT groupArray(day)
        FROM
        (
            SELECT day
            FROM {database}.due_days
            ORDER BY
                written_at >= refreshed_at DESC,
                if(written_at >= refreshed_at, toDateTime64(0, 3, 'UTC'), refreshed_at),
                day DESC
            LIMIT 31
        )
    ) AS due,
    (
        SELECT greatest(now64(3, 'UTC'), max(refreshed_at) + INTERVAL 1 MILLISECOND)
        FROM {database}.rolled_days
    ) AS this_refresh,
    arrayMin(due) - 1 AS first_day,
    arrayMax(due) + 1 AS last_day
SELECT
    month,
    client_id,
    day,
    client_state,
    project,
    provider,
    model,
    units,
    costs,
    cost_usd,
    calls,
    refused,
    unpriced,
    unpriced_units,
    incomplete,
    terms_in_force AS terms_version,
    this_refresh AS refreshed_at,
    is_deleted
FROM
(
    SELECT
        month,
        client_id,
        day,
        client_state,
        project,
        provider,
        model,
        sumMap(placed.units) AS units,
        sumMap(placed.costs) AS costs,
        sumOrNull(placed.cost_usd) AS cost_usd,
        sum(placed.calls) AS calls,
        sum(placed.refused) AS refused,
        sumMap(placed.unpriced) AS unpriced,
        sumMap(placed.unpriced_units) AS unpriced_units,
        sumMap(placed.incomplete) AS incomplete,
        0 AS is_deleted
    FROM
    (
        WITH
            -- As in `calls`: a day of the client's own, else the agency's, else the UTC day.
            own.month != '' AND rolled.quarter < own.ends_at AS by_own_day,
            agency.month != '' AND rolled.quarter < agency.ends_at AS by_agency_day
        SELECT
            multiIf(by_own_day, own.day, by_agency_day, agency.day, toDate(rolled.quarter)) AS day,
            multiIf(
                by_own_day, own.month, by_agency_day, agency.month, formatDateTime(rolled.quarter, '%Y-%m', 'UTC')
            ) AS month,
            multiIf(rolled.client_id = '', 'unattributed', by_own_day, 'known', 'unknown') AS client_state,
            rolled.client_id AS client_id,
            rolled.project AS project,
            rolled.provider AS provider,
            rolled.model AS model,
            rolled.units AS units,
            rolled.costs AS costs,
            rolled.cost_usd AS cost_usd,
            rolled.calls AS calls,
            rolled.refused AS refused,
            rolled.unpriced AS unpriced,
            rolled.unpriced_units AS unpriced_units,
            rolled.incomplete AS incomplete
        FROM
        (
            SELECT *, '' AS agency_id
            FROM {database}.usage_15m FINAL
            WHERE toDate(quarter) IN (SELECT arrayJoin(due) + arrayJoin([-1, 0, 1]))
        ) AS rolled
        ASOF LEFT JOIN
        (
            SELECT client_id, day, month, starts_at, ends_at
            FROM {database}.local_days
            WHERE client_id != '' AND known AND day >= first_day AND day <= last_day
        ) AS own ON own.client_id = rolled.client_id AND rolled.quarter >= own.starts_at
        ASOF LEFT JOIN
        (
            SELECT client_id, day, month, starts_at, ends_at
            FROM {database}.local_days
            WHERE client_id = '' AND day >= first_day AND day <= last_day
        ) AS agency ON agency.client_id = rolled.agency_id AND rolled.quarter >= agency.starts_at
    ) AS placed
    WHERE day IN (SELECT arrayJoin(due))
    GROUP BY month, client_id, day, client_state, project, provider, model
    UNION ALL
    -- What was there, deleted unless it is still there.
    SELECT
        month, client_id, day, client_state, project, provider, model,
        map(), map(), NULL, 0, 0, map(), map(), map(),
        1 AS is_deleted
    FROM {database}.usage_day FINAL
    WHERE month IN (SELECT formatDateTime(arrayJoin(due), '%Y-%m')) AND day IN (SELECT arrayJoin(due))
    UNION ALL
    -- A day in which nothing counts is made too.
    SELECT
        formatDateTime(arrayJoin(due) AS day, '%Y-%m'), '', day, 'unattributed', '', '', '',
        map(), map(), NULL, 0, 0, map(), map(), map(),
        1 AS is_deleted
)
ORDER BY is_deleted
LIMIT 1 BY client_id, day, client_state, project, provider, model;
