-- order_turns: what was said of the turns in which orders (sync, apply, reprice, attribute) store calls anew, each a
-- row: that it began, that it goes on, that it ended.
--
-- An order reads calls and stores them one revision higher. Two at once would store the same revision of a call, and
-- what the earlier one changed would be gone; so they take turns, by number.

CREATE TABLE IF NOT EXISTS {database}.order_turns
(
    number UInt32,
    turn_id String,
    -- The command, and the account of the machine that gave it.
    command LowCardinality(String),
    ordered_by String,
    said Enum8('began' = 1, 'goes on' = 2, 'ended' = 3),
    -- By the server's clock, so that one clock decides who is late.
    said_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
-- Plain: a turn is a few rows, and an engine that replaces rows could hide who took it.
ENGINE = {engine:MergeTree}
-- The last turn is asked for.
ORDER BY number
-- Two orders at once claim one number with one token: the second insert is ignored.
SETTINGS non_replicated_deduplication_window = 10000;
