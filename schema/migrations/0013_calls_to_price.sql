-- calls_to_price: one row per call that bills and for whose price the list in force was not asked yet, as it
-- goes into call_arrivals again: one revision higher, its first arrival kept.
--
-- Among them are looks at a background response whose price changed between the request and the look that
-- told its usage; they are priced at the request's time, where their winner stands.

CREATE VIEW IF NOT EXISTS {database}.calls_to_price AS
SELECT
    toUInt16(calls.revision + 1) AS revision,
    calls.first_arrival AS first_arrival,
    calls.hour AS hour,
    if(late.asked_at > 0, late.asked_at, calls.call_time) AS call_time,
    calls.started_at AS started_at,
    calls.trace_id AS trace_id,
    calls.span_id AS span_id,
    calls.parent_span_id AS parent_span_id,
    calls.service AS service,
    calls.claimed_client_id AS claimed_client_id,
    calls.client_id AS client_id,
    calls.sender AS sender,
    calls.project AS project,
    calls.labels AS labels,
    calls.provider AS provider,
    calls.operation AS operation,
    calls.host AS host,
    calls.request_model AS request_model,
    calls.response_model AS response_model,
    calls.response_id AS response_id,
    calls.line AS line,
    calls.billing_key AS billing_key,
    calls.billable AS billable,
    calls.metered_by AS metered_by,
    calls.usage_found AS usage_found,
    calls.usage_complete AS usage_complete,
    calls.service_tier AS service_tier,
    calls.service_tier_requested AS service_tier_requested,
    calls.traffic_type AS traffic_type,
    calls.speed AS speed,
    calls.inference_geo AS inference_geo,
    calls.image_size AS image_size,
    calls.image_quality AS image_quality,
    calls.http_status AS http_status,
    calls.error_type AS error_type,
    calls.resend_count AS resend_count,
    calls.duration_ms AS duration_ms,
    calls.quantities AS quantities,
    calls.provider_cost_usd AS provider_cost_usd,
    -- Pricing says so again where it is so still.
    arrayFilter(r -> r != 'parts overlap', calls.reasons) AS reasons
FROM
(
    SELECT *
    FROM {database}.llm_calls FINAL
    WHERE bills AND (
        (unpriced_reason != '' AND price_version != (SELECT version FROM {database}.price_list_in_force))
        OR (billing_key != '' AND (trace_id, span_id) IN (
            SELECT trace_id, span_id FROM {database}.priced_too_late
        ))
    )
) AS calls
ANY LEFT JOIN {database}.priced_too_late AS late ON late.trace_id = calls.trace_id AND late.span_id = calls.span_id;
