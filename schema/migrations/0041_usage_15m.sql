-- usage_15m: one row per quarter-hour (UTC), client, project, provider and model: the grain that is recomputed.
--
-- Quantities and costs per unit are maps in one row: a row a unit took three times the space. Read it FINAL.
-- `calls` counts calls without their lines; `unpriced` and `incomplete` count a line as one.

CREATE TABLE IF NOT EXISTS {database}.usage_15m
(
    quarter DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    client_id LowCardinality(String),
    project LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    -- A quantity of a call is below 10^12 and this type holds 10^26: room for 10^14 calls.
    units Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    -- A priced call costs at most USD 10^9 and this type holds 1.7 * 10^20: room for 10^11 calls.
    costs Map(LowCardinality(String), Decimal(38, 18)) CODEC(ZSTD(1)),
    -- Of the calls whose cost is known; NULL where it is known of none.
    cost_usd Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    refused UInt64 CODEC(T64, ZSTD(1)),
    unpriced Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    unpriced_units Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    incomplete Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    -- When the refresh began that wrote it.
    refreshed_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    is_deleted UInt8
)
-- Replacing, with deletion: a quarter-hour is written whole, and what is no longer in it as deleted. An engine
-- that adds up would keep a retry for ever.
ENGINE = {engine:ReplacingMergeTree(refreshed_at, is_deleted)}
-- By month: a refresh rewrites the quarter-hours of a few days, and merges stay within one month's rows.
PARTITION BY toYYYYMM(quarter)
-- By time first: what is recomputed and what a day is made of are stretches of time.
ORDER BY (quarter, client_id, project, provider, model);

-- rolled_quarters: one row per quarter-hour that was rolled up: when the refresh began that last did so, and when it
-- wrote.

CREATE TABLE IF NOT EXISTS {database}.rolled_quarters
(
    quarter DateTime('UTC'),
    refreshed_at DateTime64(3, 'UTC'),
    written_at DateTime64(3, 'UTC')
)
-- Replacing: only the last time matters.
ENGINE = {engine:ReplacingMergeTree(refreshed_at)}
-- The question is when a quarter-hour was rolled up.
ORDER BY quarter;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.rolled_quarters_mv TO {database}.rolled_quarters AS
SELECT DISTINCT quarter, refreshed_at, nowInBlock64(3, 'UTC') AS written_at
FROM {database}.usage_15m;

-- due_quarters: one row per quarter-hour touched since it was last rolled up, or in the two minutes before that:
-- an insert in flight marks a quarter-hour a moment before its calls can be read.
--
-- Each quarter-hour is held against its own last time, so nothing is forgotten by an outage, however long, nor by
-- a refresh that failed or did only part.

CREATE VIEW IF NOT EXISTS {database}.due_quarters AS
SELECT
    touched.quarter AS quarter,
    touched.touched_at AS touched_at,
    rolled.refreshed_at AS refreshed_at
FROM
(
    SELECT quarter, max(touched_quarters.touched_at) AS touched_at
    FROM {database}.touched_quarters
    GROUP BY quarter
) AS touched
LEFT JOIN
(
    SELECT quarter, max(rolled_quarters.refreshed_at) AS refreshed_at
    FROM {database}.rolled_quarters
    GROUP BY quarter
) AS rolled ON rolled.quarter = touched.quarter
WHERE touched.touched_at >= rolled.refreshed_at - INTERVAL 2 MINUTE;

-- keyed_rows: one row per billing key and line: the usage that it stands for, where it counts.

CREATE VIEW IF NOT EXISTS {database}.keyed_rows AS
SELECT
    billing_key,
    toStartOfFifteenMinutes(opener.call_time) AS quarter,
    opener.client_id AS client_id,
    opener.project AS project,
    opener.provider AS provider,
    if(teller.response_model != '', teller.response_model, teller.request_model) AS model,
    line,
    teller.units AS units,
    if(price_holds, teller.costs, CAST(map(), 'Map(String, Decimal(38, 18))')) AS costs,
    if(price_holds, teller.cost_usd, NULL) AS cost_usd,
    if(price_holds, teller.unpriced_reason, 'price changed between request and answer') AS unpriced_reason,
    teller.incomplete_reason AS incomplete_reason,
    teller.billable AS billable,
    teller.bills AS bills
FROM
(
    SELECT
        *,
        teller.price_valid_until = toDate(0) OR (
            toDate(opener.call_time) >= teller.price_valid_from
            AND toDate(opener.call_time) < teller.price_valid_until
        ) AS price_holds
    FROM {database}.billing_key_winners
);

