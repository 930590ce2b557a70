-- billing_scopes: one row per instrumentation scope, besides `spanledger`, whose spans bill.
--
-- Empty unless the operator lists one: SDKs and frameworks emit spans with token counts of their own for
-- the very calls that are metered already, and each would be billed again.

CREATE TABLE IF NOT EXISTS {database}.billing_scopes
(
    scope String,
    reason String,
    added_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Replacing, so that listing a scope again changes its reason and adds no row.
ENGINE = {engine:ReplacingMergeTree(added_at)}
-- The only question is whether a scope is listed.
ORDER BY scope;

-- sender_versions: one row per `spanledger senders apply` or `lift` that changed anything.
--
-- Before the first, and where the last one lifted it, anybody may bill anybody. Otherwise a call counts for the client
-- that it claims only where its sender may bill that client; see sender_rights.

CREATE TABLE IF NOT EXISTS {database}.sender_versions
(
    version UInt32,
    apply_id String,
    -- By the ledger's clock, as the arrival of spans.
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    -- Of the file as it was applied, so that the version is found in git.
    file_sha256 String,
    lifted Bool
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- The question is which version came last.
ORDER BY version
-- Two applies at once claim one version with one token: the second insert is ignored.
SETTINGS non_replicated_deduplication_window = 1000;

-- sender_rights: one row per version, sender and client that it may bill; one, with `every_client`, for a sender that
-- may bill all. A version is visible whole or not at all: its row in sender_versions is written last.

CREATE TABLE IF NOT EXISTS {database}.sender_rights
(
    apply_id String,
    name String,
    -- Of the whole header, `Bearer <token>`, as the collector stamps it. The token itself is nowhere in the ledger.
    stamp String,
    every_client Bool,
    client_id String
)
-- Plain MergeTree: what is written once stays.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY (apply_id, stamp, client_id);

-- sender_rules: one row per version that was in force at some time of the last fifteen days.
--
-- Spans are held against the rules of their arrival, and raw spans are kept for fourteen days: what is fed again is
-- judged as it was at first.

CREATE VIEW IF NOT EXISTS {database}.sender_rules AS
SELECT apply_id, applied_at, lifted
FROM
(
    SELECT
        apply_id,
        applied_at,
        lifted,
        leadInFrame(applied_at, 1, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) OVER (
            ORDER BY version ASC ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS until
    FROM {database}.sender_versions
)
WHERE until > now64(3, 'UTC') - INTERVAL 15 DAY;

-- current_senders: one row per sender of the version in force; none where nothing was applied or it was lifted.

CREATE VIEW IF NOT EXISTS {database}.current_senders AS
SELECT
    name,
    any(rights.stamp) AS stamp,
    max(rights.every_client) AS every_client,
    arraySort(groupArrayIf(client_id, NOT rights.every_client)) AS clients
FROM {database}.sender_rights AS rights
WHERE apply_id IN (
    SELECT apply_id
    FROM (SELECT apply_id, lifted FROM {database}.sender_versions ORDER BY version DESC LIMIT 1)
    WHERE NOT lifted
)
GROUP BY name;
