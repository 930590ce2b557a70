-- otel_traces: one row per span as the collector delivered it, duplicates included.
--
-- The columns, up to Links, are those the collector's clickhouseexporter writes (22 of them, by name);
-- inserted_at is ours.

CREATE TABLE IF NOT EXISTS {database}.otel_traces
(
    Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp DateTime64(9, 'UTC'),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    -- The exporter does not name this column, so no sender can choose its value.
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
)
-- Plain MergeTree: what arrived is evidence. Deduplication is llm_calls' work, by identity; a Replacing
-- engine here would need a key that names every span, and would still keep duplicates until a merge.
ENGINE = {engine:MergeTree}
-- By arrival, not by the span's own time: a backlog of old calls then touches one partition. An insert
-- over a hundred partitions is refused, and the collector would retry it for ever.
PARTITION BY toDate(inserted_at)
-- Questions to this table name a span or a trace ("what did the app send?", rows against spans).
ORDER BY (TraceId, SpanId)
-- By arrival for the same reason: an old call must not expire before anybody saw it.
TTL toDateTime(inserted_at) + INTERVAL 14 DAY
SETTINGS
    ttl_only_drop_parts = 1,
    -- The collector repeats a whole insert when its answer was lost; the very same block is then dropped
    -- here instead of being stored and read twice. What it misses, llm_calls still counts once.
    non_replicated_deduplication_window = 10000;
