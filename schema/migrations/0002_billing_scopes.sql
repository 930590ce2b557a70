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
