-- call_arrivals: one row per arrival of a call or line, in the ledger's own words, not yet priced.
--
-- It keeps nothing: whatever is put in runs through the views on it, which price it and store it in
-- llm_calls. So there is one road to a price: a span that arrives takes it, and so does a stored call that
-- is priced or attributed again, with a higher revision and its first arrival kept.

CREATE TABLE IF NOT EXISTS {database}.call_arrivals
(
    revision UInt16,
    first_arrival DateTime64(3, 'UTC'),
    hour DateTime('UTC'),
    call_time DateTime64(9, 'UTC'),
    started_at DateTime64(9, 'UTC'),
    trace_id String,
    span_id String,
    parent_span_id String,
    service String,
    claimed_client_id String,
    client_id String,
    sender String,
    project String,
    labels Map(LowCardinality(String), String),
    provider String,
    operation String,
    host String,
    request_model String,
    response_model String,
    response_id String,
    line String,
    billing_key String,
    billable String,
    metered_by String,
    usage_found Bool,
    usage_complete Bool,
    service_tier String,
    service_tier_requested String,
    traffic_type String,
    speed String,
    inference_geo String,
    image_size String,
    image_quality String,
    http_status UInt16,
    error_type String,
    resend_count UInt16,
    duration_ms UInt32,
    quantities Map(LowCardinality(String), Decimal(38, 12)),
    provider_cost_usd Nullable(Decimal(38, 18)),
    reasons Array(String)
)
-- Null: a row is read by the views on this table while it is inserted, and by nobody later.
ENGINE = Null;
