-- month_gaps: one row per client, month, state of the client, gap and reason: calls that the month's totals leave out
-- (`unpriced`), know only in part (`incomplete`), or rightly have not in them (`refused` before any output).

CREATE OR REPLACE VIEW {database}.month_gaps AS
SELECT
    client_id,
    month,
    client_state,
    found.1 AS gap,
    found.2 AS reason,
    sum(found.3) AS calls
FROM
(
    SELECT
        toString(client_id) AS client_id,
        toString(month) AS month,
        toString(client_state) AS client_state,
        arrayConcat(
            arrayMap((reason, calls) -> ('unpriced', toString(reason), calls), mapKeys(unpriced), mapValues(unpriced)),
            arrayMap(
                (reason, calls) -> ('incomplete', toString(reason), calls), mapKeys(incomplete), mapValues(incomplete)
            ),
            if(refused > 0, [('refused', 'refused before any output', refused)], [])
        ) AS gaps
    FROM {database}.usage_day FINAL
)
ARRAY JOIN gaps AS found
GROUP BY client_id, month, client_state, gap, reason;

-- month_unattributed: one row per client, month that has begun and state: calls within the client's month, by its clock,
-- that name nobody (`unattributed`) or a client that is under no terms then (`unknown`); any of them may be this client's.

CREATE OR REPLACE VIEW {database}.month_unattributed AS
SELECT
    months.client_id AS client_id,
    months.month AS month,
    nobody.client_state AS client_state,
    arrayFilter(q -> q.1 >= months.starts_at AND q.1 < months.ends_at, nobody.quarters) AS own_quarters,
    arraySum(q -> q.2, own_quarters) AS calls,
    arraySum(q -> q.3, own_quarters) AS cost_usd
FROM
(
    SELECT clients.client_id AS client_id, begun.month AS month, begun.starts_at AS starts_at, begun.ends_at AS ends_at, '' AS everybody
    FROM {database}.current_clients AS clients
    INNER JOIN {database}.begun_months AS begun ON begun.calendar_id = clients.calendar_id
) AS months
INNER JOIN
(
    SELECT
        '' AS everybody,
        client_state,
        groupArray((quarter, calls, cost_usd)) AS quarters
    FROM
    (
        SELECT
            rolled.quarter AS quarter,
            if(rolled.client_id = '', 'unattributed', 'unknown') AS client_state,
            sum(rolled.calls) AS calls,
            sum(ifNull(rolled.cost_usd, 0)) AS cost_usd
        FROM
        (
            -- Only the days of which the roll-up says that they have such calls; by any clock, a day lies in three of UTC.
            SELECT quarter, toString(client_id) AS client_id, calls, cost_usd
            FROM {database}.usage_15m FINAL
            WHERE toDate(quarter) IN (
                    SELECT arrayJoin([day - 1, day, day + 1])
                    FROM {database}.usage_day
                    WHERE client_state != 'known' AND calls > 0
                )
                AND client_id IN (SELECT client_id FROM {database}.usage_day WHERE client_state != 'known' AND calls > 0)
        ) AS rolled
        ASOF LEFT JOIN
        (
            SELECT client_id, starts_at, ends_at
            FROM {database}.local_days
            WHERE client_id != '' AND known
                AND client_id IN (SELECT client_id FROM {database}.usage_day WHERE client_state != 'known' AND calls > 0)
        ) AS own ON own.client_id = rolled.client_id AND rolled.quarter >= own.starts_at
        WHERE rolled.client_id = '' OR rolled.quarter >= own.ends_at
        GROUP BY quarter, client_state
        HAVING calls > 0
    )
    GROUP BY client_state
) AS nobody ON nobody.everybody = months.everybody
WHERE calls > 0;
