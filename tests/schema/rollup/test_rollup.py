"""The roll-up is what the calls add up to, however and whenever they come."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import rollup
from support.applied import apply
from support.priced_calls import arrive, call, one, utc

if TYPE_CHECKING:
    from support.spans import Span

BEGIN = utc("2026-03-27 00:00")
CLIENTS = ("acme", "cobalt", "")

TERMS = """
agency: {name: Meridian}
clients:
  - id: acme
    name: ACME
    timezone: Asia/Kathmandu
    currency: USD
    terms:
      - {from: 2026-03-29, plan: {markup_percent: 30}}
"""


def rolled_up(ledger: Any) -> dict[Any, tuple[int, Decimal | None]]:
    """(client, state, day, model) -> calls, cost."""
    rows = ledger.query(
        "SELECT client_id, client_state, day, model, sum(calls), sumOrNull(d.cost_usd) FROM usage_day AS d FINAL "
        "WHERE calls > 0 GROUP BY client_id, client_state, day, model"
    ).result_rows
    return {
        (client, state, day.isoformat(), model): (calls, cost)
        for client, state, day, model, calls, cost in rows
    }


def reckoned(calls: list[Span]) -> dict[Any, tuple[int, Decimal | None]]:
    """The same of the spans, each once, in days of UTC or, from 29 March on by its clock, of Kathmandu."""
    sums: dict[Any, list[Decimal | None]] = defaultdict(list)
    for each in {(span.trace_id, span.span_id): span for span in calls}.values():
        client = each.attributes.get("client_id", "")
        local = each.at + timedelta(hours=5, minutes=45)
        known = client == "acme" and local >= utc("2026-03-29 00:00")
        state = "known" if known else "unknown" if client else "unattributed"
        day = (local if known else each.at).date().isoformat()
        cost = each.attributes.get("spanledger.usage.provider_cost_usd")
        model = each.attributes["gen_ai.response.model"]
        sums[client, state, day, model].append(None if cost is None else Decimal(cost))
    return {
        key: (
            len(costs),
            sum((cost for cost in costs if cost is not None), Decimal(0)) if any(costs) else None,
        )
        for key, costs in sums.items()
    }


def random_calls(random: Random, count: int) -> list[Span]:
    return [
        call(
            random.choice(["", "0.1", "12.345678901234567891", "1000000"]),
            client=random.choice(CLIENTS),
            model=random.choice(["a", "b"]),
            at=BEGIN + timedelta(minutes=random.randint(0, 4 * 24 * 60)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_rollup_equals_rows_and_python_under_redelivery_and_any_order(ledger: Any, seed: int) -> None:
    random = Random(seed)
    apply(ledger, TERMS)
    calls = random_calls(random, 120)
    again = random.choices(calls, k=80)
    for batch in _batches(random, random.sample(calls + again, 200)):
        arrive(ledger, *batch)
        if random.random() < 0.3:
            rollup.refresh_usage(ledger)
    assert not rollup.drift(ledger)
    assert rolled_up(ledger) == reckoned(calls)
    ledger.command("OPTIMIZE TABLE usage_15m FINAL")
    ledger.command("OPTIMIZE TABLE usage_day FINAL")
    assert rolled_up(ledger) == reckoned(calls)


def _batches(random: Random, calls: list[Span]) -> list[list[Span]]:
    cuts = sorted({0, len(calls), *random.sample(range(1, len(calls)), 8)})
    return [calls[start:end] for start, end in pairwise(cuts)]


def test_a_late_call_changes_the_day_on_which_it_was_made(ledger: Any) -> None:
    first, late = random_calls(Random(1), 2)
    arrive(ledger, first)
    rollup.refresh_usage(ledger)
    arrive(ledger, late, at=late.at + timedelta(days=30))
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == reckoned([first, late])


def test_a_call_that_is_attributed_to_another_client_leaves_the_first(ledger: Any) -> None:
    calls = [call("5", client="", at=BEGIN), call("7", client="acme", at=BEGIN)]
    arrive(ledger, *calls)
    rollup.refresh_usage(ledger)
    again(ledger, "client_id = ''", "'acme' AS client_id")
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (2, Decimal(12))}
    assert not rollup.drift(ledger)


def test_a_changed_price_changes_what_was_rolled_up(ledger: Any) -> None:
    arrive(ledger, call("5", client="acme", at=BEGIN))
    rollup.refresh_usage(ledger)
    again(ledger, "client_id = 'acme'", "toDecimal128(6, 18) AS provider_cost_usd")
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (1, Decimal(6))}


def again(ledger: Any, which: str, change: str) -> None:
    """Send calls through the ledger's pricing again, one revision higher, as its commands do."""
    columns = ", ".join(
        name
        for (name,) in ledger.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'call_arrivals'"
        ).result_rows
    )
    ledger.command(
        f"INSERT INTO call_arrivals ({columns}) SELECT {columns} FROM (SELECT * REPLACE (revision + 1 AS revision, "
        f"{change}) FROM (SELECT * FROM llm_calls FINAL WHERE {which}))"
    )


def test_a_response_that_an_earlier_request_turns_out_to_have_made_moves_to_it(ledger: Any) -> None:
    look = call("5", client="cobalt", at=BEGIN + timedelta(hours=30), billing_key="openrouter:r1")
    request = call("", client="acme", at=BEGIN, billing_key="openrouter:r1", billable="pending")
    arrive(ledger, look)
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("cobalt", "unknown", "2026-03-28", "a"): (1, Decimal(5))}
    arrive(ledger, request, at=look.at + timedelta(hours=1))
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (1, Decimal(5))}
    assert not rollup.drift(ledger)


