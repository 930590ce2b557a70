-- sender_refusals: one row per sender and reason: calls of the last two days that bill nobody since their sender may not
-- bill the client that they claim, is not in the file of senders, or showed no token.
--
-- Not a row per claimed client: a sender could make as many alerts as there are names. Two days, by the sorting key:
-- an alert asks every minute, and what came longer ago stands among the unattributed calls. A call that was given to
-- a client since (`spanledger attribute`) is no longer here.

CREATE OR REPLACE VIEW {database}.sender_refusals AS
SELECT
    refused.sender AS stamp,
    any(senders.name) AS sender_name,
    refused.reason AS reason,
    count() AS calls,
    uniqExactIf(refused.claimed_client_id, refused.claimed_client_id != '') AS claimed_ids,
    min(refused.call_time) AS first_call,
    max(refused.call_time) AS last_call
FROM
(
    SELECT
        toString(sender) AS sender,
        arrayFirst(r -> r IN ('no sender', 'sender unknown', 'sender may not bill this client'), reasons) AS reason,
        toString(claimed_client_id) AS claimed_client_id,
        call_time
    FROM {database}.llm_calls FINAL
    WHERE (hour >= now('UTC') - INTERVAL 2 DAY OR hour = toDateTime('2000-01-01 00:00:00', 'UTC'))
        AND client_id = ''
        AND notEmpty(reasons)
        AND bills
) AS refused
LEFT JOIN {database}.current_senders AS senders ON senders.stamp = refused.sender
WHERE refused.reason != ''
GROUP BY stamp, reason;
