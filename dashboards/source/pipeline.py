"""Pipeline health: does what apps send become figures, how late, and what of it makes no sense."""

from __future__ import annotations

from board import (
    AGE,
    ANY_IS_ORANGE,
    ANY_IS_RED,
    COUNT,
    SECONDS,
    Column,
    Dashboard,
    lines,
    numbers,
    steps,
    table,
)

ARRIVALS = numbers(
    "Arrivals",
    "Last arrival: how long ago a billing span last reached the ledger; of the dashboard's period. Spans, and how many of them came more "
    "than once: a duplicate counts once in every figure, so it is no loss, but many of them tell of retries.",
    """
SELECT
    if("Spans" = 0, NULL, dateDiff('second', max(arrived_at), now64(3, 'UTC'))) AS "Last arrival",
    count() AS "Spans",
    "Spans" - uniqExact(trace_id, span_id) AS "Duplicates"
FROM span_arrivals
WHERE $__timeFilter(arrived_at)
""",
    width=8,
    standard=COUNT,
    empty="none in this period",
    columns=(Column("Last arrival", AGE), Column("Duplicates", thresholds=steps((None, "text")))),
)

ROLLUP = numbers(
    "Roll-up",
    "Behind: how long the first call waits that is not in the figures yet; figures are at most that old. Quarter-hours: how "
    "many wait. Last done: how long ago it last had something to do; while calls come, every 15 seconds.",
    """
SELECT
    lag_seconds AS "Behind",
    quarters_behind AS "Quarter-hours",
    dateDiff('second', last_refresh, now64(3, 'UTC')) AS "Last done"
FROM rollup_freshness
""",
    width=7,
    empty="no call yet",
    columns=(
        Column("Behind", AGE, thresholds=steps((None, "green"), (300, "orange"), (1800, "red"))),
        Column("Quarter-hours", COUNT),
        Column("Last done", AGE),
    ),
)

ODD = numbers(
    "Calls with something missing",
    "Of those written in the dashboard's period. Unattributed: they name no client. Unpriced: their cost is not known for want of a price. "
    "Incomplete: usage missing or cut short. Odd: the span said something that makes no sense.",
    """
SELECT
    uniqExactIf((trace_id, span_id), bills AND client_id = '') AS "Unattributed",
    uniqExactIf((trace_id, span_id), bills AND unpriced_reason != '') AS "Unpriced",
    uniqExactIf((trace_id, span_id), bills AND incomplete_reason != '') AS "Incomplete",
    uniqExactIf((trace_id, span_id), notEmpty(reasons)) AS "Odd"
FROM recorded_calls
WHERE $__timeFilter(recorded_at)
""",
    width=9,
    standard=COUNT,
    columns=tuple(
        Column(name, thresholds=ANY_IS_ORANGE) for name in ("Unattributed", "Unpriced", "Incomplete", "Odd")
    ),
)

DRIFT = table(
    "Drift checks",
    "Every six hours the ledger holds the roll-up against its calls, calls against the spans that arrived, and the charges that are shown "
    "against what usage and terms come to. Anything found is an error: spanledger repair mends it, of open months.",
    """
SELECT
    multiIf(
        check_name = 'roll-up', 'roll-up against calls',
        check_name = 'calls', 'calls against spans',
        'charges against usage'
    ) AS "Check",
    rows_found AS "Found",
    dateDiff('second', last_checked_at, now64(3, 'UTC')) AS "Ago"
FROM drift_found
WHERE last_checked_at > toDateTime64(0, 3, 'UTC')
""",
    width=12,
    height=6,
    empty="not checked yet",
    columns=(Column("Check", width=190), Column("Found", COUNT, thresholds=ANY_IS_RED), Column("Ago", AGE)),
)

STALLS = table(
    "Standing still",
    "For how long a part of the pipeline does not move though it should. Arrivals stand still only where the same hour had calls one week "
    "ago and two weeks ago. spanledger doctor tells what to do.",
    """
SELECT part AS "Part", ifNull(seconds, 0) AS "For"
FROM pipeline_stalls
ORDER BY part
""",
    width=12,
    height=6,
    empty="not known",
    columns=(Column("For", AGE, thresholds=steps((None, "text"), (300, "orange"), (1800, "red"))),),
)

FLOW = lines(
    "Spans that arrived",
    "By the time at which they reached the ledger. First: those that had not come before in this interval. Again: duplicates in it.",
    """
SELECT
    $__timeInterval(arrived_at) AS time,
    uniqExact(trace_id, span_id) AS "First",
    count() - uniqExact(trace_id, span_id) AS "Again"
FROM span_arrivals
WHERE $__timeFilter(arrived_at)
GROUP BY time
ORDER BY time
""",
    width=12,
    as_bars=True,
    empty="no span arrived in this period",
    columns=(Column("First", COUNT, colour="fixed:blue"), Column("Again", COUNT, colour="fixed:orange")),
)

