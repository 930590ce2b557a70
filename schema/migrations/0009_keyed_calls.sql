-- keyed_calls: one row per span that carries a billing key, the columns of llm_calls again.
--
-- A background response is looked at many times and every look shows the same usage. Such spans are few; kept
-- apart and by key, the one that counts is found without reading the calls.

CREATE TABLE IF NOT EXISTS {database}.keyed_calls AS {database}.llm_calls
-- Replacing by the same version: a redelivered look replaces itself.
ENGINE = {engine:ReplacingMergeTree(version)}
-- No PARTITION BY: the looks at one response may lie months apart and must meet.
-- By key, since the question is who wins it; then the span's identity.
ORDER BY (billing_key, line, trace_id, span_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- keyed_calls_mv: one row per row of an insert into llm_calls that has a billing key.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.keyed_calls_mv TO {database}.keyed_calls AS
SELECT *
FROM {database}.llm_calls
WHERE billing_key != '';