-- usage_15m_mv: the quarter-hours that are due, whole, from deduplicated rows.
--
-- At most a day's worth at a time: first what nobody has rolled up yet, the newest of it first, then what is only
-- looked at again, the longest ago first. So a backlog neither exhausts the memory nor holds up today's figures. What is due is named once (a scalar), so that the
-- rows and the deletions speak of the same quarter-hours whatever is touched meanwhile.
--
-- EMPTY: it is not refreshed in the moment in which it is made: whoever makes a ledger waits for it then, and there is
-- nothing to roll up yet.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.usage_15m_mv
REFRESH EVERY 15 SECOND APPEND TO {database}.usage_15m EMPTY AS
WITH
    (
        SELECT groupArray(quarter)
        FROM
        (
            SELECT quarter
            FROM {database}.due_quarters
            ORDER BY
                touched_at >= refreshed_at DESC,
                if(touched_at >= refreshed_at, toDateTime64(0, 3, 'UTC'), refreshed_at),
                quarter DESC
            LIMIT 96
        )
    ) AS touched,
    -- A new look at a response may change what counts in the quarter-hour of any other look at it.
    (
        SELECT groupUniqArray(toStartOfFifteenMinutes(call_time))
        FROM {database}.keyed_calls
        WHERE billing_key IN (
            SELECT billing_key
            FROM {database}.keyed_calls
            WHERE toStartOfFifteenMinutes(call_time) IN (SELECT arrayJoin(touched))
        )
    ) AS touched_by_key,
    arrayDistinct(arrayConcat(touched, touched_by_key)) AS due,
    -- Later than all before it, even where the clock was set back.
    (
        SELECT greatest(now64(3, 'UTC'), max(refreshed_at) + INTERVAL 1 MILLISECOND)
        FROM {database}.rolled_quarters
    ) AS this_refresh
SELECT
    quarter,
    client_id,
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
    this_refresh AS refreshed_at,
    is_deleted
FROM
(
    SELECT
        quarter,
        client_id,
        project,
        provider,
        model,
        sumMapIf(placed.units, bills) AS units,
        sumMapIf(placed.costs, bills AND placed.cost_usd IS NOT NULL) AS costs,
        sumOrNullIf(placed.cost_usd, bills) AS cost_usd,
        countIf(bills AND line = '') AS calls,
        countIf(NOT bills AND billable = 'no_if_refused_before_output') AS refused,
        sumMapIf(map(unpriced_reason, toUInt64(1)), bills AND unpriced_reason != '') AS unpriced,
        sumMapIf(placed.units, bills AND unpriced_reason != '') AS unpriced_units,
        sumMapIf(map(incomplete_reason, toUInt64(1)), bills AND incomplete_reason != '') AS incomplete,
        0 AS is_deleted
    FROM
    (
        SELECT
            toStartOfFifteenMinutes(call_time) AS quarter,
            client_id,
            project,
            provider,
            if(response_model != '', response_model, request_model) AS model,
            line,
            units,
            costs,
            cost_usd,
            unpriced_reason,
            incomplete_reason,
            billable,
            bills
        FROM {database}.llm_calls FINAL
        WHERE billing_key = ''
            AND hour IN (
                SELECT hour FROM {database}.touched_quarters WHERE quarter IN (SELECT arrayJoin(due))
            )
            AND toStartOfFifteenMinutes(call_time) IN (SELECT arrayJoin(due))
        UNION ALL
        SELECT
            quarter,
            client_id,
            project,
            provider,
            model,
            line,
            units,
            costs,
            cost_usd,
            unpriced_reason,
            incomplete_reason,
            billable,
            bills
        FROM {database}.keyed_rows
        WHERE billing_key IN (
                SELECT billing_key
                FROM {database}.keyed_calls
                WHERE toStartOfFifteenMinutes(call_time) IN (SELECT arrayJoin(due))
            )
            AND quarter IN (SELECT arrayJoin(due))
    ) AS placed
    GROUP BY quarter, client_id, project, provider, model
    UNION ALL
    -- What was there, deleted unless it is still there.
    SELECT
        quarter, client_id, project, provider, model,
        map(), map(), NULL, 0, 0, map(), map(), map(),
        1 AS is_deleted
    FROM {database}.usage_15m FINAL
    WHERE quarter IN (SELECT arrayJoin(due))
    UNION ALL
    -- A quarter-hour in which nothing counts is rolled up too.
    SELECT
        arrayJoin(due), '', '', '', '',
        map(), map(), NULL, 0, 0, map(), map(), map(),
        1 AS is_deleted
)
ORDER BY is_deleted
LIMIT 1 BY quarter, client_id, project, provider, model;
