-- What months are charged, reckoned once and kept: month_lines and charges_by_day as they come out, made again where
-- anything changes that they are made of.
--
-- These two views reckon, round and are right at any moment, and take a good part of a second for it; whoever looks at
-- a dashboard asks for their result twenty times a minute. Copies by the same views are what billed_lines and
-- billed_days, and all that stands on them, have of months that are not closed. A close and a statement read the views
-- themselves.

-- month_inputs: one row per month with usage or terms: what its charges are made of, as a hash: the stretches of all
-- clients with their terms and rates, and when how much of its usage was rolled up last.
--
-- Nothing is marked when it changes, so no mark can be lost: whatever changed a stretch (an apply, a rate, a month that
-- begins, a day that is a new one for the rate) shows in it, and so does every row that was rolled up. The rows that came
-- last are counted besides, for an insert need not appear at once; merges take none of these away. `size` is about how many
-- rows it is to reckon.

CREATE OR REPLACE VIEW {database}.month_inputs AS
SELECT
    month,
    sipHash64(sum(side.terms), max(side.rolled_at), sum(side.rolled_rows)) AS inputs,
    sum(side.size) AS size
FROM
(
    SELECT
        month,
        sum(sipHash64(
            client_id, first_day, last_day, stretch_days, month_days, toString(currency), currency_exponent,
            ifNull(rate, 0), fee, allowance_cost_usd, tiers, minimum, overrides
        )) AS terms,
        toDateTime64(0, 3, 'UTC') AS rolled_at,
        toUInt64(0) AS rolled_rows,
        count() AS size
    FROM {database}.month_stretches
    GROUP BY month
    UNION ALL
    SELECT month, toUInt64(0), max(moments.refreshed_at), argMax(moments.written, moments.refreshed_at), sum(moments.written)
    FROM
    (
        SELECT month, refreshed_at, count() AS written
        FROM {database}.usage_day
        GROUP BY month, refreshed_at
    ) AS moments
    GROUP BY month
) AS side
GROUP BY month;

-- kept_lines: one row per client, month, state of the client and line: month_lines as they were when they were reckoned
-- last. Read it FINAL.

