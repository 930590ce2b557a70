-- Closed months, as `spanledger close` writes them. Nothing here is ever changed or deleted, and
-- `spanledger verify` shows whether that is so.
--
-- A close writes its lines, days and documents under an id of its own, and becomes visible, whole, by the one
-- row that it adds to closes at last: a close that broke off is never seen, not even in part.

-- closes: one row per closed month of a client.
CREATE TABLE IF NOT EXISTS {database}.closes
(
    number UInt32,
    close_id String,
    client_id String,
    month String,
    closed_at DateTime64(3, 'UTC'),
    statement_number String,
    currency LowCardinality(String),
    -- What one USD was in that currency.
    rate Decimal(18, 10),
    -- With adjustments, before tax and with it.
    net Decimal(38, 3),
    total Decimal(38, 3),
    -- Why it would have been refused, and was closed all the same because the operator said so.
    accepted Array(Tuple(cause String, count UInt64)),
    -- All of the above and the SHA-256 of every line, day and document, as JSON; the columns repeat it for SQL.
    content String CODEC(ZSTD(3)),
    -- The hash of the close before it; 64 zeros for the first.
    prev_hash String,
    -- SHA-256 of the content, which names prev_hash too: each close vouches for all before it.
    hash String
)
-- Plain MergeTree: an engine that replaces rows would hide that one was put in the place of another.
ENGINE = {engine:MergeTree}
-- The chain is read in its order.
ORDER BY number
-- Two closes at once claim one number with one token: the second insert is ignored.
SETTINGS non_replicated_deduplication_window = 10000;

-- closed_lines: one row per line of a closed month: its own ones (corrects = month), and its adjustments, each
-- the difference between what an earlier closed month comes to now and what was billed for it.
--
-- Columns, types and bounds are those of month_lines, of which these are copies and differences.
CREATE TABLE IF NOT EXISTS {database}.closed_lines
(
    close_id String,
    line UInt32,
    client_id String,
    month String,
    corrects String,
    kind LowCardinality(String),
    first_day Date,
    last_day Date,
    provider LowCardinality(String),
    model String,
    -- Why, of an adjustment.
    reason String,
    currency LowCardinality(String),
    currency_exponent UInt8,
    rate Decimal(18, 10),
    charge Nullable(Decimal(38, 3)),
    cost Nullable(Decimal(38, 3)),
    charge_usd Nullable(Decimal(38, 2)),
    cost_usd Nullable(Decimal(38, 2)),
    cost_usd_exact Nullable(Decimal(38, 18)),
    charge_reason String,
    units Map(String, Decimal(38, 12)),
    unit_charges Map(String, Decimal(38, 3)),
    unit_costs Map(String, Decimal(38, 3)),
    calls Int64,
    refused Int64,
    unpriced Map(String, Int64),
    unpriced_units Map(String, Decimal(38, 12)),
    incomplete Map(String, Int64),
    -- The same money as the month that it corrects reckons, which may have another currency.
    corrected_currency LowCardinality(String),
    corrected_exponent UInt8,
    corrected_rate Decimal(18, 10),
    corrected_charge Decimal(38, 3),
    corrected_cost Decimal(38, 3)
)
-- Plain, for the reason of closes.
ENGINE = {engine:MergeTree}
-- By month: a month of all clients is asked for, and a close writes into one.
PARTITION BY month
-- A client's months are asked for, and what was billed for one of them by any of its statements.
ORDER BY (client_id, month, close_id, line);

-- closed_days: one row per day of a closed month: what the month was charged for it, without adjustments. Columns,
-- types and bounds are those of charges_by_day.
CREATE TABLE IF NOT EXISTS {database}.closed_days
(
    close_id String,
    client_id String,
    month String,
    day Date,
    currency LowCardinality(String),
    currency_exponent UInt8,
    charge Nullable(Decimal(38, 3)),
    usage_charge Decimal(76, 12),
    top_up Decimal(76, 12),
    cost_usd Nullable(Decimal(38, 18)),
    calls Int64,
    refused Int64,
    unpriced_calls Int64,
    incomplete_calls Int64
)
-- Plain, for the reason of closes.
ENGINE = {engine:MergeTree}
-- By month: a month of all clients is asked for, and a close writes into one.
PARTITION BY month
-- A client's days are asked for.
ORDER BY (client_id, month, close_id, day);

-- closed_documents: one row per closed month, copy (`full`, `charges`) and format: the very bytes.
CREATE TABLE IF NOT EXISTS {database}.closed_documents
(
    close_id String,
    copy LowCardinality(String),
    format LowCardinality(String),
    bytes String CODEC(ZSTD(3))
)
-- Plain, for the reason of closes.
ENGINE = {engine:MergeTree}
-- One document is asked for at a time.
ORDER BY (close_id, copy, format);
