-- attributions: one row per `spanledger attribute` that found something: which calls it gave to whom, and on whose
-- order.
--
-- Written before the calls are, and again once they are: an order that broke off shows, with the zero time.

CREATE TABLE IF NOT EXISTS {database}.attributions
(
    attribution_id String,
    ordered_at DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC'),
    -- The account of the machine that gave the order.
    ordered_by String,
    -- Which calls, by the words of the command.
    filter Map(String, String),
    -- Who pays for them since.
    client_id String,
    -- Their project since; empty where each kept its own.
    project String,
    calls UInt64,
    -- NULL where no call had a cost.
    cost_usd Nullable(Decimal(38, 18)),
    -- Whose they were: what their spans said, and who paid; months by the days of who pays now.
    moved Array(Tuple(
        claimed_client_id String, client_id String, month String, calls UInt64,
        cost_usd Nullable(Decimal(38, 18))
    )),
    -- The closed months that it reached into, with the operator's consent.
    reaches_closed Array(Tuple(client_id String, month String))
)
-- Replacing: the second row of an order takes the place of its first.
ENGINE = {engine:ReplacingMergeTree(finished_at)}
-- By time, since the question is what was ordered lately; the id keeps two orders of one moment apart.
ORDER BY (ordered_at, attribution_id);
