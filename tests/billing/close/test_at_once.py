"""Of closes at once exactly one makes a month the closed one, and none takes what another took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing.close import freezing
from spanledger_billing.close.verifying import verify
from support.closing import close, closed, due, store
from support.stored_calls import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from spanledger_billing.close.closing import Outcome


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], list[Any]]:
    """Does something once, between all that a close reads and the row by which it would become the closed month."""
    insert = freezing._insert

    def before_the_next_close(happens: Callable[[], Any]) -> list[Any]:
        results: list[Any] = []

        def happening(ledger: Any, into: str, *rest: Any) -> None:
            if into == "closes" and not results:
                results.append(None)  # what happens may close too
                results[0] = happens()
            insert(ledger, into, *rest)

        monkeypatch.setattr(freezing, "_insert", happening)
        return results

    return before_the_next_close


def closes(ledger: Any) -> list[tuple[Any, ...]]:
    return ledger.query("SELECT number, client_id, month FROM closes ORDER BY number").result_rows


def test_of_two_closes_of_one_month_the_first_to_write_wins_and_the_other_says_so(
    october: Any, meanwhile: Callable[..., list[Outcome]]
) -> None:
    first = meanwhile(lambda: close(october, "2026-10"))
    second = close(october, "2026-10")
    assert first[0].head is not None
    assert (second.already, second.head) == (True, None)
    assert closes(october) == [(1, "acme", "2026-10")]
    assert october.query("SELECT count(), sum(charge) FROM billed_lines WHERE closed").first_row == (1, 650)
    assert verify(october).findings == ()


def test_a_close_of_another_client_at_once_is_the_one_before_it_in_the_chain(
    october: Any, meanwhile: Callable[..., list[Outcome]]
) -> None:
    meanwhile(lambda: close(october, "2026-10", "cobalt"))
    statement = closed(october, "2026-10")
    assert statement.number == "2026-10-00002"
    assert closes(october) == [(1, "cobalt", "2026-10"), (2, "acme", "2026-10")]
    assert verify(october).findings == ()


def test_an_adjustment_is_billed_by_one_month_whatever_is_closed_meanwhile(
    october: Any, meanwhile: Callable[..., list[Outcome]]
) -> None:
    store(october, call("2026-08-10T12:00", "100"))
    closed(october, "2026-08")
    store(october, call("2026-08-11T12:00", "10"))
    # While September, with the adjustment, is about to be closed, October is: nothing is due there then.
    meanwhile(lambda: close(october, "2026-10"))
    september = closed(october, "2026-09")
    assert str(september.net) == "13.00 USD"
    billed = october.query(
        "SELECT month, sum(charge) FROM billed_lines WHERE client_id = 'acme' AND corrects = '2026-08' GROUP BY month"
    )
    assert sorted(billed.result_rows) == [("2026-08", 130), ("2026-09", 13)]
    assert due(october) == []
    assert verify(october).findings == ()


def test_calls_that_arrive_while_a_month_is_closed_are_due_in_the_next(
    october: Any, meanwhile: Callable[..., list[Any]]
) -> None:
    meanwhile(lambda: store(october, call("2026-10-20T12:00", "10")))
    assert str(closed(october, "2026-10").total) == "650.00 USD"
    assert [row[:3] for row in due(october)] == [("2026-10", "2026-11", 13)]
