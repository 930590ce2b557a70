-- llm_calls: one row per call or line, kept for ever, with its usage as received and its cost.
--
-- Rows of the same span replace each other; read it FINAL, or better the view `calls`.

CREATE TABLE IF NOT EXISTS {database}.llm_calls
(
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    claimed_client_id LowCardinality(String),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    -- Revision first, then the earliest arrival: a duplicate never takes the place of what came before it,
    -- nor of what `prices sync` or an operator's command made of it since.
    version UInt64 MATERIALIZED
        toUInt64(revision) * 281474976710656 + 281474976710655 - toUnixTimestamp64Milli(first_arrival),
    revision UInt16,
    first_arrival DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    -- When this row was written: what has been written since an instant is found by it.
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    call_time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    started_at DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    parent_span_id String CODEC(ZSTD(1)),
    service LowCardinality(String),
    client_id LowCardinality(String),
    sender LowCardinality(String),
    project LowCardinality(String),
    labels Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    provider LowCardinality(String),
    operation LowCardinality(String),
    host LowCardinality(String),
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    response_id String CODEC(ZSTD(1)),
    line LowCardinality(String),
    billing_key String CODEC(ZSTD(1)),
    billable LowCardinality(String),
    metered_by LowCardinality(String),
    usage_found Bool,
    usage_complete Bool,
    service_tier LowCardinality(String),
    service_tier_requested LowCardinality(String),
    traffic_type LowCardinality(String),
    speed LowCardinality(String),
    inference_geo LowCardinality(String),
    image_size LowCardinality(String),
    image_quality LowCardinality(String),
    http_status UInt16,
    error_type LowCardinality(String),
    resend_count UInt16,
    duration_ms UInt32 CODEC(T64, ZSTD(1)),
    -- As received: what everything below is made of, and can be made of again.
    quantities Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    provider_cost_usd Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    reasons Array(LowCardinality(String)),
    -- Each quantity below 10^12.
    units Map(LowCardinality(String), Decimal(38, 12)) CODEC(ZSTD(1)),
    -- Each cost at most 10^19 before, and the sum at most 10^9 after the check below: so 10^11 calls add up
    -- within the 1.7 * 10^20 that Decimal(38, 18) holds.
    costs Map(LowCardinality(String), Decimal(38, 18)) CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    bills Bool,
    unpriced_reason LowCardinality(String),
    incomplete_reason LowCardinality(String),
    -- The list that priced it, or that had no price for it; `provider` where the provider's own figure counts.
    price_version LowCardinality(String),
    price_provider LowCardinality(String),
    price_model LowCardinality(String),
    -- Within these UTC days the price is the same: a winner's cost holds at the time of its request.
    price_valid_from Date,
    price_valid_until Date,
    -- Rows arrive roughly in the order of time, so whole granules are skipped by it.
    INDEX by_recording recorded_at TYPE minmax GRANULARITY 1
)
-- Replacing: everything upstream is at-least-once, and the identity of a call is the sorting key. An engine
-- that adds up would keep a retry for ever.
ENGINE = {engine:ReplacingMergeTree(version)}
-- Quarters of what the span says, never of its arrival: duplicates are replaced within one partition only.
-- With the hour's bounds that makes 82 partitions at most, below the hundred that one insert may touch.
PARTITION BY toStartOfQuarter(hour)
-- Only what never changes for a span; hour first, because what repeats all day (recomputing what was
-- touched, the last day's panels) goes by time and is 25 times cheaper so than client first.
ORDER BY (hour, claimed_client_id, trace_id, span_id)
SETTINGS non_replicated_deduplication_window = 10000;
