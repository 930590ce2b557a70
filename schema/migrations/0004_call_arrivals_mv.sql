-- call_arrivals_mv: one row per billing span in an insert into otel_traces, its attributes made sense of.
--
-- It must not throw on any value: an insert that fails is retried for ever and holds up all that stand
-- behind it. So every text is cut, every number is matched before it is converted (...OrNull), every time
-- is compared before it is converted (ClickHouse wraps: 2162 becomes 2026), and what makes no sense becomes
-- a reason. Quantities are below 10^12 (twelve digits), which later arithmetic relies on.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.call_arrivals_mv TO {database}.call_arrivals AS
WITH
    (
        SELECT arraySort(groupArray((applied_at, if(lifted, '', apply_id))))
        FROM {database}.sender_rules
    ) AS sender_rules_by_time,
    -- Attribute of a quantity, and the name of the quantity; the two lists correspond.
    [
        'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens',
        'gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cache_write.input_tokens',
        'gen_ai.usage.reasoning.output_tokens',
        'gen_ai.usage.text.input_tokens', 'gen_ai.usage.audio.input_tokens', 'gen_ai.usage.image.input_tokens',
        'gen_ai.usage.text.output_tokens', 'gen_ai.usage.audio.output_tokens', 'gen_ai.usage.image.output_tokens',
        'gen_ai.usage.text.cache_read.input_tokens', 'gen_ai.usage.audio.cache_read.input_tokens',
        'gen_ai.usage.image.cache_read.input_tokens',
        'spanledger.usage.cache_write_5m.input_tokens', 'spanledger.usage.cache_write_1h.input_tokens',
        'spanledger.usage.cache_write_30m.input_tokens', 'spanledger.usage.cache_write_12h.input_tokens',
        'spanledger.usage.video.input_tokens', 'spanledger.usage.video.cache_read.input_tokens',
        'spanledger.usage.tool.input_tokens',
        'spanledger.usage.accepted_prediction.output_tokens', 'spanledger.usage.rejected_prediction.output_tokens',
        'spanledger.usage.citation.output_tokens',
        'spanledger.usage.seconds', 'spanledger.usage.characters', 'spanledger.usage.pages',
        'spanledger.usage.search_units', 'spanledger.usage.images'
    ] AS quantity_attributes,
    [
        'input', 'output',
        'cache_read', 'cache_write',
        'reasoning',
        'text_in', 'audio_in', 'image_in',
        'text_out', 'audio_out', 'image_out',
        'cache_read_text', 'cache_read_audio',
        'cache_read_image',
        'cache_write_5m', 'cache_write_1h',
        'cache_write_30m', 'cache_write_12h',
        'video_in', 'cache_read_video',
        'tool_in',
        'accepted_prediction', 'rejected_prediction',
        'citation',
        'seconds', 'characters', 'pages',
        'search_units', 'images'
    ] AS quantity_names,
    SpanAttributes AS a,
    a['client_id'] AS said_client,
    lengthUTF8(said_client) > 128 AS client_too_long,
    mapFilter((k, v) -> startsWith(k, 'spanledger.label.'), a) AS said_labels,
    mapFilter((k, v) -> startsWith(k, 'gen_ai.usage.') OR startsWith(k, 'spanledger.usage.'), a) AS said_usage,
    arrayFilter(
        q -> q.1 != '',
        arrayMap(
            (k, v) -> (
                if(
                    startsWith(k, 'spanledger.usage.server_tool.'),
                    concat('tool:', toValidUTF8(substring(k, 30, 64))),
                    transform(toString(k), quantity_attributes, quantity_names, '')
                ),
                -- A count is whole; only seconds have a fraction.
                if(
                    match(v, '^[0-9]{1,12}$') OR (k = 'spanledger.usage.seconds' AND match(v, '^[0-9]{1,12}[.][0-9]{1,40}$')),
                    toDecimal128OrNull(v, 12),
                    NULL
                )
            ),
            mapKeys(said_usage),
            mapValues(said_usage)
        )
    ) AS said_quantities,
    -- No provider has so many tools; a sender that makes names up must not swell the ledger.
    arraySlice(arrayFilter(q -> isNotNull(q.2), said_quantities), 1, 64) AS usable_quantities,
    a['spanledger.usage.provider_cost_usd'] AS said_cost,
    if(
        match(said_cost, '^[0-9]{1,9}([.][0-9]{1,40})?([eE]-?[0-9]{1,2})?$'),
        toDecimal128OrNull(said_cost, 18),
        NULL
    ) AS read_cost,
    ifNull(read_cost > toDecimal128(1000000000, 18), said_cost != '') AS cost_not_usable,
    a['spanledger.usage.found'] AS said_found,
    a['spanledger.usage.complete'] AS said_complete,
    a['spanledger.billable'] AS said_billable,
    -- A scope that the operator listed knows none of our words about billing: its usage is taken as it is.
    ScopeName != 'spanledger' AS foreign_scope,
    said_billable IN (
        'yes', 'no', 'unknown', 'pending', 'once_per_response_id', 'check_only',
        'no_if_refused_before_output', 'no_lines_follow'
    ) AS billable_understood,
    Timestamp < subtractDays(inserted_at, 400) OR Timestamp > addHours(inserted_at, 1) AS time_not_plausible,
    -- The rules when it arrived; empty where anybody may bill anybody.
    arrayLast(rules -> rules.1 <= inserted_at, sender_rules_by_time).2 AS rules_in_force,
    -- Nobody outside can choose who pays: what a sender may not bill, nobody is billed for until the operator says so.
    multiIf(
        -- What says itself that it bills nobody, as doctor's probe, needs nobody's leave.
        rules_in_force = '' OR said_billable = 'no', '',
        sender = '', 'no sender',
        (rules_in_force, sender) NOT IN (
            SELECT apply_id, stamp
            FROM {database}.sender_rights
            WHERE apply_id IN (SELECT apply_id FROM {database}.sender_rules)
        ), 'sender unknown',
        claimed_client_id = '', '',
        (rules_in_force, sender) IN (
            SELECT apply_id, stamp
            FROM {database}.sender_rights
            WHERE apply_id IN (SELECT apply_id FROM {database}.sender_rules) AND every_client
        ), '',
        (rules_in_force, sender, claimed_client_id) IN (
            SELECT apply_id, stamp, client_id
            FROM {database}.sender_rights
            WHERE apply_id IN (SELECT apply_id FROM {database}.sender_rules) AND NOT every_client
        ), '',
        'sender may not bill this client'
    ) AS sender_refusal
