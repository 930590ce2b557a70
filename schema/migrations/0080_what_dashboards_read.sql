-- usage_by_day: one row per client, local day, state of the client, project, provider and model, as it counts now.

CREATE OR REPLACE VIEW {database}.usage_by_day AS
SELECT
    month, client_id, day, client_state, project, provider, model, units, costs, cost_usd, calls, refused, unpriced,
    unpriced_units, incomplete
FROM {database}.usage_day FINAL;

-- usage_by_quarter_hour: one row per quarter-hour (UTC), client, project, provider and model, as it counts now.

CREATE OR REPLACE VIEW {database}.usage_by_quarter_hour AS
SELECT
    quarter, client_id, project, provider, model, units, costs, cost_usd, calls, refused, unpriced, unpriced_units,
    incomplete
FROM {database}.usage_15m FINAL;

-- present_months: one row per client, and one for the agency under the empty id: the month that it is there now.
--
-- Only days around today are read: calendars reach years ahead.

CREATE OR REPLACE VIEW {database}.present_months AS
SELECT
    client_id,
    argMax(local_days.month, local_days.starts_at) AS month,
    max(local_days.day) AS today
FROM {database}.local_days
WHERE day BETWEEN toDate(now('UTC')) - 2 AND toDate(now('UTC')) + 1 AND local_days.starts_at <= now('UTC')
GROUP BY client_id;

-- shown_months: one row per month that a dashboard can show: those with usage, and the present one. `is_present` is of the
-- agency's clock.
--
-- Grouped, not DISTINCT: a month is a partition, and so the engine answers from its list of parts.

CREATE OR REPLACE VIEW {database}.shown_months AS
SELECT month, month IN (SELECT month FROM {database}.present_months WHERE client_id = '') AS is_present
FROM
(
    SELECT toString(month) AS month FROM (SELECT month FROM {database}.usage_day GROUP BY month)
    UNION ALL
    SELECT month FROM {database}.present_months
)
GROUP BY month;

-- billed_days_usd: one row per client, local day and state of the client: billed_days with its charge in USD too, at the
-- month's rate, cut to 12 decimals; for what adds days up over currencies. NULL where charge or rate is not known.

CREATE OR REPLACE VIEW {database}.billed_days_usd AS
SELECT
    days.client_id AS client_id,
    days.month AS month,
    days.client_state AS client_state,
    days.day AS day,
    days.charge AS charge,
    if(
        rates.usd_rate > 0, toDecimal128(toDecimal256(days.charge, 22) / toDecimal256(rates.usd_rate, 10), 12), NULL
    ) AS charge_usd,
    days.cost_usd AS cost_usd,
    days.calls AS calls
FROM {database}.billed_days AS days
LEFT JOIN
(
    SELECT client_id, month, rate AS usd_rate
    FROM {database}.month_currencies
    WHERE (client_id, month) NOT IN (SELECT client_id, month FROM {database}.closes)
    UNION ALL
    SELECT client_id, month, toDecimal64(rate, 10)
    FROM {database}.closes
) AS rates ON rates.client_id = days.client_id AND rates.month = days.month;

-- span_arrivals: one row per billing span that otel_traces still holds, as often as it came.
--
-- `waited_seconds` is what lay between the end of the call and the ledger: the app's outbox, the network and the
-- collector's queue on disk. Filter it by arrived_at: its days are partitions.

CREATE OR REPLACE VIEW {database}.span_arrivals AS
SELECT
    inserted_at AS arrived_at,
    toStartOfFifteenMinutes(toDateTime(inserted_at, 'UTC')) AS quarter,
    ServiceName AS app,
    TraceId AS trace_id,
    SpanId AS span_id,
    -- A sender whose clock is ahead did not wait less than nothing; a duration beyond a month is no duration.
    greatest(
        0,
        dateDiff('millisecond', Timestamp, toDateTime64(inserted_at, 9, 'UTC')) / 1000 - least(Duration, 2592000000000000) / 1e9
    ) AS waited_seconds
FROM {database}.otel_traces
WHERE ScopeName = 'spanledger' OR ScopeName IN (SELECT scope FROM {database}.billing_scopes);

-- recorded_calls: one row per call or line and time that it was written: what is odd, missing or nobody's about it.
--
-- Filter it by recorded_at, which finds what was written in a period without reading the rest, and count calls by their
-- ids: a call that came twice or was priced again was written again. For money read `calls` or the roll-up.

CREATE OR REPLACE VIEW {database}.recorded_calls AS
SELECT
    recorded_at,
    toString(service) AS app,
    toString(provider) AS provider,
    if(response_model != '', toString(response_model), toString(request_model)) AS model,
    toString(client_id) AS client_id,
    toString(claimed_client_id) AS claimed_client_id,
    bills,
    toString(unpriced_reason) AS unpriced_reason,
    toString(incomplete_reason) AS incomplete_reason,
    arrayMap(reason -> toString(reason), reasons) AS reasons,
    trace_id,
    span_id
FROM {database}.llm_calls;
