-- drift_checks: one row per time that the drift checks ran.
--
-- They read every call and reckon every month, which no alert rule and no panel may do; so they run by themselves, and what they found is kept.

CREATE TABLE IF NOT EXISTS {database}.drift_checks
(
    checked_at DateTime64(3, 'UTC'),
    -- Rows of the roll-up that are not what the calls add up to, spans that no call stands for, and kept lines and days
    -- that are not what usage and terms come to.
    rollup_rows UInt64,
    lost_spans UInt64,
    charge_rows UInt64
)
-- Plain MergeTree: every check is kept, good ones too; they show that it runs.
ENGINE = {engine:MergeTree}
-- The question is what the last ones found.
ORDER BY checked_at
-- The last months say whether drift is new; more would say nothing else.
TTL toDateTime(checked_at) + INTERVAL 180 DAY;

-- drift_checks_mv: one row every six hours.
--
-- Days that are about to be rolled up again are left to the next check: there the roll-up is late, and not wrong.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.drift_checks_mv
REFRESH EVERY 6 HOUR APPEND TO {database}.drift_checks AS
SELECT
    now64(3, 'UTC') AS checked_at,
    (
        SELECT count()
        FROM {database}.drift_rollup
        WHERE day NOT IN (
                SELECT arrayJoin([toDate(quarter) - 1, toDate(quarter), toDate(quarter) + 1]) FROM {database}.due_quarters
            )
            AND day NOT IN (SELECT day FROM {database}.due_days)
    ) AS rollup_rows,
    (SELECT count() FROM {database}.drift_rows) AS lost_spans,
    (SELECT sum(lines) + sum(days) FROM {database}.drift_charges) AS charge_rows;

-- drift_found: one row per check (`roll-up`, `calls`, `charges`): what the last one found, and when it ran.

CREATE OR REPLACE VIEW {database}.drift_found AS
SELECT
    found.1 AS check_name,
    found.2 AS rows_found,
    last_checked_at
FROM
(
    SELECT
        max(checked_at) AS last_checked_at,
        argMax(rollup_rows, checked_at) AS last_rollup_rows,
        argMax(lost_spans, checked_at) AS last_lost_spans,
        argMax(charge_rows, checked_at) AS last_charge_rows
    FROM {database}.drift_checks
)
ARRAY JOIN [('roll-up', last_rollup_rows), ('calls', last_lost_spans), ('charges', last_charge_rows)] AS found;

-- pipeline_stalls: one row per part of the pipeline (`arrivals`, `roll-up`, `drift check`): for how long it stands
-- still; 0 while it moves.
--
-- Nothing arriving is a stall only where the agency's habit says that something should: the same hour one week ago and
-- two weeks ago had calls. A night and a weekend are silent every week. In the first two weeks there is no habit yet.

CREATE OR REPLACE VIEW {database}.pipeline_stalls AS
SELECT
    'arrivals' AS part,
    toUInt64(if(last_week > 0 AND week_before > 0, silence, 0)) AS seconds
FROM
(
    SELECT
        (
            SELECT dateDiff('second', greatest(max(arrived_at), now64(3, 'UTC') - INTERVAL 1 DAY), now64(3, 'UTC'))
            FROM {database}.span_arrivals
            WHERE arrived_at >= now64(3, 'UTC') - INTERVAL 1 DAY
        ) AS silence,
        (
            SELECT sum(calls)
            FROM {database}.usage_by_quarter_hour
            WHERE quarter >= now('UTC') - INTERVAL 7 DAY - INTERVAL 1 HOUR AND quarter < now('UTC') - INTERVAL 7 DAY
        ) AS last_week,
        (
            SELECT sum(calls)
            FROM {database}.usage_by_quarter_hour
            WHERE quarter >= now('UTC') - INTERVAL 14 DAY - INTERVAL 1 HOUR AND quarter < now('UTC') - INTERVAL 14 DAY
        ) AS week_before
)
UNION ALL
SELECT 'roll-up', toUInt64(greatest(lag_seconds, 0))
FROM {database}.rollup_freshness
UNION ALL
-- Six hours and a quarter lie between two checks at most.
SELECT 'drift check', toUInt64(greatest(dateDiff('second', max(checked_at), now64(3, 'UTC')) - 22500, 0))
FROM {database}.drift_checks;
