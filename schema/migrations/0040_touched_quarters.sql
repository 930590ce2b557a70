-- touched_quarters: one row per quarter-hour (UTC) and hour of the sorting key in which a call of that
-- quarter-hour stands, with the last time that such a call was written, whatever became of it since.
--
-- What has to be rolled up again is found by it, and so is where its calls stand: a call whose start cannot be
-- true counts at its arrival but is sorted under what its span says. Marking a quarter-hour twice, or for nothing,
-- costs one more computation and changes no figure, so this table may be fed by an insert.

CREATE TABLE IF NOT EXISTS {database}.touched_quarters
(
    quarter DateTime('UTC'),
    hour DateTime('UTC'),
    touched_at DateTime64(3, 'UTC')
)
-- Replacing: only the last touch matters, and rows stay as few as quarter-hours. No TTL: what an outage of the
-- roll-up left undone is found however long it lasted.
ENGINE = {engine:ReplacingMergeTree(touched_at)}
-- The question is when a quarter-hour was touched.
ORDER BY (quarter, hour);

-- touched_quarters_mv: one row per quarter-hour and hour in an insert into llm_calls.
--
-- The clock is read as each block is written, not when the insert began: an insert may take longer than the
-- overlap that the roll-up allows for.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.touched_quarters_mv TO {database}.touched_quarters AS
SELECT DISTINCT
    toStartOfFifteenMinutes(call_time) AS quarter,
    hour,
    nowInBlock64(3, 'UTC') AS touched_at
FROM {database}.llm_calls;

-- Calls that were there before this view.
INSERT INTO {database}.touched_quarters (quarter, hour, touched_at)
SELECT DISTINCT toStartOfFifteenMinutes(call_time), hour, now64(3, 'UTC')
FROM {database}.llm_calls;

-- waiting_since: one row per quarter-hour and five seconds in which a call of it was written: since when the roll-up is
-- behind, which the last touch does not tell while calls keep coming. No figure depends on it.

CREATE TABLE IF NOT EXISTS {database}.waiting_since
(
    quarter DateTime('UTC'),
    slot DateTime('UTC')
)
-- Replacing: five seconds are one row, however many inserts they had.
ENGINE = {engine:ReplacingMergeTree}
-- The question is what was written since a quarter-hour was rolled up.
ORDER BY (quarter, slot)
-- What waits for two days waits for two days at least, and that is said then.
TTL slot + INTERVAL 2 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.waiting_since_mv TO {database}.waiting_since AS
SELECT DISTINCT
    toStartOfFifteenMinutes(call_time) AS quarter,
    toStartOfInterval(nowInBlock('UTC'), INTERVAL 5 SECOND) AS slot
FROM {database}.llm_calls;
