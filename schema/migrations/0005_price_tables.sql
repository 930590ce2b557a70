-- price_imports: one row per time a price list became the list in force.
--
-- An import writes its rows under its version first and its line here last, so a list is in force whole or
-- not at all. No version is ever deleted: an old month prices again as it did.

CREATE TABLE IF NOT EXISTS {database}.price_imports
(
    version String,
    source LowCardinality(String),
    source_version String,
    content_sha256 String,
    -- SHA-256 of the file of overrides that is part of it; empty where there is none.
    overrides String,
    imported_at DateTime64(3, 'UTC')
)
-- Replacing, so that two imports of the same list at the same moment are one line.
ENGINE = {engine:ReplacingMergeTree}
-- The question is which line is the latest.
ORDER BY (imported_at, version);

-- price_list: one row, the list in force; none before the first import.

CREATE VIEW IF NOT EXISTS {database}.price_list AS
SELECT version, source, source_version, imported_at
FROM {database}.price_imports
ORDER BY imported_at DESC, version DESC
LIMIT 1;

-- price_list_in_force: one row, the version that prices calls now; empty text before the first import.

CREATE VIEW IF NOT EXISTS {database}.price_list_in_force AS
SELECT argMax(version, (imported_at, version)) AS version
FROM {database}.price_imports;

-- price_cards: one row per version, provider, model and set of circumstances (dates, time of day, batch,
-- service tier, speed, size of the prompt), with what every unit costs under them.

CREATE TABLE IF NOT EXISTS {database}.price_cards
(
    version LowCardinality(String),
    -- Of this row within its version; `price_models` names it.
    card UInt32,
    provider LowCardinality(String),
    -- Whose model it is, where a provider sells another's (Azure, Vertex).
    model_provider LowCardinality(String),
    model String,
    valid_from Date,
    valid_until Date,
    -- Minutes of the UTC day; half-open, 0 to 1440 where the time of day does not matter.
    minute_from UInt16,
    minute_until UInt16,
    processing LowCardinality(String),
    service_tier LowCardinality(String),
    speed LowCardinality(String),
    -- Whole prompts above this many tokens pay these prices for every token (a cliff, not a margin).
    input_tokens_above UInt64,
    -- unit -> (USD, for how many of the unit, billed as at least so many). USD at most 10^6.
    rates Map(LowCardinality(String), Tuple(price_usd Decimal(38, 18), per UInt32, at_least UInt32)),
    -- unit -> where its price was agreed, of those that the operator overrides.
    sources Map(LowCardinality(String), String)
)
-- Replacing, so that an import that was cut short and runs again leaves no row twice.
ENGINE = {engine:ReplacingMergeTree}
-- Rows are read one version at a time, by the number that price_models gives.
ORDER BY (version, card);

-- price_models: one row per version, provider and model: its cards and when each applies; of those that do,
-- the last one counts.

CREATE TABLE IF NOT EXISTS {database}.price_models
(
    version LowCardinality(String),
    provider LowCardinality(String),
    model String,
    cards Array(Tuple(
        card UInt32,
        valid_from Date,
        valid_until Date,
        minute_from UInt16,
        minute_until UInt16,
        processing LowCardinality(String),
        service_tier LowCardinality(String),
        speed LowCardinality(String),
        input_tokens_above UInt64
    ))
)
-- Replacing, as price_cards.
ENGINE = {engine:ReplacingMergeTree}
-- A call looks its model up in the version in force.
ORDER BY (version, provider, model);

-- price_names: one row per version, provider and exact name by which a model goes (lower case).

CREATE TABLE IF NOT EXISTS {database}.price_names
(
    version LowCardinality(String),
    provider LowCardinality(String),
    name String,
    model String
)
-- Replacing, as price_cards.
ENGINE = {engine:ReplacingMergeTree}
-- A call looks its model's name up in the version in force.
ORDER BY (version, provider, name);

-- price_rules: one row per version and provider: patterns for the names that are in no list, in the order
-- in which they are tried. A model is meant where all of `must` match and none of `must_not` does.

CREATE TABLE IF NOT EXISTS {database}.price_rules
(
    version LowCardinality(String),
    provider LowCardinality(String),
    rules Array(Tuple(must Array(String), must_not Array(String), model String))
)
-- Replacing, as price_cards.
ENGINE = {engine:ReplacingMergeTree}
-- A call whose model's name is in no list reads its provider's rules.
ORDER BY (version, provider);

-- price_list_facts: one row per version and fact of `price_facts` as it was when the version was made.

CREATE TABLE IF NOT EXISTS {database}.price_list_facts
(
    version LowCardinality(String),
    kind LowCardinality(String),
    subject String,
    value String
)
-- Replacing, as price_cards.
ENGINE = {engine:ReplacingMergeTree}
-- All facts of the version in force are read for every insert.
ORDER BY (version, kind, subject);

-- price_overrides: one row per file of overrides that took force with a list, as the operator wrote it.

CREATE TABLE IF NOT EXISTS {database}.price_overrides
(
    sha256 String,
    content String CODEC(ZSTD(1)),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Replacing, since the same file may take force more than once.
ENGINE = {engine:ReplacingMergeTree}
-- A list names its file by this.
ORDER BY sha256;
