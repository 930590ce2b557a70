-- reprices: one row per `spanledger reprice` that found something: what it changed, when, and on whose order.
--
-- Written before the calls are, and again once they are: an order that broke off shows, with the zero time.

CREATE TABLE IF NOT EXISTS {database}.reprices
(
    reprice_id String,
    ordered_at DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC'),
    -- The account of the machine that gave the order.
    ordered_by String,
    -- The clients' local days, both included.
    first_day Date,
    last_day Date,
    -- NULL: of all clients; empty: of the calls that name nobody.
    client_id Nullable(String),
    -- The lists that the calls were priced by, and the one that prices them now.
    versions_before Array(String),
    version String,
    calls UInt64,
    -- Sums of calls' costs, with their bounds (llm_calls); NULL where no call had a cost.
    changes Array(Tuple(
        client_id String, month String, calls UInt64, cost_usd_before Nullable(Decimal(38, 18)),
        cost_usd_after Nullable(Decimal(38, 18))
    )),
    -- The closed months that it reached into, with the operator's consent.
    reaches_closed Array(Tuple(client_id String, month String))
)
-- Replacing: the second row of an order takes the place of its first.
ENGINE = {engine:ReplacingMergeTree(finished_at)}
-- By time, since the question is what was ordered lately; the id keeps two orders of one moment apart.
ORDER BY (ordered_at, reprice_id);
