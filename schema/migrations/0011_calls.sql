-- billing_key_winners: one row per billing key and line: the call it stands for.
--
-- Client, project and time are those of the span that began first, which asked for the response; usage and
-- cost are those of the span that told them: complete before partial before none, a settled one before one
-- that is still pending, and of equals the earliest arrival.

CREATE VIEW IF NOT EXISTS {database}.billing_key_winners AS
WITH
    (first_arrival, call_time, trace_id, span_id) AS by_arrival,
    multiIf(
        billable = 'pending', 3,
        NOT usage_found, 2,
        NOT usage_complete, 1,
        0
    ) AS tells
SELECT
    looks.billing_key AS billing_key,
    looks.line AS line,
    openers.opener AS opener,
    looks.teller AS teller
FROM
(
    SELECT
        billing_key,
        line,
        argMin(
            CAST(
                (
                    trace_id, span_id, first_arrival, operation, request_model, response_model, response_id, billable,
                    service_tier, http_status, error_type, reasons, units, costs, cost_usd, bills, unpriced_reason,
                    incomplete_reason, price_version, price_valid_from, price_valid_until, revision
                ),
                'Tuple(
                    trace_id String, span_id String, first_arrival DateTime64(3, \'UTC\'), operation String,
                    request_model String, response_model String, response_id String, billable String,
                    service_tier String, http_status UInt16, error_type String, reasons Array(String),
                    units Map(String, Decimal(38, 12)), costs Map(String, Decimal(38, 18)),
                    cost_usd Nullable(Decimal(38, 18)), bills Bool, unpriced_reason String,
                    incomplete_reason String, price_version String, price_valid_from Date, price_valid_until Date,
                    revision UInt16
                )'
            ),
            (tells, by_arrival)
        ) AS teller
    FROM {database}.keyed_calls FINAL
    GROUP BY billing_key, line
) AS looks
INNER JOIN
(
    SELECT
        billing_key,
        argMin(
            CAST(
                (
                    call_time, claimed_client_id, client_id, project, labels, provider, host, service, first_arrival
                ),
                'Tuple(
                    call_time DateTime64(9, \'UTC\'), claimed_client_id String, client_id String, project String,
                    labels Map(String, String), provider String, host String, service String,
                    first_arrival DateTime64(3, \'UTC\')
                )'
            ),
            -- A look that was priced at the request's time has that for its own since; it began later all the same.
            (call_time, started_at, by_arrival)
        ) AS opener
    FROM {database}.keyed_calls FINAL
    GROUP BY billing_key
) AS openers ON openers.billing_key = looks.billing_key;

-- priced_too_late: one row per look that tells a winner's usage and was priced by another price than that of
-- the request's time; `prices sync` prices it again.

CREATE VIEW IF NOT EXISTS {database}.priced_too_late AS
SELECT teller.trace_id AS trace_id, teller.span_id AS span_id, opener.call_time AS asked_at
FROM {database}.billing_key_winners
WHERE teller.price_valid_until > toDate(0)
    AND NOT (
        toDate(opener.call_time) >= teller.price_valid_from AND toDate(opener.call_time) < teller.price_valid_until
    );

-- call_rows: one row per call or line, duplicates gone, one winner per billing key; not yet placed in a month.

CREATE VIEW IF NOT EXISTS {database}.call_rows AS
SELECT
    call_time,
    client_id,
    claimed_client_id,
    project,
    labels,
    provider,
    operation,
    host,
    request_model,
    response_model,
    line,
    units,
    costs,
    cost_usd,
    unpriced_reason,
    incomplete_reason,
    reasons,
    billable,
    bills,
    service_tier,
    price_version,
    service,
    http_status,
    error_type,
    trace_id,
    span_id,
    response_id,
    billing_key,
    first_arrival,
    revision
FROM {database}.llm_calls FINAL
WHERE billing_key = ''
UNION ALL
SELECT
    opener.call_time AS call_time,
    opener.client_id AS client_id,
    opener.claimed_client_id AS claimed_client_id,
    opener.project AS project,
    opener.labels AS labels,
    opener.provider AS provider,
    teller.operation AS operation,
    opener.host AS host,
    teller.request_model AS request_model,
    teller.response_model AS response_model,
    line,
    teller.units AS units,
    if(price_holds, teller.costs, CAST(map(), 'Map(String, Decimal(38, 18))')) AS costs,
    if(price_holds, teller.cost_usd, NULL) AS cost_usd,
    if(price_holds, teller.unpriced_reason, 'price changed between request and answer') AS unpriced_reason,
    teller.incomplete_reason AS incomplete_reason,
    teller.reasons AS reasons,
    teller.billable AS billable,
    teller.bills AS bills,
    teller.service_tier AS service_tier,
    teller.price_version AS price_version,
    opener.service AS service,
    teller.http_status AS http_status,
    teller.error_type AS error_type,
    teller.trace_id AS trace_id,
    teller.span_id AS span_id,
    teller.response_id AS response_id,
    billing_key,
    opener.first_arrival AS first_arrival,
    teller.revision AS revision
FROM
(
    SELECT
        *,
        -- The price is that of the request's time; the cost was computed at the time of the look.
        teller.price_valid_until = toDate(0) OR (
            toDate(opener.call_time) >= teller.price_valid_from
            AND toDate(opener.call_time) < teller.price_valid_until
        ) AS price_holds
    FROM {database}.billing_key_winners
);

-- calls: one row per call or line; the read contract (columns: schema/README.md).

CREATE VIEW IF NOT EXISTS {database}.calls AS
WITH
    -- A day of the client's own, else the agency's, else the UTC day: no join may drop a call.
    own.month != '' AND placed.call_second < own.ends_at
        AND arrayExists(u -> own.day >= u.from_day AND own.day < u.to_day, clients.terms_days) AS by_own_day,
    agency.month != '' AND placed.call_second < agency.ends_at AS by_agency_day
SELECT
    placed.call_time AS call_time,
    multiIf(by_own_day, own.day, by_agency_day, agency.day, toDate(placed.call_time)) AS day,
    multiIf(
        by_own_day, own.month, by_agency_day, agency.month, formatDateTime(placed.call_time, '%Y-%m', 'UTC')
    ) AS month,
    placed.client_id AS client_id,
    placed.claimed_client_id AS claimed_client_id,
    multiIf(placed.client_id = '', 'unattributed', by_own_day, 'known', 'unknown') AS client_state,
    placed.project AS project,
    placed.labels AS labels,
    placed.provider AS provider,
    placed.operation AS operation,
    placed.host AS host,
    placed.request_model AS request_model,
    placed.response_model AS response_model,
    if(placed.response_model != '', placed.response_model, placed.request_model) AS model,
    placed.line AS line,
    placed.units AS units,
    placed.costs AS costs,
    placed.cost_usd AS cost_usd,
    placed.unpriced_reason AS unpriced_reason,
    placed.incomplete_reason AS incomplete_reason,
    placed.reasons AS reasons,
    placed.billable AS billable,
    placed.bills AS bills,
    placed.service_tier AS service_tier,
    placed.price_version AS price_version,
    placed.service AS service,
    placed.http_status AS http_status,
    placed.error_type AS error_type,
    placed.trace_id AS trace_id,
    placed.span_id AS span_id,
    placed.response_id AS response_id,
    placed.billing_key AS billing_key,
    placed.first_arrival AS first_arrival,
    placed.revision AS revision
FROM
(
    SELECT *, toDateTime(call_time, 'UTC') AS call_second, '' AS agency_id
    FROM {database}.call_rows
) AS placed
-- Calls meet few clients, and these a few calendars: to join every client's days, of all years, took most of the time.
ANY LEFT JOIN {database}.client_calendars AS clients ON clients.client_id = placed.client_id
ASOF LEFT JOIN
(
    SELECT calendar_id, day, month, starts_at, ends_at
    FROM {database}.calendar_days
    WHERE calendar_id != ''
) AS own ON own.calendar_id = clients.calendar_id AND placed.call_second >= own.starts_at
ASOF LEFT JOIN
(
    SELECT calendar_id, day, month, starts_at, ends_at
    FROM {database}.calendar_days
    WHERE calendar_id = ''
) AS agency ON agency.calendar_id = placed.agency_id AND placed.call_second >= agency.starts_at;
