"""The demo's verdict: what the books demand of the ledger, and that no difference goes unseen."""

import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from spanledger_billing.demo import clients, day, reconcile
from spanledger_billing.demo.reconcile import CALLS, INCOMPLETE, UNBILLED, Difference, Place
from spanledger_billing.errors import OperatorError

CLIENT = clients.CLIENTS[0]


def _entry(**changes):
    entry = {
        "api_key": CLIENT.api_key,
        "provider": "openai",
        "model": "m",
        "outcome": "answered",
        "line": "",
        "units": {"input": 5, "output": 9},
        "shown": {"input": 5, "output": 9},
        "complete": True,
    }
    return entry | changes


def _expected(*entries) -> dict[str, Decimal]:
    return {place.unit: quantity for place, quantity in reconcile.tally_of_books(entries).items()}


def test_calls_of_one_client_and_model_add_up_unit_by_unit():
    assert _expected(_entry(), _entry(shown={"output": 1})) == {CALLS: 2, "input": 5, "output": 10}


def test_of_a_call_that_was_cut_short_the_ledger_must_hold_what_was_stated_and_flag_it():
    cut = _entry(shown={"input": 5, "output": 2}, complete=False)
    assert _expected(cut) == {CALLS: 1, INCOMPLETE: 1, "input": 5, "output": 2}


def test_of_a_call_whose_usage_was_never_stated_the_ledger_must_hold_no_quantity_and_flag_it():
    assert _expected(_entry(shown=None)) == {CALLS: 1, INCOMPLETE: 1}


@pytest.mark.parametrize("outcome", ["refused", "failed", "free"])
def test_an_exchange_that_no_provider_bills_is_counted_apart(outcome):
    assert _expected(_entry(outcome=outcome, shown=None, complete=False)) == {UNBILLED: 1}


def test_a_further_models_line_has_units_and_is_no_call():
    assert _expected(_entry(line="advisor_message")) == {"input": 5, "output": 9}


def test_what_nobody_said_a_client_for_is_expected_under_no_name():
    (place, *_) = reconcile.tally_of_books([_entry(api_key=clients.HOUSE_KEY)])
    assert place.client_id == ""


def test_a_figure_that_is_missing_on_either_side_is_a_difference():
    here, there = Place("a", "openai", "m", "input"), Place("a", "openai", "m", "output")
    found = reconcile.differences({here: Decimal(1)}, {there: Decimal(2)})
    assert found == [Difference(here, Decimal(1), Decimal(0)), Difference(there, Decimal(0), Decimal(2))]


def test_without_the_sdks_the_demo_names_the_line_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(OperatorError, match="openai") as caught:
        day.require_sdks()
    assert caught.value.next_step == "pip install openai anthropic google-genai"


class Ledger:
    """Answers each look with the next of its contents, then with the last."""

    def __init__(self, *contents: dict[Place, Decimal]) -> None:
        self.looks = 0
        self._contents = contents

    def query(self, _text, parameters):
        content = self._contents[min(self.looks, len(self._contents) - 1)]
        self.looks += 1
        rows = [
            (place.client_id, place.provider, "", place.model, 0, 0, 0, {place.unit: quantity})
            for place, quantity in content.items()
        ]
        return type("Result", (), {"result_rows": rows})


def _place(client_id: str) -> Place:
    return Place(client_id, "openai", "m", "input")


def _waited_for(ledger: Ledger, seconds: float) -> list[Difference]:
    books = {_place("acme"): Decimal(5), _place("beta"): Decimal(7)}
    return reconcile.wait_until_they_agree(ledger, books, datetime.now(UTC), seconds)


def test_calls_that_are_still_on_their_way_are_waited_for():
    ledger = Ledger(
        {}, {_place("acme"): Decimal(5)}, {_place("acme"): Decimal(5), _place("beta"): Decimal(7)}
    )
    assert _waited_for(ledger, 60) == []
    assert ledger.looks == 3


def test_calls_that_came_and_are_somebody_elses_are_not_waited_for():
    ledger = Ledger({_place("acme"): Decimal(5)}, {_place("acme"): Decimal(5), _place(""): Decimal(7)})
    assert _waited_for(ledger, 60) == [
        Difference(_place(""), Decimal(0), Decimal(7)),
        Difference(_place("beta"), Decimal(7), Decimal(0)),
    ]
    assert ledger.looks == 2


def test_calls_that_do_not_come_are_told_when_the_time_is_over():
    assert _waited_for(Ledger({_place("acme"): Decimal(5)}), 0.3) == [
        Difference(_place("beta"), Decimal(7), Decimal(0))
    ]
