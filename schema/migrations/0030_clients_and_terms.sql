-- Clients and terms, as `spanledger clients apply` writes them. Nothing here is ever changed or deleted.
--
-- Every apply writes all rows anew under an id of its own, and becomes visible, whole, by the one row that it
-- adds to client_versions at last: an apply that broke off is never seen, not even in part. The views
-- current_… show what is in force; the tables keep every version with its date.

-- client_versions: one row per apply that changed anything.
CREATE TABLE IF NOT EXISTS {database}.client_versions
(
    version UInt32,
    apply_id String,
    applied_at DateTime64(3, 'UTC'),
    -- Of the file as it was applied, so that the version is found in git.
    file_sha256 String,
    -- Clients added, removed or with anything changed, their exchange rates included: whose days and charges are
    -- to be made again.
    changed_clients Array(String),
    -- The closed months that it reached into, with the operator's consent.
    reaches_closed Array(Tuple(client_id String, month String))
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- The question is which version came last.
ORDER BY version
-- Two applies at once claim one version with one token: the second insert is ignored.
SETTINGS non_replicated_deduplication_window = 1000;

-- agency: one row per version.
CREATE TABLE IF NOT EXISTS {database}.agency
(
    apply_id String,
    name String,
    timezone String,
    address Array(String),
    email String,
    tax_id String,
    logo String,
    colour String,
    texts Map(String, String)
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY apply_id;

-- clients: one row per version and client.
CREATE TABLE IF NOT EXISTS {database}.clients
(
    apply_id String,
    client_id String,
    name String,
    contact_name String,
    contact_email String,
    address Array(String),
    tax_id String,
    reference String,
    -- Whose days in client_days are this client's.
    calendar_id String,
    -- The days under terms, first day inclusive, last exclusive.
    terms_days Array(Tuple(from_day Date, to_day Date))
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY (apply_id, client_id);

-- terms: one row per version, client and stretch of terms.
--
-- Bounds: money below 10^11 with 6 decimals and percents up to 1000 with 4, by the check of clients.yaml.
CREATE TABLE IF NOT EXISTS {database}.terms
(
    apply_id String,
    client_id String,
    valid_from_day Date,
    -- The first day after it; 2149-06-06, the last that a Date can be, while it goes on.
    valid_to_day Date,
    timezone LowCardinality(String),
    currency LowCardinality(String),
    currency_exponent UInt8,
    plan LowCardinality(String),
    fee Decimal(18, 6),
    allowance_cost_usd Decimal(18, 6),
    tiers Array(Tuple(from_cost_usd Decimal(18, 6), markup_percent Decimal(9, 4))),
    minimum Decimal(18, 6),
    overrides Array(Tuple(provider String, model String, is_prefix Bool, unit String, markup_percent Decimal(9, 4))),
    tax_name String,
    tax_percent Decimal(9, 4),
    hide_cost Bool,
    incomplete_tolerance_percent Decimal(9, 4)
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY (apply_id, client_id, valid_from_day);

-- budgets: one row per version, client and stretch of terms that has a budget.
CREATE TABLE IF NOT EXISTS {database}.budgets
(
    apply_id String,
    client_id String,
    valid_from_day Date,
    valid_to_day Date,
    amount Decimal(18, 6),
    currency LowCardinality(String),
    basis LowCardinality(String),
    thresholds_percent Array(Decimal(9, 4))
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY (apply_id, client_id, valid_from_day);

-- exchange_rates: one row per version, currency and day from which a rate holds.
CREATE TABLE IF NOT EXISTS {database}.exchange_rates
(
    apply_id String,
    currency LowCardinality(String),
    valid_from_day Date,
    units_per_usd Decimal(18, 10),
    source String
)
-- Plain MergeTree: every version stays, with its date.
ENGINE = {engine:MergeTree}
-- All reading is of one version.
ORDER BY (apply_id, currency, valid_from_day);

-- client_days: one row per calendar and local day: the month it belongs to and where it begins and ends in UTC.
--
-- A calendar is a history of timezones, such as `Europe/Berlin` or
-- `Asia/Kolkata, from 2026-07-01 America/New_York`; clients with the same one share its rows.
CREATE TABLE IF NOT EXISTS {database}.client_days
(
    calendar_id String,
    day Date,
    month String,
    starts_at DateTime('UTC'),
    ends_at DateTime('UTC'),
    timezone LowCardinality(String),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Replacing: days to come are written again where a country changes its clocks.
ENGINE = {engine:ReplacingMergeTree(written_at)}
-- A calendar's days are asked for.
ORDER BY (calendar_id, day);
