"""The comparison that the fault program ends with finds each way for a ledger to differ from the books."""

from decimal import Decimal
from typing import Any

import pytest

from faults import books

BOOKS: dict[str, books.Call] = {
    "a": ("acme", "gpt", {"input": Decimal(10), "output": Decimal(2)}),
    "b": ("bolt", "gpt", {"input": Decimal(5)}),
}


def row(response_id: str, **otherwise: Any) -> tuple[Any, ...]:
    client_id, model, units = BOOKS.get(response_id, ("acme", "gpt", {}))
    told = {"client_id": client_id, "model": model, "units": units, "incomplete": ""} | otherwise
    return (response_id, *told.values())


def test_a_ledger_that_is_as_the_books_are_differs_in_nothing():
    assert not books.compare([row("a"), row("b")], BOOKS, {"a", "b"})


def test_a_call_whose_app_was_killed_before_its_end_may_be_missing_and_no_other_may():
    assert not books.compare([row("a")], BOOKS, {"a"})
    assert books.compare([row("a")], BOOKS, {"a", "b"}).lost == {"b"}


@pytest.mark.parametrize(
    "otherwise",
    [
        {"client_id": "bolt"},
        {"model": "other"},
        {"units": {"input": Decimal(10), "output": Decimal(1)}},
        {"units": {"input": Decimal(10)}},
        {"incomplete": "cut short"},
    ],
    ids=str,
)
def test_a_call_that_is_not_as_it_was_counts_as_lost_finished_or_not(otherwise: dict[str, Any]):
    for finished in ({"a", "b"}, {"b"}):
        assert books.compare([row("a", **otherwise), row("b")], BOOKS, finished).lost == {"a"}


def test_a_call_that_counts_twice_is_found_and_one_that_is_in_no_book():
    assert books.compare([row("a"), row("a"), row("b")], BOOKS, {"a", "b"}).twice == {"a"}
    assert books.compare([row("a"), row("b"), row("c")], BOOKS, {"a", "b"}).twice == {"c"}
