-- llm_calls_mv: one row per row put into call_arrivals, its units told apart and priced.
--
-- The price tables are joined, not read through a dictionary: a dictionary that cannot load throws, which
-- would hold up every insert; it answers with yesterday's list until every server has reloaded it; and it
-- keeps a password in its definition. A list takes force by one row (price_imports), whole, for the next
-- insert.
--
-- It must not throw. Quantities are below 10^12, prices at most 10^6 and factors at most 100: products are
-- made in 256 bits, where they fit with all their digits, and are cut to 18 decimals after the last step.
--
-- Read it from the inside out: model, sums, units, card (the model's prices under these circumstances), rates,
-- cost. ClickHouse copies a named expression to every place that names it and analyses the whole for every
-- insert; so each step names the few columns that the next ones need, and the call itself travels as one.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.llm_calls_mv TO {database}.llm_calls AS
WITH
    (SELECT version FROM {database}.price_list_in_force) AS list_in_force,
    (
        SELECT (arrayPushBack(groupArray(concat(kind, ' ', subject)), ''), arrayPushBack(groupArray(value), ''))
        FROM {database}.price_list_facts FINAL
        WHERE version = (SELECT version FROM {database}.price_list_in_force)
    ) AS facts
SELECT
    call.hour AS hour,
    call.claimed_client_id AS claimed_client_id,
    call.trace_id AS trace_id,
    call.span_id AS span_id,
    call.revision AS revision,
    call.first_arrival AS first_arrival,
    call.call_time AS call_time,
    call.started_at AS started_at,
    call.parent_span_id AS parent_span_id,
    call.service AS service,
    call.client_id AS client_id,
    call.sender AS sender,
    call.project AS project,
    call.labels AS labels,
    call.provider AS provider,
    call.operation AS operation,
    call.host AS host,
    call.request_model AS request_model,
    call.response_model AS response_model,
    call.response_id AS response_id,
    call.line AS line,
    call.billing_key AS billing_key,
    call.billable AS billable,
    call.metered_by AS metered_by,
    call.usage_found AS usage_found,
    call.usage_complete AS usage_complete,
    call.service_tier AS service_tier,
    call.service_tier_requested AS service_tier_requested,
    call.traffic_type AS traffic_type,
    call.speed AS speed,
    call.inference_geo AS inference_geo,
    call.image_size AS image_size,
    call.image_quality AS image_quality,
    call.http_status AS http_status,
    call.error_type AS error_type,
    call.resend_count AS resend_count,
    call.duration_ms AS duration_ms,
    q AS quantities,
    call.provider_cost_usd AS provider_cost_usd,
    if(notEmpty(overlapping), arrayPushBack(call.reasons, 'parts overlap'), call.reasons) AS reasons,
    mapFromArrays(names, amounts) AS units,
    multiIf(
        by_provider, mapFromArrays(['stated_by_provider'], [ifNull(call.provider_cost_usd, toDecimal128(0, 18))]),
        by_list, mapFromArrays(names, list_costs),
        CAST(map(), 'Map(String, Decimal(38, 18))')
    ) AS costs,
    multiIf(by_provider, call.provider_cost_usd, by_list, list_cost, NULL) AS cost_usd,
    bills,
    if(bills, why_unpriced, '') AS unpriced_reason,
    multiIf(
        NOT bills, '',
        call.billable = 'pending', 'pending',
        usage_missing, 'usage missing',
        NOT call.usage_complete OR call.billable = 'unknown', 'cut short',
        mapContains(q, 'input') AND NOT mapContains(q, 'output')
            AND call.operation IN ('chat', 'generate_content', 'text_completion'), 'output not stated',
        ''
    ) AS incomplete_reason,
    multiIf(by_provider, 'provider', by_list OR why_unpriced != '', list_in_force, '') AS price_version,
    price_provider,
    price_model,
    if(by_list, card.valid_from, toDate(0)) AS price_valid_from,
    if(by_list, card.valid_until, toDate(0)) AS price_valid_until
FROM
(
    -- cost
    SELECT
        call, q, price_provider, price_model, card, names, amounts, list_costs, list_cost, overlapping, bills,
        usage_missing, by_provider, why_unpriced,
        why_unpriced = '' AND NOT by_provider AND NOT usage_missing AS by_list
    FROM
    (
        SELECT
            call, q, price_provider, price_model, card, names, amounts, list_costs, overlapping, bills,
            usage_missing, by_provider,
            arraySum(list_costs) AS list_cost,
            multiIf(
                by_provider, '',
                provider_decides AND has(call.reasons, 'quantity not usable: provider_cost_usd'),
                    'provider cost not usable',
                usage_missing, '',
                arrayExists(
                    r -> startsWith(r, 'quantity not usable: ') AND r != 'quantity not usable: provider_cost_usd',
                    call.reasons
                ), 'quantity not usable',
                list_in_force = '', 'no price list',
                price_provider = '' AND call.provider IN ('', '_OTHER'), concat('host unknown: ', call.host),
                price_provider = '', concat('provider unknown: ', call.provider),
                price_model = '', concat('model unknown: ', model_name),
                card.card = 0, 'no price at that time',
                circumstance_without_price != '', concat('no price for ', circumstance_without_price),
                notEmpty(units_without_price), concat('no price for unit ', units_without_price[1]),
                -- What overlaps can be priced only where it makes no difference.
                arrayExists(p -> rates[p.1] != rates[p.2], overlapping), 'parts overlap',
                factor <= 0 OR factor > 100, 'multiplier not usable',
                list_cost > toDecimal128(1000000000, 18), 'cost above USD 10^9',
                ''
            ) AS why_unpriced
        FROM
        (
            SELECT
                call, q, price_provider, price_model, model_name, card, rates, names, amounts, overlapping, bills,
                usage_missing, provider_decides, by_provider, factor, circumstance_without_price,
                arrayMap(
                    (n, amount, r) -> toDecimal128(
                        toDecimal256(greatest(amount, toDecimal128(r.at_least, 12)), 12)
                            * toDecimal256(r.price_usd, 18)
                            -- The factor is on tokens, not on searches or requests.
                            * toDecimal256(if(r.per = 1000000, factor, toDecimal128(1, 6)), 6)
                            / greatest(r.per, 1),
                        18
                    ),
                    names, amounts, unit_rates
                ) AS list_costs,
                arrayFilter(
                    (n, r) -> r.per = 0
                        AND transform(concat('free ', if(startsWith(price_provider, 'host:'), price_provider, call.provider), '/', n), facts.1, facts.2, '') = '',
                    names, unit_rates
                ) AS units_without_price
            FROM
            (
                SELECT
                    call, q, price_provider, price_model, model_name, card, rates, overlapping, bills,
                    usage_missing, provider_decides, by_provider, factor, circumstance_without_price,
                    if(by_request, arrayPushBack(unit_names, 'request'), unit_names) AS names,
                    if(by_request, arrayPushBack(unit_amounts, toDecimal128(1, 12)), unit_amounts) AS amounts,
                    arrayMap(n -> rates[n], names) AS unit_rates
                FROM
                (
                    SELECT
                        chosen.call AS call, chosen.q AS q, chosen.price_provider AS price_provider,
                        chosen.price_model AS price_model, chosen.model_name AS model_name, chosen.card AS card,
                        chosen.unit_names AS unit_names, chosen.unit_amounts AS unit_amounts,
                        chosen.overlapping AS overlapping, chosen.bills AS bills,
                        chosen.usage_missing AS usage_missing, chosen.provider_decides AS provider_decides,
                        chosen.by_provider AS by_provider, chosen.factor AS factor,
                        chosen.circumstance_without_price AS circumstance_without_price,
                        rate_cards.rates AS rates,
                        mapContains(rates, 'request') AND NOT usage_missing AS by_request
                    FROM
                    (
                        -- card
                        SELECT
                            call, q, price_provider, price_model, model_name, card, overlapping, bills, usage_missing, provider_decides,
                            by_provider, factor,
                            arrayFilter((n, amount) -> amount > 0, all_units, all_amounts) AS unit_names,
                            arrayFilter(amount -> amount > 0, all_amounts) AS unit_amounts,
                            multiIf(
                                wanted_processing != '' AND card.processing = '', concat('processing ', wanted_processing),
                                tier_meaning = '' OR (wanted_tier != '' AND card.service_tier = ''), concat('service tier ', call.service_tier),
                                traffic_meaning = '', concat('traffic type ', call.traffic_type),
                                speed_meaning = '' OR (wanted_speed != '' AND card.speed = ''), concat('speed ', call.speed),
                                ''
                            ) AS circumstance_without_price
                        FROM
                        (
                            SELECT
                                call, q, price_provider, price_model, model_name, overlapping, bills, usage_missing, provider_decides,
                                by_provider, factor, all_units, all_amounts, wanted_processing, wanted_tier, wanted_speed, tier_meaning,
                                traffic_meaning, speed_meaning,
                                toDate(call.call_time) AS call_day,
                                toHour(call.call_time) * 60 + toMinute(call.call_time) AS call_minute,
                                -- Of the cards whose circumstances hold, the last: they go from the general to the particular.
                                arrayLast(
                                    c -> call_day >= c.valid_from AND call_day < c.valid_until
                                        AND call_minute >= c.minute_from AND call_minute < c.minute_until
                                        AND c.processing IN ('', wanted_processing)
                                        AND c.service_tier IN ('', wanted_tier)
                                        AND c.speed IN ('', wanted_speed)
                                        AND (c.input_tokens_above = 0 OR input_all > c.input_tokens_above),
                                    cards
                                ) AS card
                            FROM
                            (
                                -- units
                                SELECT
                                    call, q, price_provider, price_model, model_name, cards, input_all, provider_decides, by_provider,
                                    usage_missing, factor, tier_meaning, traffic_meaning, speed_meaning,
                                    substring(arrayFirst(m -> startsWith(m, 'processing='), meanings), 12) AS wanted_processing,
                                    substring(arrayFirst(m -> startsWith(m, 'service_tier='), meanings), 14) AS wanted_tier,
                                    substring(arrayFirst(m -> startsWith(m, 'speed='), meanings), 7) AS wanted_speed,
                                    call.metered_by = '' AND (
                                        call.billable IN ('yes', 'unknown', 'once_per_response_id', 'pending')
                                        -- Refused before any output is free; with output it is a call like any other.
                                        OR (call.billable = 'no_if_refused_before_output' AND output_all > 0)
                                    ) AS bills,
                                    arrayConcat(
                                        [
                                            'input', 'cache_read', 'cache_write', 'cache_write_5m', 'cache_write_30m', 'cache_write_1h',
                                            'cache_write_12h', 'cache_read_audio', 'cache_read_image', 'cache_read_video', 'audio_input',
                                            'image_input', 'video_input', 'output', 'reasoning', 'citation', 'audio_output', 'image_output',
                                            'seconds', 'pages', 'rerank', 'characters', 'images'
                                        ],
                                        tool_sums.1
                                    ) AS all_units,
                                    arrayConcat(
                                        multiIf(
                                            modalities_fit, arrayConcat(
                                                [input_all - read_all - write_all - fresh_modal, read_all - read_modal],
                                                write_parts,
                                                modal_reads,
                                                arrayMap((all, cached) -> all - cached, modal_inputs, modal_reads)
                                            ),
                                            caches_fit, arrayConcat(
                                                [input_all - read_all - write_all, read_all], write_parts, arrayMap(x -> x * 0, modal_reads),
                                                arrayMap(x -> x * 0, modal_reads)
                                            ),
                                            arrayConcat(
                                                [input_all], arrayResize(CAST([], 'Array(Decimal(38, 12))'), 12, toDecimal128(0, 12))
                                            )
                                        ),
                                        if(outputs_fit, arrayPushFront(output_parts, output_all - arraySum(output_parts)),
                                            arrayResize([output_all], 5, toDecimal128(0, 12))),
                                        [
                                            q['seconds'], q['pages'], q['search_units'],
                                            -- A second measure of what the tokens measure already.
                                            if(mapContains(q, 'input'), toDecimal128(0, 12), q['characters']),
                                            if(mapContains(q, 'output'), toDecimal128(0, 12), q['images'])
                                        ],
                                        tool_sums.2
                                    ) AS all_amounts,
                                    -- (part, the unit that it was left in, what stated it)
                                    arrayFilter(
                                        p -> q[p.3] > 0,
                                        arrayConcat(
                                            if(modalities_fit, [], [
                                                ('audio_input', 'input', 'audio_in'), ('image_input', 'input', 'image_in'),
                                                ('video_input', 'input', 'video_in'), ('cache_read_audio', 'cache_read', 'cache_read_audio'),
                                                ('cache_read_image', 'cache_read', 'cache_read_image'),
                                                ('cache_read_video', 'cache_read', 'cache_read_video')
                                            ]),
                                            if(caches_fit, [], [
                                                ('cache_read', 'input', 'cache_read'), ('cache_write', 'input', 'cache_write'),
                                                ('cache_write_5m', 'input', 'cache_write_5m'), ('cache_write_30m', 'input', 'cache_write_30m'),
                                                ('cache_write_1h', 'input', 'cache_write_1h'), ('cache_write_12h', 'input', 'cache_write_12h')
                                            ]),
                                            if(outputs_fit, [], [
                                                ('reasoning', 'output', 'reasoning'), ('citation', 'output', 'citation'),
                                                ('audio_output', 'output', 'audio_out'), ('image_output', 'output', 'image_out')
                                            ])
                                        )
                                    ) AS overlapping
                                FROM
                                (
                                    SELECT
                                        call, q, price_provider, price_model, model_name, cards, input_all, output_all, output_parts, read_all,
                                        read_modal, write_all, write_parts, modal_reads, modal_inputs, fresh_modal, provider_decides,
                                        by_provider, usage_missing, factor, tier_meaning, traffic_meaning, speed_meaning,
                                        -- Whether the parts fit into their wholes; else they overlap in a way that nobody stated.
                                        write_parts[1] >= 0 AND input_all >= read_all + write_all AS caches_fit,
                                        write_parts[1] >= 0 AND read_all >= read_modal AND input_all >= read_all + write_all + fresh_modal
                                            AND arrayAll((all, cached) -> all >= cached, modal_inputs, modal_reads) AS modalities_fit,
                                        output_all >= arraySum(output_parts) AS outputs_fit,
                                        [tier_meaning, traffic_meaning, speed_meaning] AS meanings,
                                        arrayReduce('sumMap', [arrayMap(t -> t.1, tools)], [arrayMap(t -> t.2, tools)]) AS tool_sums
                                    FROM
                                    (
                                        SELECT
                                            call, q, price_provider, price_model, model_name, cards, read_all, read_modal, modal_reads,
                                            modal_inputs, write_all, output_parts, fresh_modal,
                                            known[1] != '' AS provider_decides,
                                            known[1] != '' AND isNotNull(call.provider_cost_usd) AS by_provider,
                                            NOT call.usage_found OR empty(q) AS usage_missing,
                                            -- A word that no fact explains means something that no price is known for.
                                            if(call.service_tier = '', 'usual', known[2]) AS tier_meaning,
                                            if(call.traffic_type = '', 'usual', known[3]) AS traffic_meaning,
                                            if(call.speed = '', 'usual', known[4]) AS speed_meaning,
                                            if(known[5] = '', toDecimal128(1, 6), ifNull(toDecimal128OrNull(known[5], 6), toDecimal128(0, 6)))
                                                AS factor,
                                            if(mapContains(q, 'input'), q['input'], read_all + write_all + fresh_modal) AS input_all,
                                            if(mapContains(q, 'output'), q['output'], arraySum(output_parts)) AS output_all,
                                            arrayPushFront(lasting_writes, write_all - arraySum(lasting_writes)) AS write_parts,
                                            arrayMap(
                                                k -> (transform(concat('tool ', substring(k, 6)), facts.1, facts.2, toString(k)), q[k]),
                                                arrayFilter(k -> startsWith(k, 'tool:'), mapKeys(q))
                                            ) AS tools
                                        FROM
                                        (
                                            -- sums
                                            SELECT
                                                call, q, price_provider, price_model, model_name, cards, modal_reads, modal_inputs, lasting_writes,
                                                output_parts,
                                                arraySum(modal_reads) AS read_modal,
                                                arraySum(modal_inputs) - arraySum(modal_reads) AS fresh_modal,
                                                if(mapContains(q, 'cache_read'), q['cache_read'], arraySum(modal_reads) + q['cache_read_text'])
                                                    AS read_all,
                                                if(mapContains(q, 'cache_write'), q['cache_write'], arraySum(lasting_writes)) AS write_all,
                                                arrayMap(
                                                    about -> transform(about, facts.1, facts.2, ''),
                                                    [
                                                        concat('authority ', if(startsWith(price_provider, 'host:'), price_provider, call.provider)),
                                                        concat('service_tier ', call.service_tier),
                                                        concat('traffic_type ', call.traffic_type),
                                                        concat('speed ', call.speed),
                                                        concat(
                                                            'multiplier ', if(startsWith(price_provider, 'host:'), price_provider, call.provider),
                                                            '/inference_geo/', call.inference_geo
                                                        )
                                                    ]
                                                ) AS known
                                            FROM
                                            (
                                                SELECT
                                                    call, price_provider, price_model, model_name, cards,
                                                    call.quantities AS q,
                                                    arrayMap(n -> q[n], ['cache_read_audio', 'cache_read_image', 'cache_read_video']) AS modal_reads,
                                                    -- Cached tokens of a modality whose tokens nobody counted are at least these.
                                                    arrayMap(
                                                        (n, cached) -> if(mapContains(q, n), q[n], cached),
                                                        ['audio_in', 'image_in', 'video_in'], modal_reads
                                                    ) AS modal_inputs,
                                                    arrayMap(
                                                        n -> q[n], ['cache_write_5m', 'cache_write_30m', 'cache_write_1h', 'cache_write_12h']
                                                    ) AS lasting_writes,
                                                    arrayMap(n -> q[n], ['reasoning', 'citation', 'audio_out', 'image_out']) AS output_parts
                                                FROM
                                                (
                                                    -- model, once for each name in the insert: to try all patterns for every call would take too long
                                                    SELECT
                                                        resolved.calls AS calls, resolved.price_provider AS price_provider, resolved.price_model AS price_model,
                                                        resolved.model_name AS model_name, models.cards AS cards
                                                    FROM
                                                    (
                                                        SELECT
                                                            named.calls AS calls, named.price_provider AS price_provider, named.model_name AS model_name,
                                                            multiIf(
                                                                exact.model != '', exact.model,
                                                                empty(patterns.rules), '',
                                                                arrayFirst(
                                                                    m -> m != '',
                                                                    arrayMap(
                                                                        name -> arrayFirst(
                                                                            r -> arrayAll(p -> match(name, p), r.must)
                                                                                AND NOT arrayExists(p -> match(name, p), r.must_not),
                                                                            patterns.rules
                                                                        ).model,
                                                                        -- Who knows a model as `x-2025-12-11` means it by `x-20251211` too, as genai-prices has it.
                                                                        [
                                                                            named.model_name,
                                                                            replaceRegexpAll(
                                                                                named.model_name,
                                                                                '-(20[0-9][0-9])(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(-|:|$)', '-\\1-\\2-\\3\\4'
                                                                            )
                                                                        ]
                                                                    )
                                                                )
                                                            ) AS price_model
                                                        FROM
                                                        (
                                                            SELECT
                                                                -- Where the provider is not known, the host may say whose prices hold.
                                                                transform(
                                                                    concat('provider ', if(call.provider IN ('', '_OTHER'), concat('host:', lower(call.host)), call.provider)),
                                                                    facts.1, facts.2, ''
                                                                ) AS price_provider,
                                                                -- What answered is what is charged for; what was asked for may be a deployment's name.
                                                                lowerUTF8(if(call.response_model != '', call.response_model, call.request_model)) AS model_name,
                                                                groupArray(call) AS calls
                                                            FROM
                                                            (
                                                                SELECT CAST(
                                                                    (
                                                                        revision, first_arrival, hour, call_time, started_at, trace_id, span_id, parent_span_id, service,
                                                                        claimed_client_id, client_id, sender, project, labels, provider, operation, host, request_model,
                                                                        response_model, response_id, line, billing_key, billable, metered_by, usage_found,
                                                                        usage_complete, service_tier, service_tier_requested, traffic_type, speed, inference_geo,
                                                                        image_size, image_quality, http_status, error_type, resend_count, duration_ms, quantities,
                                                                        provider_cost_usd, reasons
                                                                    ),
                                                                    'Tuple(
                                                                        revision UInt16, first_arrival DateTime64(3, \'UTC\'), hour DateTime(\'UTC\'),
                                                                        call_time DateTime64(9, \'UTC\'), started_at DateTime64(9, \'UTC\'), trace_id String,
                                                                        span_id String, parent_span_id String, service String, claimed_client_id String,
                                                                        client_id String, sender String, project String, labels Map(LowCardinality(String), String),
                                                                        provider String, operation String, host String, request_model String, response_model String,
                                                                        response_id String, line String, billing_key String, billable String, metered_by String,
                                                                        usage_found Bool, usage_complete Bool, service_tier String, service_tier_requested String,
                                                                        traffic_type String, speed String, inference_geo String, image_size String,
                                                                        image_quality String, http_status UInt16, error_type String, resend_count UInt16,
                                                                        duration_ms UInt32, quantities Map(LowCardinality(String), Decimal(38, 12)),
                                                                        provider_cost_usd Nullable(Decimal(38, 18)), reasons Array(String)
                                                                    )'
                                                                ) AS call
                                                                FROM {database}.call_arrivals
                                                            )
                                                            GROUP BY price_provider, model_name
                                                        ) AS named
                                                        ANY LEFT JOIN
                                                        (
                                                            SELECT provider, name, model
                                                            FROM {database}.price_names
                                                            WHERE version = (SELECT version FROM {database}.price_list_in_force)
                                                        ) AS exact ON exact.provider = named.price_provider AND exact.name = named.model_name
                                                        ANY LEFT JOIN
                                                        (
                                                            SELECT provider, rules
                                                            FROM {database}.price_rules
                                                            WHERE version = (SELECT version FROM {database}.price_list_in_force)
                                                        ) AS patterns ON patterns.provider = named.price_provider
                                                    ) AS resolved
                                                    ANY LEFT JOIN
                                                    (
                                                        SELECT provider, model, cards
                                                        FROM {database}.price_models
                                                        WHERE version = (SELECT version FROM {database}.price_list_in_force)
                                                    ) AS models ON models.provider = resolved.price_provider AND models.model = resolved.price_model
                                                )
                                                ARRAY JOIN calls AS call
                                            )
                                        )
                                    )
                                )
                            )
                        )
                    ) AS chosen
                    ANY LEFT JOIN
                    (
                        SELECT card AS number, rates
                        FROM {database}.price_cards
                        WHERE version = (SELECT version FROM {database}.price_list_in_force)
                    ) AS rate_cards ON rate_cards.number = chosen.card.card
                )
            )
        )
    )
)
-- Optimisations that find nothing here: reading the view took twice as long with them.
SETTINGS optimize_and_compare_chain = 0, query_plan_enable_optimizations = 0;