SELECT
    0 AS revision,
    inserted_at AS first_arrival,
    -- Never from the arrival: a redelivery must sort where the first delivery did, or both would count.
    -- Times no honest span has gather in one hour each, so that no batch spreads over many partitions.
    multiIf(
        Timestamp < toDateTime64('2025-01-01 00:00:00', 9, 'UTC'), toDateTime('2000-01-01 00:00:00', 'UTC'),
        Timestamp >= toDateTime64('2045-01-01 00:00:00', 9, 'UTC'), toDateTime('2100-01-01 00:00:00', 'UTC'),
        toStartOfHour(toDateTime(Timestamp, 'UTC'))
    ) AS hour,
    if(time_not_plausible, toDateTime64(inserted_at, 9, 'UTC'), Timestamp) AS call_time,
    Timestamp AS started_at,
    toValidUTF8(substring(TraceId, 1, 64)) AS trace_id,
    toValidUTF8(substring(SpanId, 1, 64)) AS span_id,
    toValidUTF8(substring(ParentSpanId, 1, 64)) AS parent_span_id,
    toValidUTF8(substring(toString(ServiceName), 1, 128)) AS service,
    -- Too long to be a key, but two such clients stay two.
    if(client_too_long, concat('sha256:', lower(hex(SHA256(said_client)))), toValidUTF8(said_client)) AS claimed_client_id,
    if(sender_refusal = '', claimed_client_id, '') AS client_id,
    toValidUTF8(substring(a['spanledger.sender'], 1, 64)) AS sender,
    toValidUTF8(substring(a['spanledger.project'], 1, 128)) AS project,
    mapFromArrays(
        arraySlice(arrayMap(k -> toValidUTF8(substring(k, 18, 64)), mapKeys(said_labels)), 1, 16),
        arraySlice(arrayMap(v -> toValidUTF8(substring(v, 1, 128)), mapValues(said_labels)), 1, 16)
    ) AS labels,
    toValidUTF8(substring(a['gen_ai.provider.name'], 1, 64)) AS provider,
    toValidUTF8(substring(a['gen_ai.operation.name'], 1, 64)) AS operation,
    toValidUTF8(substring(a['server.address'], 1, 255)) AS host,
    toValidUTF8(substring(a['gen_ai.request.model'], 1, 256)) AS request_model,
    toValidUTF8(substring(a['gen_ai.response.model'], 1, 256)) AS response_model,
    toValidUTF8(substring(a['gen_ai.response.id'], 1, 256)) AS response_id,
    toValidUTF8(substring(a['spanledger.line'], 1, 128)) AS line,
    -- Cut, two keys could become one and a call be lost; hashed, they stay two.
    if(
        lengthUTF8(a['spanledger.billing_key']) > 320,
        concat('sha256:', lower(hex(SHA256(a['spanledger.billing_key'])))),
        toValidUTF8(a['spanledger.billing_key'])
    ) AS billing_key,
    multiIf(billable_understood, said_billable, foreign_scope, 'yes', 'unknown') AS billable,
    toValidUTF8(substring(a['spanledger.metered_by'], 1, 64)) AS metered_by,
    said_found = 'true' OR (said_found != 'false' AND notEmpty(usable_quantities)) AS usage_found,
    said_complete = 'true' OR (said_complete = '' AND foreign_scope) AS usage_complete,
    toValidUTF8(substring(lower(a['spanledger.service_tier']), 1, 64)) AS service_tier,
    toValidUTF8(substring(lower(a['spanledger.service_tier_requested']), 1, 64)) AS service_tier_requested,
    toValidUTF8(substring(lower(a['spanledger.traffic_type']), 1, 64)) AS traffic_type,
    toValidUTF8(substring(lower(a['spanledger.speed']), 1, 64)) AS speed,
    toValidUTF8(substring(lower(a['spanledger.inference_geo']), 1, 64)) AS inference_geo,
    toValidUTF8(substring(a['spanledger.image.size'], 1, 64)) AS image_size,
    toValidUTF8(substring(a['spanledger.image.quality'], 1, 64)) AS image_quality,
    ifNull(toUInt16OrNull(a['http.response.status_code']), 0) AS http_status,
    toValidUTF8(substring(a['error.type'], 1, 128)) AS error_type,
    ifNull(toUInt16OrNull(a['http.request.resend_count']), 0) AS resend_count,
    toUInt32(least(intDiv(Duration, 1000000), 4294967295)) AS duration_ms,
    CAST(
        mapFromArrays(
            arrayMap(q -> q.1, usable_quantities),
            arrayMap(q -> ifNull(q.2, toDecimal128(0, 12)), usable_quantities)
        ),
        'Map(LowCardinality(String), Decimal(38, 12))'
    ) AS quantities,
    if(cost_not_usable, NULL, read_cost) AS provider_cost_usd,
    arrayConcat(
        arrayFilter(
            r -> r != '',
            [
                if(time_not_plausible, 'time not plausible', ''),
                if(client_too_long, 'client id too long', ''),
                sender_refusal,
                if(
                    length(a['spanledger.project']) > 128 OR length(said_labels) > 16
                    OR arrayExists(k -> length(k) > 81, mapKeys(said_labels))
                    OR arrayExists(v -> length(v) > 128, mapValues(said_labels)),
                    'project or labels cut', ''
                ),
                if(NOT billable_understood AND NOT foreign_scope, 'billable not understood', ''),
                if(said_found NOT IN ('true', 'false', '') OR said_complete NOT IN ('true', 'false', ''),
                    'usage flags not understood', ''),
                if(length(said_quantities) > 64, 'too many quantities', ''),
                if(
                    a['spanledger.metering_error'] != '',
                    concat('metering failed at: ', toValidUTF8(substring(a['spanledger.metering_error'], 1, 64))), ''
                ),
                if(cost_not_usable, 'quantity not usable: provider_cost_usd', '')
            ]
        ),
        arraySlice(
            arrayMap(q -> concat('quantity not usable: ', q.1), arrayFilter(q -> isNull(q.2), said_quantities)), 1, 16
        )
    ) AS reasons
FROM {database}.otel_traces
WHERE ScopeName = 'spanledger' OR ScopeName IN (SELECT scope FROM {database}.billing_scopes)
-- Optimisations that find nothing here and are paid for by every insert.
SETTINGS optimize_and_compare_chain = 0, query_plan_enable_optimizations = 0;
