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
-- Read it from the inside out: sums, units, model, card (the model's prices under these circumstances), cost.
-- It is cut into so many steps because ClickHouse copies a named expression to every place that names it,
-- and reads the whole of it anew for every insert: in fewer steps an insert took ten times as long.

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.llm_calls_mv TO {database}.llm_calls AS
WITH
    (SELECT version FROM {database}.price_list_in_force) AS list_in_force,
    (
        SELECT (arrayPushBack(groupArray(concat(kind, ' ', subject)), ''), arrayPushBack(groupArray(value), ''))
        FROM (SELECT kind, subject, value FROM {database}.price_facts FINAL ORDER BY kind, subject)
    ) AS facts,
    toDecimal128(0, 12) AS none
SELECT
    hour, claimed_client_id, trace_id, span_id, revision, first_arrival, call_time, started_at, parent_span_id,
    service, client_id, sender, project, labels, provider, operation, host, request_model, response_model,
    response_id, line, billing_key, billable, metered_by, usage_found, usage_complete, service_tier,
    service_tier_requested, traffic_type, speed, inference_geo, image_size, image_quality, http_status,
    error_type, resend_count, duration_ms, quantities, provider_cost_usd,
    if(notEmpty(overlapping), arrayPushBack(reasons, 'parts overlap'), reasons) AS reasons,
    mapFromArrays(names, amounts) AS units,
    multiIf(
        by_provider, mapFromArrays(['stated_by_provider'], [ifNull(provider_cost_usd, toDecimal128(0, 18))]),
        by_list, mapFromArrays(names, list_costs),
        CAST(map(), 'Map(String, Decimal(38, 18))')
    ) AS costs,
    multiIf(by_provider, provider_cost_usd, by_list, list_cost, NULL) AS cost_usd,
    bills,
    if(bills, why_unpriced, '') AS unpriced_reason,
    multiIf(
        NOT bills, '',
        billable = 'pending', 'pending',
        usage_missing, 'usage missing',
        NOT usage_complete OR billable = 'unknown', 'cut short',
        output_missing, 'output not stated',
        ''
    ) AS incomplete_reason,
    multiIf(by_provider, 'provider', by_list, list_in_force, '') AS price_version,
    price_provider,
    price_model,
    card.valid_from AS price_valid_from,
    card.valid_until AS price_valid_until
FROM
(
    SELECT *, why_unpriced = '' AND NOT by_provider AND NOT usage_missing AS by_list
    FROM
    (
        SELECT
            *,
            multiIf(
                by_provider, '',
                provider_decides AND has(reasons, 'quantity not usable: provider_cost_usd'),
                    'provider cost not usable',
                usage_missing, '',
                arrayExists(
                    r -> startsWith(r, 'quantity not usable: ') AND r != 'quantity not usable: provider_cost_usd',
                    reasons
                ), 'quantity not usable',
                list_in_force = '', 'no price list',
                price_provider = '' AND provider IN ('', '_OTHER'), concat('host unknown: ', host),
                price_provider = '', concat('provider unknown: ', provider),
                price_model = '', concat('model unknown: ', model_name),
                card.card = 0, 'no price at that time',
                circumstance_without_price != '', concat('no price for ', circumstance_without_price),
                notEmpty(units_without_price), concat('no price for unit ', units_without_price[1]),
                -- What overlaps can only be priced where it makes no difference.
                arrayExists(p -> rates[p.1] != rates[p.2], overlapping), 'parts overlap',
                factor <= 0 OR factor > 100, 'multiplier not usable',
                list_cost > toDecimal128(1000000000, 18), 'cost above USD 10^9',
                ''
            ) AS why_unpriced
        FROM
        (
            SELECT
                *,
                arraySum(list_costs) AS list_cost,
                arrayFilter(
                    (n, r) -> r.per = 0 AND transform(concat('free ', provider, '/', n), facts.1, facts.2, '') = '',
                    names, unit_rates
                ) AS units_without_price
            FROM
            (
                SELECT
                    *,
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
                    ) AS list_costs
                FROM
                (
                    SELECT *, arrayMap(n -> rates[n], names) AS unit_rates
                    FROM
                    (
                        SELECT
                            chosen.*,
                            rate_cards.rates AS rates,
                            mapContains(rate_cards.rates, 'request') AND usage_found AS by_request,
                            if(by_request, arrayPushBack(unit_names, 'request'), unit_names) AS names,
                            if(by_request, arrayPushBack(unit_amounts, toDecimal128(1, 12)), unit_amounts) AS amounts,
                            multiIf(
                                wanted_processing != '' AND card.processing = '',
                                    concat('processing ', wanted_processing),
                                tier_meaning = '' OR (wanted_tier != '' AND card.service_tier = ''),
                                    concat('service tier ', service_tier),
                                traffic_meaning = '', concat('traffic type ', traffic_type),
                                speed_meaning = '' OR (wanted_speed != '' AND card.speed = ''), concat('speed ', speed),
                                ''
                            ) AS circumstance_without_price
                        FROM
                        (
                            SELECT
                                resolved.*,
                                -- Of the cards whose circumstances hold, the last: they go from the general to the particular.
                                arrayLast(
                                    c -> call_day >= c.valid_from AND call_day < c.valid_until
                                        AND call_minute >= c.minute_from AND call_minute < c.minute_until
                                        AND c.processing IN ('', wanted_processing)
                                        AND c.service_tier IN ('', wanted_tier)
                                        AND c.speed IN ('', wanted_speed)
                                        AND (c.input_tokens_above = 0 OR input_all > c.input_tokens_above),
                                    models.cards
                                ) AS card
                            FROM
                            (
                                SELECT
                                    named.*,
                                    multiIf(
                                        named.exact_model != '', named.exact_model,
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
                                    SELECT arrived.*, exact.model AS exact_model
                                    FROM
                                    (
                                        SELECT
                                            *,
                                            arrayMap(u -> u.1, unit_pairs) AS unit_names,
                                            arrayMap(u -> u.2, unit_pairs) AS unit_amounts,
                                            substring(arrayFirst(m -> startsWith(m, 'processing='), meanings), 12) AS wanted_processing,
                                            substring(arrayFirst(m -> startsWith(m, 'service_tier='), meanings), 14) AS wanted_tier,
                                            substring(arrayFirst(m -> startsWith(m, 'speed='), meanings), 7) AS wanted_speed
                                        FROM
                                        (
                                            SELECT
                                                *,
                                                arrayFilter(
                                                    u -> u.2 > 0,
                                                    arrayConcat(
                                                        multiIf(
                                                            modalities_fit, [
                                                                ('input', input_all - read_all - write_all - fresh_modal),
                                                                ('cache_read', read_all - read_modal),
                                                                ('cache_read_audio', quantities['cache_read_audio']),
                                                                ('cache_read_image', quantities['cache_read_image']),
                                                                ('cache_read_video', quantities['cache_read_video']),
                                                                ('cache_write', write_all - write_lasting),
                                                                ('cache_write_5m', quantities['cache_write_5m']),
                                                                ('cache_write_30m', quantities['cache_write_30m']),
                                                                ('cache_write_1h', quantities['cache_write_1h']),
                                                                ('cache_write_12h', quantities['cache_write_12h']),
                                                                ('audio_input', audio_all - quantities['cache_read_audio']),
                                                                ('image_input', image_all - quantities['cache_read_image']),
                                                                ('video_input', video_all - quantities['cache_read_video'])
                                                            ],
                                                            caches_fit, [
                                                                ('input', input_all - read_all - write_all),
                                                                ('cache_read', read_all),
                                                                ('cache_write', write_all - write_lasting),
                                                                ('cache_write_5m', quantities['cache_write_5m']),
                                                                ('cache_write_30m', quantities['cache_write_30m']),
                                                                ('cache_write_1h', quantities['cache_write_1h']),
                                                                ('cache_write_12h', quantities['cache_write_12h'])
                                                            ],
                                                            [('input', input_all)]
                                                        ),
                                                        if(
                                                            outputs_fit, [
                                                                ('output', output_all - output_parts),
                                                                ('reasoning', quantities['reasoning']),
                                                                ('citation', quantities['citation']),
                                                                ('audio_output', quantities['audio_out']),
                                                                ('image_output', quantities['image_out'])
                                                            ],
                                                            [('output', output_all)]
                                                        ),
                                                        [
                                                            ('seconds', quantities['seconds']),
                                                            ('pages', quantities['pages']),
                                                            ('rerank', quantities['search_units']),
                                                            -- A second measure of what the tokens measure already.
                                                            ('characters', if(mapContains(quantities, 'input'), none, quantities['characters'])),
                                                            ('images', if(mapContains(quantities, 'output'), none, quantities['images']))
                                                        ],
                                                        arrayZip(tool_sums.1, tool_sums.2)
                                                    )
                                                ) AS unit_pairs,
                                                -- (part, the unit that it was left in, what stated it)
                                                arrayFilter(
                                                    p -> quantities[p.3] > 0,
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
                                                ) AS overlapping,
                                                metered_by = '' AND (
                                                    billable IN ('yes', 'unknown', 'once_per_response_id', 'pending')
                                                    -- Refused before any output is free; with output it is a call like any other.
                                                    OR (billable = 'no_if_refused_before_output' AND output_all > 0)
                                                ) AS bills
                                            FROM
                                            (
                                                SELECT
                                                    *,
                                                    -- Whether the parts fit into their wholes; else they overlap in a way that nobody stated.
                                                    modal_parts_fit AND write_all >= write_lasting AND input_all >= read_all + write_all + fresh_modal
                                                        AS modalities_fit,
                                                    write_all >= write_lasting AND input_all >= read_all + write_all AS caches_fit,
                                                    output_all >= output_parts AS outputs_fit,
                                                    [tier_meaning, traffic_meaning, speed_meaning] AS meanings,
                                                    arrayReduce('sumMap', [arrayMap(t -> t.1, tools)], [arrayMap(t -> t.2, tools)]) AS tool_sums
                                                FROM
                                                (
                                                    SELECT
                                                        *,
                                                        audio_all + image_all + video_all - read_modal AS fresh_modal,
                                                        if(
                                                            mapContains(quantities, 'input'), quantities['input'],
                                                            read_all + write_all + audio_all + image_all + video_all - read_modal
                                                        ) AS input_all,
                                                        if(mapContains(quantities, 'output'), quantities['output'], output_parts) AS output_all,
                                                        read_all >= read_modal AND audio_all >= quantities['cache_read_audio']
                                                            AND image_all >= quantities['cache_read_image']
                                                            AND video_all >= quantities['cache_read_video'] AS modal_parts_fit,
                                                        arrayMap(
                                                            k -> (
                                                                transform(
                                                                    concat('tool ', substring(k, 6)), facts.1, facts.2, toString(k)
                                                                ),
                                                                quantities[k]
                                                            ),
                                                            arrayFilter(k -> startsWith(k, 'tool:'), mapKeys(quantities))
                                                        ) AS tools,
                                                        known[1] AS price_provider,
                                                        known[2] != '' AS provider_decides,
                                                        known[2] != '' AND isNotNull(provider_cost_usd) AS by_provider,
                                                        -- A word that no fact explains means something that no price is known for.
                                                        if(service_tier = '', 'usual', known[3]) AS tier_meaning,
                                                        if(traffic_type = '', 'usual', known[4]) AS traffic_meaning,
                                                        if(speed = '', 'usual', known[5]) AS speed_meaning,
                                                        if(known[6] = '', toDecimal128(1, 6), ifNull(toDecimal128OrNull(known[6], 6), toDecimal128(0, 6)))
                                                            AS factor
                                                    FROM
                                                    (
                                                        SELECT
                                                            *,
                                                            quantities['cache_read_audio'] + quantities['cache_read_image'] + quantities['cache_read_video']
                                                                AS read_modal,
                                                            if(
                                                                mapContains(quantities, 'cache_read'), quantities['cache_read'],
                                                                quantities['cache_read_audio'] + quantities['cache_read_image']
                                                                    + quantities['cache_read_video'] + quantities['cache_read_text']
                                                            ) AS read_all,
                                                            quantities['cache_write_5m'] + quantities['cache_write_30m'] + quantities['cache_write_1h']
                                                                + quantities['cache_write_12h'] AS write_lasting,
                                                            if(mapContains(quantities, 'cache_write'), quantities['cache_write'], write_lasting) AS write_all,
                                                            if(mapContains(quantities, 'audio_in'), quantities['audio_in'], quantities['cache_read_audio'])
                                                                AS audio_all,
                                                            if(mapContains(quantities, 'image_in'), quantities['image_in'], quantities['cache_read_image'])
                                                                AS image_all,
                                                            if(mapContains(quantities, 'video_in'), quantities['video_in'], quantities['cache_read_video'])
                                                                AS video_all,
                                                            quantities['reasoning'] + quantities['citation'] + quantities['audio_out'] + quantities['image_out']
                                                                AS output_parts,
                                                            NOT usage_found OR empty(quantities) AS usage_missing,
                                                            mapContains(quantities, 'input') AND NOT mapContains(quantities, 'output')
                                                                AND operation IN ('chat', 'generate_content', 'text_completion') AS output_missing,
                                                            -- What answered is what is charged for; what was asked for may be a deployment's name.
                                                            lowerUTF8(if(response_model != '', response_model, request_model)) AS model_name,
                                                            toDate(call_time) AS call_day,
                                                            toHour(call_time) * 60 + toMinute(call_time) AS call_minute,
                                                            arrayMap(
                                                                about -> transform(about, facts.1, facts.2, ''),
                                                                [
                                                                    concat('provider ', provider),
                                                                    concat('authority ', provider),
                                                                    concat('service_tier ', service_tier),
                                                                    concat('traffic_type ', traffic_type),
                                                                    concat('speed ', speed),
                                                                    concat('multiplier ', provider, '/inference_geo/', inference_geo)
                                                                ]
                                                            ) AS known
                                                        FROM {database}.call_arrivals
                                                    )
                                                )
                                            )
                                        )
                                    ) AS arrived
                                    ANY LEFT JOIN
                                    (
                                        SELECT provider, name, model
                                        FROM {database}.price_names
                                        WHERE version = (SELECT version FROM {database}.price_list_in_force)
                                    ) AS exact ON exact.provider = arrived.price_provider AND exact.name = arrived.model_name
                                ) AS named
                                ANY LEFT JOIN
                                (
                                    SELECT provider, rules
                                    FROM {database}.price_rules
                                    WHERE version = (SELECT version FROM {database}.price_list_in_force)
                                ) AS patterns ON patterns.provider = if(named.exact_model != '', '', named.price_provider)
                            ) AS resolved
                            ANY LEFT JOIN
                            (
                                SELECT provider, model, cards
                                FROM {database}.price_models
                                WHERE version = (SELECT version FROM {database}.price_list_in_force)
                            ) AS models ON models.provider = resolved.price_provider AND models.model = resolved.price_model
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
);
