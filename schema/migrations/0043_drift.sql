-- drift_rollup: one row per row of the roll-up that is not what the calls add up to. It must find nothing, but for
-- what arrived in the last seconds and is yet to be rolled up.

CREATE OR REPLACE VIEW {database}.drift_rollup AS
SELECT
    month,
    client_id,
    day,
    client_state,
    project,
    provider,
    model,
    sumIf(compared.calls, side = 'rows') AS calls_in_rows,
    sumIf(compared.calls, side = 'roll-up') AS calls_in_rollup,
    sumOrNullIf(compared.cost_usd, side = 'rows') AS cost_usd_in_rows,
    sumOrNullIf(compared.cost_usd, side = 'roll-up') AS cost_usd_in_rollup
FROM
(
    SELECT
        'rows' AS side,
        month,
        client_id,
        day,
        client_state,
        project,
        provider,
        model,
        countIf(bills AND line = '') AS calls,
        countIf(NOT bills AND billable = 'no_if_refused_before_output') AS refused,
        sumOrNullIf(placed.cost_usd, bills) AS cost_usd,
        CAST(sumMapIf(placed.units, bills), 'Map(String, Decimal(38, 12))') AS units,
        CAST(sumMapIf(placed.costs, bills AND placed.cost_usd IS NOT NULL), 'Map(String, Decimal(38, 18))') AS costs,
        CAST(sumMapIf(map(unpriced_reason, toUInt64(1)), bills AND unpriced_reason != ''), 'Map(String, UInt64)')
            AS unpriced,
        CAST(sumMapIf(placed.units, bills AND unpriced_reason != ''), 'Map(String, Decimal(38, 12))')
            AS unpriced_units,
        CAST(
            sumMapIf(map(incomplete_reason, toUInt64(1)), bills AND incomplete_reason != ''), 'Map(String, UInt64)'
        ) AS incomplete
    FROM {database}.calls AS placed
    GROUP BY month, client_id, day, client_state, project, provider, model
    UNION ALL
    SELECT
        'roll-up' AS side,
        toString(month),
        toString(client_id),
        day,
        toString(client_state),
        toString(project),
        toString(provider),
        toString(model),
        calls,
        refused,
        cost_usd,
        CAST(units, 'Map(String, Decimal(38, 12))'),
        CAST(costs, 'Map(String, Decimal(38, 18))'),
        CAST(unpriced, 'Map(String, UInt64)'),
        CAST(unpriced_units, 'Map(String, Decimal(38, 12))'),
        CAST(incomplete, 'Map(String, UInt64)')
    FROM {database}.usage_day FINAL
) AS compared
GROUP BY month, client_id, day, client_state, project, provider, model
HAVING count() != 2
    -- As one tuple: with a NULL among its arguments an aggregate function leaves the row out.
    OR uniqExact(
        (
            compared.calls, refused, compared.cost_usd, compared.units, compared.costs, compared.unpriced,
            compared.unpriced_units, compared.incomplete
        )
    ) != 1;

-- drift_rows: one row per billing span that otel_traces still holds and no call stands for. It must find nothing.
--
-- Spans of the last minute are left out: their calls may be on the way.

CREATE OR REPLACE VIEW {database}.drift_rows AS
SELECT
    toDate(arrived_at) AS arrived_on,
    min(spans.inserted_at) AS arrived_at,
    trace_id,
    span_id,
    any(spans.client_id) AS client_id
FROM
(
    SELECT
        inserted_at,
        toValidUTF8(substring(TraceId, 1, 64)) AS trace_id,
        toValidUTF8(substring(SpanId, 1, 64)) AS span_id,
        toValidUTF8(substring(SpanAttributes['client_id'], 1, 128)) AS client_id
    FROM {database}.otel_traces
    WHERE (ScopeName = 'spanledger' OR ScopeName IN (SELECT scope FROM {database}.billing_scopes))
        AND inserted_at < now64(3, 'UTC') - INTERVAL 1 MINUTE
) AS spans
-- By a hash of 128 bits: the ids themselves would be a gigabyte for ten million calls.
WHERE sipHash128(trace_id, span_id) NOT IN (
    SELECT sipHash128(llm_calls.trace_id, llm_calls.span_id)
    FROM {database}.llm_calls
    WHERE hour IN (
        SELECT multiIf(
            Timestamp < toDateTime64('2025-01-01 00:00:00', 9, 'UTC'), toDateTime('2000-01-01 00:00:00', 'UTC'),
            Timestamp >= toDateTime64('2045-01-01 00:00:00', 9, 'UTC'), toDateTime('2100-01-01 00:00:00', 'UTC'),
            toStartOfHour(toDateTime(Timestamp, 'UTC'))
        )
        FROM {database}.otel_traces
    )
)
GROUP BY trace_id, span_id;
