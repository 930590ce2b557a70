-- unpriced: one row per provider, model and reason: calls that bill and whose cost is not known for want of a price.

CREATE VIEW IF NOT EXISTS {database}.unpriced AS
SELECT
    provider,
    model,
    unpriced_reason,
    count() AS calls,
    min(call_time) AS first_call,
    max(call_time) AS last_call
FROM {database}.calls
WHERE bills AND unpriced_reason != ''
GROUP BY provider, model, unpriced_reason;

-- incomplete: one row per reason, provider and app: calls that bill and whose usage is missing or cut short.

CREATE VIEW IF NOT EXISTS {database}.incomplete AS
SELECT
    incomplete_reason,
    provider,
    service,
    count() AS calls,
    min(call_time) AS first_call,
    max(call_time) AS last_call
FROM {database}.calls
WHERE bills AND incomplete_reason != ''
GROUP BY incomplete_reason, provider, service;

-- unattributed: one row per app and client named: calls that bill and that no client with terms pays for.

CREATE VIEW IF NOT EXISTS {database}.unattributed AS
SELECT
    client_state,
    claimed_client_id,
    service,
    count() AS calls,
    sum(cost_usd) AS cost_usd,
    min(call_time) AS first_call,
    max(call_time) AS last_call
FROM {database}.calls
WHERE bills AND client_state = 'unattributed'
GROUP BY client_state, claimed_client_id, service;

-- unparsed: one row per reason: calls whose span said something that makes no sense. Whom a sender may not bill is
-- another matter: sender_refusals.

CREATE VIEW IF NOT EXISTS {database}.unparsed AS
SELECT
    reason,
    count() AS calls,
    min(call_time) AS first_call,
    max(call_time) AS last_call
FROM {database}.calls
ARRAY JOIN reasons AS reason
WHERE reason NOT IN ('no sender', 'sender unknown', 'sender may not bill this client')
GROUP BY reason;

-- duplicates: one row: billing spans that otel_traces still holds, and how many of them came more than once.

CREATE VIEW IF NOT EXISTS {database}.duplicates AS
SELECT
    count() AS arrivals,
    uniqExact(TraceId, SpanId) AS calls,
    arrivals - calls AS duplicates
FROM {database}.otel_traces
WHERE ScopeName = 'spanledger' OR ScopeName IN (SELECT scope FROM {database}.billing_scopes);

-- pipeline_freshness: one row: how long ago the last billing span arrived, and how late it was.

CREATE VIEW IF NOT EXISTS {database}.pipeline_freshness AS
SELECT
    count() AS spans,
    max(inserted_at) AS last_arrival,
    max(Timestamp) AS last_call,
    if(spans = 0, NULL, dateDiff('second', last_arrival, now64(3, 'UTC'))) AS lag_seconds
FROM {database}.otel_traces
WHERE ScopeName = 'spanledger' OR ScopeName IN (SELECT scope FROM {database}.billing_scopes);
