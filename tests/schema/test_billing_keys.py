"""Of all looks at one response, one counts: asked for by the first, told by the first that was complete."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing.prices import sync
from support.arrivals import arrival, arrive
from support.spans import Span, deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

KEY = "openai:resp_1"
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def asked(**attributes: str) -> Span:
    """The request that starts a background response: no usage yet."""
    return span(
        {},
        at=START,
        **{"billing_key": KEY, "billable": "pending", "usage_found": "false", "usage_complete": "false"}
        | attributes,
    )


def look(minute: int, usage: dict[str, object] | None = None, **attributes: str) -> Span:
    """A poll, from a process that serves nobody in particular."""
    return span(
        usage,
        at=START + timedelta(minutes=minute),
        **{"billing_key": KEY, "billable": "once_per_response_id", "client_id": "poller"} | attributes,
    )


def counted(ledger: Client) -> Any:
    return ledger.query(
        "SELECT client_id, call_time, c.units['input'], cost_usd, incomplete_reason FROM calls AS c WHERE bills"
    ).result_rows


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_response_polled_thrice_counts_once_for_who_asked_whatever_comes_first(
    ledger: Client, order: tuple[int, ...]
) -> None:
    spans = [asked(), look(1), look(2), look(3)]
    for number in order:
        deliver(ledger, [spans[number]])
    expected = [("acme", START, Decimal(1000), Decimal("0.0035"), "")]
    assert counted(ledger) == expected
    deliver(ledger, spans)
    assert counted(ledger) == expected


def test_a_poll_while_the_response_runs_tells_nothing_and_settles_nothing(ledger: Client) -> None:
    running = look(1, {}, billable="pending", usage_found="false", usage_complete="false")
    deliver(ledger, [asked(), running])
    assert counted(ledger) == [("acme", START, Decimal(0), None, "pending")]
    deliver(ledger, [look(2)])
    assert counted(ledger) == [("acme", START, Decimal(1000), Decimal("0.0035"), "")]


def test_a_pending_response_that_nothing_settles_is_incomplete_and_counted(ledger: Client) -> None:
    deliver(ledger, [asked()])
    assert counted(ledger) == [("acme", START, Decimal(0), None, "pending")]
    assert ledger.query("SELECT incomplete_reason, calls FROM incomplete").result_rows == [("pending", 1)]


def test_a_response_that_failed_settles_what_was_pending_and_does_not_bill(ledger: Client) -> None:
    failed = look(1, {}, billable="no", usage_found="false")
    deliver(ledger, [asked(), failed])
    assert counted(ledger) == []


def test_complete_usage_wins_over_usage_cut_short(ledger: Client) -> None:
    deliver(ledger, [asked(), look(1, {"input": 1000, "output": 3}, usage_complete="false"), look(2)])
    assert counted(ledger) == [("acme", START, Decimal(1000), Decimal("0.0035"), "")]


def test_two_processes_that_poll_for_different_clients_bill_the_one_that_asked(ledger: Client) -> None:
    deliver(ledger, [look(1, client_id="globex"), look(2, client_id="initech"), asked()])
    assert [row[0] for row in counted(ledger)] == ["acme"]


def test_each_line_of_a_keyed_call_counts_once_for_who_asked(ledger: Client) -> None:
    polls = []
    for minute in (1, 2):
        parent = look(minute)
        line = look(
            minute, {"input": 50, "output": 10}, line="image_generation", response_model="gpt-4o-mini"
        )
        polls += [parent, line]
    deliver(ledger, [asked()])
    deliver(ledger, polls)
    rows = ledger.query(
        "SELECT line, client_id, call_time, c.units['input'] FROM calls AS c WHERE bills ORDER BY line"
    ).result_rows
    assert rows == [("", "acme", START, Decimal(1000)), ("image_generation", "acme", START, Decimal(50))]


def test_the_same_custom_id_under_other_keys_is_another_call(ledger: Client) -> None:
    items = [look(n, billing_key=f"openai:batch_{n}") for n in range(3)]
    deliver(ledger, items * 2)
    assert len(counted(ledger)) == 3


def test_keys_that_are_alike_only_when_cut_are_two_calls(ledger: Client) -> None:
    deliver(ledger, [look(1, billing_key="k" * 500 + "a"), look(1, billing_key="k" * 500 + "b")])
    assert len(counted(ledger)) == 2


def test_a_price_that_changes_between_request_and_look_is_that_of_the_request_after_a_sync(
    own_ledger: Client,
) -> None:
    sync.sync(own_ledger)
    # gpt-4o-mini-like dated prices: o3 went from USD 10 / 40 to 2 / 8 per million on 2025-06-10.
    before, after = datetime(2025, 6, 9, 23, 50, tzinfo=UTC), datetime(2025, 6, 10, 0, 10, tzinfo=UTC)
    keyed = {"billing_key": KEY, "response_model": "o3", "response_id": "resp_1"}
    arrive(
        own_ledger,
        [
            arrival({}, at=before, billable="pending", usage_found=False, usage_complete=False, **keyed),
            arrival({"input": 1_000_000, "output": 0}, at=after, billable="once_per_response_id", **keyed),
        ],
    )
    query = "SELECT cost_usd, unpriced_reason FROM calls"
    assert own_ledger.query(query).result_rows == [(None, "price changed between request and answer")]
    sync.sync(own_ledger)
    assert own_ledger.query(query).result_rows == [(Decimal(10), "")]