CREATE TABLE IF NOT EXISTS {database}.kept_lines
(
    month String,
    -- In which month's trend it stands as the month before: so a trend finds it without reading all months.
    next_month String DEFAULT formatDateTime(addMonths(toDateOrZero(concat(month, '-01')), 1), '%Y-%m'),
    client_id String,
    client_state LowCardinality(String),
    kind LowCardinality(String),
    first_day Date,
    last_day Date,
    provider String,
    model String,
    -- Types and bounds are those of month_lines, of which these are copies.
    currency LowCardinality(String),
    currency_exponent UInt8,
    rate Nullable(Decimal(18, 10)),
    charge Nullable(Decimal(38, 3)),
    cost Nullable(Decimal(38, 3)),
    charge_usd Nullable(Decimal(38, 2)),
    cost_usd Nullable(Decimal(38, 2)),
    cost_usd_exact Nullable(Decimal(38, 18)),
    charge_reason String,
    units Map(String, Decimal(38, 12)),
    unit_charges Map(String, Decimal(38, 3)),
    unit_costs Map(String, Decimal(38, 3)),
    calls UInt64,
    refused UInt64,
    unpriced Map(String, UInt64),
    unpriced_units Map(String, Decimal(38, 12)),
    incomplete Map(String, UInt64),
    -- Of month_inputs, read before anything else: what changed meanwhile is reckoned again.
    inputs UInt64,
    refreshed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
-- Replacing, with deletion: a month is written whole, and what is no longer in it as deleted.
ENGINE = {engine:ReplacingMergeTree(refreshed_at, is_deleted)}
-- By what is asked for, and made again.
PARTITION BY month
-- A month is asked for, of a client or of all.
ORDER BY (month, next_month, client_id, client_state, kind, first_day, provider, model);

-- kept_days: one row per client, local day and state of the client: charges_by_day likewise. Read it FINAL.

CREATE TABLE IF NOT EXISTS {database}.kept_days
(
    month String,
    client_id String,
    client_state LowCardinality(String),
    day Date,
    -- Types and bounds are those of charges_by_day, of which these are copies.
    currency LowCardinality(String),
    currency_exponent UInt8,
    charge Nullable(Decimal(38, 3)),
    usage_charge Decimal(76, 12),
    top_up Decimal(76, 12),
    cost_usd Nullable(Decimal(38, 18)),
    calls UInt64,
    refused UInt64,
    unpriced_calls UInt64,
    incomplete_calls UInt64,
    inputs UInt64,
    refreshed_at DateTime64(3, 'UTC'),
    is_deleted UInt8
)
-- As kept_lines.
ENGINE = {engine:ReplacingMergeTree(refreshed_at, is_deleted)}
-- As kept_lines.
PARTITION BY month
-- As kept_lines.
ORDER BY (month, client_id, client_state, day);

-- due_lines: one row per month whose lines were not kept, or of other inputs than it has now.

CREATE OR REPLACE VIEW {database}.due_lines AS
SELECT month, sum(side.inputs) AS inputs, max(side.refreshed_at) AS refreshed_at, sum(side.size) AS size
FROM
(
    SELECT month, inputs, toUInt64(0) AS kept_inputs, toDateTime64(0, 3, 'UTC') AS refreshed_at, size
    FROM {database}.month_inputs
    UNION ALL
    SELECT month, 0, argMax(kept.inputs, kept.refreshed_at), max(kept.refreshed_at), 0
    FROM {database}.kept_lines AS kept
    GROUP BY month
) AS side
GROUP BY month
HAVING sum(side.inputs) != sum(side.kept_inputs);

-- due_line_days: one row per month whose days were not kept, or of other inputs than it has now.

CREATE OR REPLACE VIEW {database}.due_line_days AS
SELECT month, sum(side.inputs) AS inputs, max(side.refreshed_at) AS refreshed_at, sum(side.size) AS size
FROM
(
    SELECT month, inputs, toUInt64(0) AS kept_inputs, toDateTime64(0, 3, 'UTC') AS refreshed_at, size
    FROM {database}.month_inputs
    UNION ALL
    SELECT month, 0, argMax(kept.inputs, kept.refreshed_at), max(kept.refreshed_at), 0
    FROM {database}.kept_days AS kept
    GROUP BY month
) AS side
GROUP BY month
HAVING sum(side.inputs) != sum(side.kept_inputs);

-- kept_lines_mv: the months that are due, whole; the newest first, and no more at a time than memory has room for.
--
-- To see that nothing is due takes most of a second of a core, so it is asked once a minute. It waits for no other
-- refresh: what the roll-up writes meanwhile is due the next time.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.kept_lines_mv
REFRESH EVERY 1 MINUTE APPEND TO {database}.kept_lines EMPTY AS
WITH
    -- Named once, before anything of it is read.
    (
        SELECT groupArray((month, inputs))
        FROM
        (
            SELECT month, inputs, sum(size) OVER (ORDER BY month DESC) - size AS size_before
            FROM {database}.due_lines
            -- A month is a partition, and no insert may touch a hundred.
            ORDER BY month DESC
            LIMIT 60
        )
        WHERE size_before < 50000
    ) AS due,
    -- Later than all before it, even where the clock was set back.
    (SELECT greatest(now64(3, 'UTC'), max(refreshed_at) + INTERVAL 1 MILLISECOND) FROM {database}.kept_lines) AS this_refresh
SELECT
    *,
    arrayFirst(d -> d.1 = month, due).2 AS inputs,
    this_refresh AS refreshed_at
FROM
(
    SELECT
        month, client_id, client_state, kind, first_day, last_day, provider, model, currency, currency_exponent, rate, charge,
        cost, charge_usd, cost_usd, cost_usd_exact, charge_reason, units, unit_charges, unit_costs, calls, refused, unpriced,
        unpriced_units, incomplete,
        0 AS is_deleted
    FROM {database}.month_lines
    WHERE month IN (SELECT arrayJoin(due).1)
    UNION ALL
    -- What was there, deleted unless it is still there.
    SELECT
        month, client_id, client_state, kind, first_day, last_day, provider, model, '', 0, NULL, NULL,
        NULL, NULL, NULL, NULL, '', map(), map(), map(), 0, 0, map(),
        map(), map(),
        1
    FROM {database}.kept_lines FINAL
    WHERE month IN (SELECT arrayJoin(due).1)
    UNION ALL
    -- A month without lines is kept too.
    SELECT
        arrayJoin(due).1, '', '', '', toDate(0), toDate(0), '', '', '', 0, NULL, NULL,
        NULL, NULL, NULL, NULL, '', map(), map(), map(), 0, 0, map(),
        map(), map(),
        1
)
ORDER BY is_deleted
LIMIT 1 BY month, client_id, client_state, kind, first_day, provider, model;

-- kept_days_mv: likewise, of days; after the lines, for each takes memory.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.kept_days_mv
REFRESH EVERY 1 MINUTE DEPENDS ON {database}.kept_lines_mv APPEND TO {database}.kept_days EMPTY AS
WITH
    (
        SELECT groupArray((month, inputs))
        FROM
        (
            SELECT month, inputs, sum(size) OVER (ORDER BY month DESC) - size AS size_before
            FROM {database}.due_line_days
            -- A month is a partition, and no insert may touch a hundred.
            ORDER BY month DESC
            LIMIT 60
        )
        WHERE size_before < 50000
    ) AS due,
    (SELECT greatest(now64(3, 'UTC'), max(refreshed_at) + INTERVAL 1 MILLISECOND) FROM {database}.kept_days) AS this_refresh
SELECT
    *,
    arrayFirst(d -> d.1 = month, due).2 AS inputs,
    this_refresh AS refreshed_at
FROM
(
    SELECT
        month, client_id, client_state, day, currency, currency_exponent, charge, usage_charge, top_up, cost_usd, calls,
        refused, unpriced_calls, incomplete_calls,
        0 AS is_deleted
    FROM {database}.charges_by_day
    WHERE month IN (SELECT arrayJoin(due).1)
    UNION ALL
    SELECT month, client_id, client_state, day, '', 0, NULL, 0, 0, NULL, 0, 0, 0, 0, 1
    FROM {database}.kept_days FINAL
    WHERE month IN (SELECT arrayJoin(due).1)
    UNION ALL
    SELECT arrayJoin(due).1, '', '', toDate(0), '', 0, NULL, 0, 0, NULL, 0, 0, 0, 0, 1
)
ORDER BY is_deleted
LIMIT 1 BY month, client_id, client_state, day;

-- drift_charges: one row per month whose kept charges are not what the views reckon, but for what is yet to be kept. It
-- must find nothing. It reckons every month.

CREATE OR REPLACE VIEW {database}.drift_charges AS
SELECT month, countIf(of_lines) AS lines, countIf(NOT of_lines) AS days
FROM
(
    SELECT month, of_lines
    FROM
    (
        SELECT
            month,
            true AS of_lines,
            toString((client_id, toString(client_state), toString(kind), first_day, provider, model)) AS row_name,
            toString((
                last_day, toString(currency), currency_exponent, rate, charge, cost, charge_usd, cost_usd, cost_usd_exact,
                charge_reason, units, unit_charges, unit_costs, calls, refused, unpriced, unpriced_units, incomplete
            )) AS content
        FROM {database}.month_lines
        UNION ALL
        SELECT
            month,
            true,
            toString((client_id, toString(client_state), toString(kind), first_day, provider, model)),
            toString((
                last_day, toString(currency), currency_exponent, rate, charge, cost, charge_usd, cost_usd, cost_usd_exact,
                charge_reason, units, unit_charges, unit_costs, calls, refused, unpriced, unpriced_units, incomplete
            ))
        FROM {database}.kept_lines FINAL
        UNION ALL
        SELECT
            month,
            false,
            toString((client_id, toString(client_state), day)),
            toString((
                toString(currency), currency_exponent, charge, usage_charge, top_up, cost_usd, calls, refused, unpriced_calls,
                incomplete_calls
            ))
        FROM {database}.charges_by_day
        UNION ALL
        SELECT
            month,
            false,
            toString((client_id, toString(client_state), day)),
            toString((
                toString(currency), currency_exponent, charge, usage_charge, top_up, cost_usd, calls, refused, unpriced_calls,
                incomplete_calls
            ))
        FROM {database}.kept_days FINAL
    )
    WHERE month NOT IN (SELECT month FROM {database}.due_lines) AND month NOT IN (SELECT month FROM {database}.due_line_days)
    GROUP BY month, of_lines, row_name
    HAVING count() != 2 OR uniqExact(content) != 1
)
GROUP BY month;

-- rollup_freshness: one row: how far the roll-up is behind the calls.
--
-- `behind_since` is when the first came that is not in it: calls (told to five seconds, never too late), quarter-hours
-- that no day has yet, days that were rolled up since their month was reckoned.

CREATE OR REPLACE VIEW {database}.rollup_freshness AS
WITH
    (
        SELECT (
            uniqExact(due.quarter),
            minOrNull(
                if(
                    slots.slot > toDateTime(0, 'UTC') AND slots.slot + 5 > due.refreshed_at,
                    least(greatest(toDateTime64(slots.slot, 3, 'UTC'), due.refreshed_at), due.touched_at),
                    due.touched_at
                )
            )
        )
        FROM
        (
            SELECT quarter, touched_at, refreshed_at
            FROM {database}.due_quarters
            WHERE touched_at >= refreshed_at
        ) AS due
        LEFT JOIN {database}.waiting_since AS slots ON slots.quarter = due.quarter
    ) AS quarters,
    (
        SELECT (count(), minOrNull(waits_since))
        FROM {database}.due_days
        WHERE written_at >= refreshed_at
    ) AS days,
    (
        SELECT (countIf(notEmpty(waiting)), minOrNullIf(arrayMin(waiting), notEmpty(waiting)))
        FROM
        (
            SELECT arrayFilter(at -> at > max(side.kept_at), groupArray(side.rolled_at)) AS waiting
            FROM
            (
                SELECT formatDateTime(day, '%Y-%m') AS month, refreshed_at AS rolled_at, toDateTime64(0, 3, 'UTC') AS kept_at
                FROM {database}.rolled_days
                UNION ALL
                SELECT month, toDateTime64(0, 3, 'UTC'), max(refreshed_at)
                FROM {database}.kept_lines
                GROUP BY month
            ) AS side
            GROUP BY month
        )
    ) AS months,
    toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AS never
SELECT
    quarters.1 AS quarters_behind,
    nullIf(least(ifNull(quarters.2, never), ifNull(days.2, never), ifNull(months.2, never)), never) AS behind_since,
    days.1 AS days_behind,
    months.1 AS months_behind,
    (SELECT maxOrNull(refreshed_at) FROM {database}.rolled_quarters) AS last_refresh,
    if(behind_since IS NULL, 0, dateDiff('second', behind_since, now64(3, 'UTC'))) AS lag_seconds;