def test_a_start_that_cannot_be_counts_at_its_arrival_and_stays_there(ledger: Any) -> None:
    odd = call("5", client="acme", at=BEGIN - timedelta(days=800))
    arrive(ledger, odd, at=BEGIN)
    rollup.refresh_usage(ledger)
    arrive(ledger, odd, at=BEGIN + timedelta(days=3))
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (1, Decimal(5))}
    assert not rollup.drift(ledger)


def test_terms_that_begin_earlier_move_the_days_that_were_made(ledger: Any) -> None:
    calls = random_calls(Random(3), 30)
    arrive(ledger, *calls)
    rollup.refresh_usage(ledger)
    assert {state for _, state, *_ in rolled_up(ledger)} == {"unknown", "unattributed"}
    apply(ledger, TERMS)
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == reckoned(calls)
    assert not rollup.drift(ledger)


def test_only_what_bills_is_rolled_up_and_the_rest_is_counted(ledger: Any) -> None:
    arrive(
        ledger,
        call("5", client="acme", at=BEGIN),
        call("7", client="acme", at=BEGIN, billable="no"),
        call("", client="acme", at=BEGIN, provider="unheard of"),
        call("", client="acme", at=BEGIN, usage_complete="false", usage_found="false"),
        call(
            "", client="acme", at=BEGIN, usage={}, billable="no_if_refused_before_output", http_status="400"
        ),
    )
    rollup.refresh_usage(ledger)
    found = one(
        ledger,
        "SELECT sum(d.calls) AS calls, sum(d.refused) AS refused, sum(d.cost_usd) AS cost, "
        "sumMap(d.unpriced) AS unpriced, sumMap(d.incomplete) AS incomplete FROM usage_day AS d FINAL",
    )
    assert (found["calls"], found["refused"], found["cost"]) == (3, 1, 5)
    assert found["unpriced"] == Counter({"provider unknown: unheard of": 1})
    assert found["incomplete"] == Counter({"usage missing": 1})


def test_calls_that_come_to_be_seen_after_their_mark_are_not_forgotten(ledger: Any) -> None:
    """An insert in flight: its mark was read by a refresh, its rows were not there yet."""
    ledger.command("DETACH TABLE touched_quarters_mv")
    try:
        ledger.command(
            "INSERT INTO touched_quarters SELECT toDateTime('2026-03-27', 'UTC'), toDateTime('2026-03-27', 'UTC'), now64(3)"
        )
        rollup.refresh_usage(ledger)
        arrive(ledger, call("5", client="acme", at=BEGIN))
    finally:
        ledger.command("ATTACH TABLE touched_quarters_mv")
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (1, Decimal(5))}


def test_an_outage_longer_than_any_window_heals_by_itself(ledger: Any) -> None:
    """Rolled up, changed three hundred days ago, and not refreshed since."""
    calls = [call("1", client="acme", at=BEGIN + timedelta(minutes=15 * n)) for n in range(250)]
    apply(ledger, TERMS)
    arrive(ledger, *calls)
    ledger.command("TRUNCATE TABLE touched_quarters")
    ledger.command(
        "INSERT INTO touched_quarters SELECT DISTINCT toStartOfFifteenMinutes(call_time), hour, "
        "now64(3, 'UTC') - INTERVAL 300 DAY FROM llm_calls"
    )
    ledger.command(
        "INSERT INTO rolled_quarters SELECT quarter, touched_at - INTERVAL 1 DAY, touched_at - INTERVAL 1 DAY "
        "FROM touched_quarters"
    )
    rollup.refresh_usage(ledger)
    assert rolled_up(ledger) == reckoned(calls)
    assert one(ledger, "SELECT quarters_behind, days_behind FROM rollup_freshness") == {
        "quarters_behind": 0,
        "days_behind": 0,
    }


def test_a_refresh_without_anything_new_changes_nothing(ledger: Any) -> None:
    arrive(ledger, *random_calls(Random(5), 20))
    rollup.refresh_usage(ledger)
    before = ledger.query("SELECT * EXCEPT refreshed_at FROM usage_day FINAL ORDER BY ALL").result_rows
    rollup.refresh_usage(ledger)
    assert (
        ledger.query("SELECT * EXCEPT refreshed_at FROM usage_day FINAL ORDER BY ALL").result_rows == before
    )


def test_a_clock_set_back_does_not_hide_what_comes_after(ledger: Any) -> None:
    first = call("5", client="acme", at=BEGIN)
    arrive(ledger, first)
    ledger.command(
        "INSERT INTO rolled_quarters SELECT quarter, now64(3, 'UTC') + INTERVAL 1 HOUR, now64(3, 'UTC') FROM touched_quarters"
    )
    # A mark made by the clock that ran an hour ahead.
    ledger.command(
        "INSERT INTO touched_quarters SELECT quarter, hour, touched_at + INTERVAL 1 HOUR FROM touched_quarters"
    )
    later = replace(first, trace_id="f" * 32)
    arrive(ledger, later)
    for view in rollup.VIEWS:
        ledger.command(f"SYSTEM REFRESH VIEW {view}")
        ledger.command(f"SYSTEM WAIT VIEW {view}")
    assert rolled_up(ledger) == {("acme", "unknown", "2026-03-27", "a"): (2, Decimal(10))}
