"""Of orders that store calls anew one works at a time, and none takes back what another did."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from spanledger_billing import attributing, call_filter, turns
from spanledger_billing.errors import RefusedError
from spanledger_billing.prices import reprice, sync
from spanledger_billing.prices.trial import Days
from support.arrivals import arrival, arrive
from support.price_lists import a_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

OCTOBER = Days(date(2026, 10, 1), date(2026, 10, 31))


@pytest.fixture
def ledger(ledger_with_clients: Client) -> Client:
    """With a call that nobody pays for, and that a new list prices otherwise."""
    sync.put_in_force(ledger_with_clients, a_list("1"))
    about = {"response_model": "gpt-4o", "claimed_client_id": "", "client_id": ""}
    at = datetime(2026, 10, 5, 12, tzinfo=UTC)
    arrive(ledger_with_clients, [arrival({"input": 1_000_000, "output": 0}, at=at, **about)])
    sync.put_in_force(ledger_with_clients, a_list("2"))
    return ledger_with_clients


def repriced(ledger: Client) -> Callable[[], None]:
    """An order that has looked at the calls; calling it carries it out."""
    plan = reprice.plan(ledger, OCTOBER)
    return lambda: reprice.carry_out(ledger, plan)


def attributed(ledger: Client) -> Callable[[], None]:
    plan = attributing.plan(ledger, call_filter.read(["unattributed"]), "acme")
    return lambda: attributing.carry_out(ledger, plan)


def call(ledger: Client) -> Any:
    return ledger.query("SELECT client_id, cost_usd, revision FROM calls").result_rows[0]


@contextmanager
def before_each_statement(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> Iterator[None]:
    run = turns.Turn.run

    def then(self: turns.Turn, sql: str, parameters: Any) -> None:
        happens()
        run(self, sql, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(turns.Turn, "run", then)
        yield


BOTH = pytest.mark.parametrize(
    ("first", "second", "command"),
    [(repriced, attributed, "reprice"), (attributed, repriced, "attribute")],
    ids=["a repricing first", "an attribution first"],
)


@BOTH
def test_an_order_is_refused_while_another_is_at_work_and_neither_is_lost(
    ledger: Client, monkeypatch: pytest.MonkeyPatch, first: Any, second: Any, command: str
) -> None:
    late, refused = second(ledger), []

    def both() -> None:
        for order in (late, lambda: second(ledger)):
            with pytest.raises(RefusedError, match="nothing was changed") as error:
                order()
            refused.append(error.value.found)

    with before_each_statement(monkeypatch, both):
        first(ledger)()
    assert f"spanledger {command}" in refused[0]
    assert "came in between" in refused[0]
    assert "is at work on the calls" in refused[1]
    second(ledger)()
    assert call(ledger) == ("acme", Decimal(2), 2)


@BOTH
def test_an_order_that_looked_before_another_changed_the_calls_is_refused(
    ledger: Client, first: Any, second: Any, command: str
) -> None:
    late = second(ledger)
    first(ledger)()
    before = call(ledger)
    with pytest.raises(RefusedError, match=f"spanledger {command} .*came in between"):
        late()
    assert call(ledger) == before
    second(ledger)()
    assert call(ledger) == ("acme", Decimal(2), 2)


def test_a_sync_is_refused_while_an_order_is_at_work(ledger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def synced() -> None:
        with pytest.raises(RefusedError, match=r"spanledger reprice .*is at work"):
            sync.take_over(ledger, a_list("3"))

    with before_each_statement(monkeypatch, synced):
        repriced(ledger)()
    assert call(ledger)[1:] == (Decimal(2), 1)
    assert sync.in_force(ledger) == a_list("2").version


def test_of_two_that_claim_one_turn_at_once_the_second_is_refused(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = turns._last
    looked: list[int] = []

    def as_it_was_at_first(asked: Client) -> Any:
        looked.append(1)
        return turns._Last(0) if len(looked) == 1 else last(asked)

    with turns.taken(ledger, "reprice"):
        monkeypatch.setattr(turns, "_last", as_it_was_at_first)
        with (
            pytest.raises(RefusedError, match=r"spanledger reprice .*came in between"),
            turns.taken(ledger, "b"),
        ):
            pytest.fail("it has the turn")
    assert turns.seen(ledger) == 1


def test_a_turn_that_was_killed_is_over_after_a_silence_and_does_nothing_more(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = turns.taken(ledger, "reprice")
    turn = killed.__enter__()
    with pytest.raises(RefusedError, match=r"if it was killed, after .* UTC"):
        turns.seen(ledger)
    monkeypatch.setattr(turns, "SILENCE", timedelta(0))
    attributed(ledger)()
    with pytest.raises(RefusedError, match=r"spanledger attribute .*took its turn"):
        turn.run("INSERT INTO llm_calls SELECT throwIf(true)", {})


@pytest.mark.parametrize(("failure", "over"), [(OperationalError, False), (DatabaseError, True)])
def test_a_turn_goes_on_where_the_server_may_still_work_on_its_statement(
    ledger: Client, monkeypatch: pytest.MonkeyPatch, failure: type[Exception], over: bool
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "command", breaks)
        with pytest.raises(failure), turns.taken(ledger, "reprice") as turn:
            turn.run("SELECT 1", {})
    assert turns._last(ledger).at_work is not over
