"""What is delivered more than once counts once, however it is batched and in whatever order it comes."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from support.spans import deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def totals(ledger: Client) -> Any:
    """Calls and tokens by client."""
    return ledger.query(
        "SELECT client_id, count(), sum(c.units['input']), sum(c.units['output']) FROM calls AS c "
        "WHERE bills GROUP BY client_id ORDER BY client_id"
    ).result_rows


def thirty_calls() -> list[Any]:
    """Calls of three clients over three months."""
    now = datetime.now(UTC)
    return [
        span({"input": 100 + n, "output": n}, client_id=f"client-{n % 3}", at=now - timedelta(days=3 * n))
        for n in range(30)
    ]


def test_a_redelivered_batch_changes_no_total(ledger: Client) -> None:
    calls = thirty_calls()
    deliver(ledger, calls)
    once = totals(ledger)
    deliver(ledger, calls)
    deliver(ledger, calls)
    assert once == totals(ledger)
    assert [row[1] for row in once] == [10, 10, 10]


@pytest.mark.parametrize("seed", range(5))
def test_batches_cut_otherwise_at_redelivery_change_no_total(ledger: Client, seed: int) -> None:
    calls = thirty_calls()
    deliver(ledger, calls)
    once = totals(ledger)
    shuffled = random.Random(seed).sample(calls * 2, 60)
    for start in range(0, 60, 7):
        deliver(ledger, shuffled[start : start + 7])
    assert totals(ledger) == once
    ledger.command("OPTIMIZE TABLE llm_calls FINAL")
    assert totals(ledger) == once


def test_the_order_of_arrival_changes_no_total(ledger: Client) -> None:
    calls = thirty_calls()
    for call in reversed(calls):
        deliver(ledger, [call])
    backwards = totals(ledger)
    ledger.command("TRUNCATE TABLE llm_calls")
    deliver(ledger, calls)
    assert totals(ledger) == backwards


def test_the_earliest_arrival_stays_when_the_same_span_comes_again_with_other_figures(ledger: Client) -> None:
    first = span({"input": 10, "output": 1})
    deliver(ledger, [first])
    arrived = ledger.query("SELECT first_arrival FROM calls").first_row[0]
    second = first.with_attributes(project="other")
    deliver(ledger, [second])
    assert ledger.query("SELECT project, first_arrival FROM calls").result_rows == [("", arrived)]
    ledger.command("OPTIMIZE TABLE llm_calls FINAL")
    assert ledger.query("SELECT project, first_arrival FROM calls").result_rows == [("", arrived)]


def test_two_spans_that_share_a_trace_are_two_calls(ledger: Client) -> None:
    deliver(ledger, [span(trace_id="a" * 32, span_id="1" * 16), span(trace_id="a" * 32, span_id="2" * 16)])
    assert ledger.query("SELECT count() FROM calls").first_row == (2,)


def test_duplicates_are_counted_where_they_are_asked_for(ledger: Client) -> None:
    calls = thirty_calls()
    deliver(ledger, calls)
    deliver(ledger, calls[:7])
    assert ledger.query("SELECT arrivals, calls, duplicates FROM duplicates").first_row == (37, 30, 7)


def test_only_our_scope_and_those_listed_bill(own_ledger: Client) -> None:
    foreign = span({"input": 5, "output": 5}, scope="com.anthropic.sdk.python")
    deliver(own_ledger, [foreign])
    assert own_ledger.query("SELECT count() FROM calls").first_row == (0,)
    own_ledger.insert(
        "billing_scopes",
        [("gateway.metering", "it is not instrumented by us")],
        column_names=["scope", "reason"],
    )
    deliver(
        own_ledger,
        [
            span(
                {"input": 5, "output": 7},
                scope="gateway.metering",
                billable="",
                usage_found="",
                usage_complete="",
            )
        ],
    )
    rows = own_ledger.query(
        "SELECT bills, incomplete_reason, c.units['output'], reasons FROM calls AS c"
    ).result_rows
    assert rows == [(True, "", Decimal(7), [])]


def test_what_a_nearer_hop_metered_does_not_bill_again(ledger: Client) -> None:
    deliver(ledger, [span(metered_by="spanledger-hub"), span()])
    assert ledger.query("SELECT countIf(bills), count() FROM calls").first_row == (1, 2)


def test_what_is_not_billable_is_kept_and_not_counted(ledger: Client) -> None:
    for billable, tokens in itertools.product(
        ("yes", "unknown", "no", "check_only", "no_lines_follow", "no_if_refused_before_output"), (0, 9)
    ):
        deliver(ledger, [span({"input": 50, "output": tokens}, billable=billable)])
    rows = ledger.query(
        "SELECT billable, c.units['output'] > 0, bills FROM calls AS c ORDER BY billable, units['output']"
    ).result_rows
    assert [(billable, bool(output)) for billable, output, bills in rows if bills] == [
        ("no_if_refused_before_output", True),
        ("unknown", False),
        ("unknown", True),
        ("yes", False),
        ("yes", True),
    ]
    assert len(rows) == 12