WAITED = lines(
    "How long spans waited",
    "Between the end of a call and the ledger: in the app's outbox, on the network, in the collector's queue on disk. It rises when the "
    "ledger was away, and falls when the queue is worked off. What still waits is in spanledger doctor.",
    """
SELECT
    $__timeInterval(arrived_at) AS time,
    quantile(0.5)(waited_seconds) AS "Half of them",
    quantile(0.95)(waited_seconds) AS "19 of 20",
    max(waited_seconds) AS "The longest"
FROM span_arrivals
WHERE $__timeFilter(arrived_at)
GROUP BY time
ORDER BY time
""",
    width=12,
    empty="no span arrived in this period",
    columns=(
        Column("Half of them", SECONDS, colour="fixed:green"),
        Column("19 of 20", SECONDS, colour="fixed:orange"),
        Column("The longest", SECONDS, colour="fixed:red"),
    ),
)

CALLS = lines(
    "Calls in the figures",
    "By the quarter-hour in which they began, as the roll-up has them: what dashboards and statements are made of.",
    """
SELECT $__timeInterval(quarter) AS time, sum(rolled.calls) AS "Calls", sum(rolled.refused) AS "Refused"
FROM usage_by_quarter_hour AS rolled
WHERE $__timeFilter(quarter)
GROUP BY time
ORDER BY time
""",
    width=10,
    as_bars=True,
    empty="no call in this period",
    columns=(Column("Calls", COUNT, colour="fixed:blue"), Column("Refused", COUNT, colour="fixed:gray")),
)

APPS = table(
    "By app",
    "Calls written in the dashboard's period, by the app that made them: where what is missing comes from.",
    """
SELECT
    if(app = '', '(no name)', app) AS "App",
    uniqExactIf((trace_id, span_id), bills) AS "Calls",
    uniqExactIf((trace_id, span_id), bills AND client_id = '') AS "Unattributed",
    uniqExactIf((trace_id, span_id), bills AND unpriced_reason != '') AS "Unpriced",
    uniqExactIf((trace_id, span_id), bills AND incomplete_reason != '') AS "Incomplete",
    uniqExactIf((trace_id, span_id), notEmpty(reasons)) AS "Odd"
FROM recorded_calls
WHERE $__timeFilter(recorded_at)
GROUP BY app
ORDER BY "Unattributed" + "Unpriced" + "Incomplete" + "Odd" DESC, "Calls" DESC, app
LIMIT 100
""",
    width=14,
    empty="no call was written in this period",
    columns=(
        Column("App", width=140),
        Column("Calls", COUNT),
        *(
            Column(name, COUNT, thresholds=ANY_IS_ORANGE, width=width)
            for name, width in (("Unattributed", 98), ("Unpriced", None), ("Incomplete", 88), ("Odd", None))
        ),
    ),
)

REASONS = table(
    "Why",
    "The reasons behind the counts, of calls written in the dashboard's period; the most frequent first.",
    """
SELECT what.1 AS "What", what.2 AS "Reason", uniqExact(trace_id, span_id) AS "Calls", any(app) AS "For instance in", any(model) AS "Model"
FROM recorded_calls
ARRAY JOIN arrayConcat(
    if(bills AND unpriced_reason != '', [('unpriced', unpriced_reason)], []),
    if(bills AND incomplete_reason != '', [('incomplete', incomplete_reason)], []),
    arrayMap(reason -> ('odd', reason), reasons)
) AS what
WHERE $__timeFilter(recorded_at)
GROUP BY what
ORDER BY "Calls" DESC, "What", "Reason"
LIMIT 100
""",
    width=24,
    empty="nothing: every call has its price and its usage",
    columns=(Column("What", width=100), Column("Reason", width=300), Column("Calls", COUNT, width=90)),
)

REFUSED = table(
    "Senders that may not bill whom they name",
    "Of the last two days, whatever period is chosen: calls that were taken in and attributed to nobody, because their sender is unknown or "
    "may not bill the client that they name. A sender is added or allowed in senders.yaml.",
    """
SELECT
    multiIf(stamp = '', '(no token)', sender_name = '', concat('stamp ', substring(stamp, 1, 12)), sender_name) AS "Sender",
    refusals.reason AS "Reason",
    refusals.calls AS "Calls",
    refusals.claimed_ids AS "Ids named",
    toString(toDateTime(last_call, 'UTC')) AS "Last call, UTC"
FROM sender_refusals AS refusals
ORDER BY refusals.calls DESC, sender_name, refusals.reason
LIMIT 50
""",
    width=24,
    height=6,
    empty="none: every sender bills whom it may",
    columns=(
        Column("Sender", width=170),
        Column("Reason", width=240),
        Column("Calls", COUNT, thresholds=ANY_IS_ORANGE),
        Column("Ids named", COUNT),
        Column("Last call, UTC", width=160),
    ),
)

DASHBOARD = Dashboard(
    uid="spanledger-pipeline",
    title="Pipeline health",
    description="Whether what apps send becomes figures, how late, and what of it makes no sense.",
    variables=(),
    panels=(ARRIVALS, ROLLUP, ODD, DRIFT, STALLS, FLOW, WAITED, CALLS, APPS, REASONS, REFUSED),
    by_time=True,
    refresh="30s",
)
