"""A newer price list keeps a month open until it is repriced, and reaches a closed one by consent only."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import Any

import pytest

from spanledger_billing import attributing, call_filter, rollup, turns
from spanledger_billing.close.causes import Cause, Inspection, Month
from spanledger_billing.errors import RefusedError
from spanledger_billing.prices import reprice, sync
from spanledger_billing.prices.trial import Days
from support.arrivals import arrival, arrive
from support.closing import close, closed, due, store
from support.price_lists import a_list
from support.stored_calls import call

MILLION = {"input": 1_000_000, "output": 0}
OCTOBER = Days(date(2026, 10, 1), date(2026, 10, 31))


@pytest.fixture
def october(ledger_with_clients: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A call of ACME's in October that a list priced at USD 100, and one since."""
    monkeypatch.delenv("SPANLEDGER_METRICS_URL", raising=False)
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    ledger = ledger_with_clients
    sync.put_in_force(ledger, a_list("100"))
    arrive(ledger, [arrival(MILLION, at=datetime(2026, 10, 10, 12, tzinfo=UTC), response_model="gpt-4o")])
    store(ledger, call("2026-11-05T12:00", "0"))
    return ledger


def priced_again(ledger: Any, **consent: bool) -> None:
    reprice.carry_out(ledger, reprice.plan(ledger, OCTOBER, "acme"), **consent)
    rollup.refresh_usage(ledger)


def test_calls_that_the_newest_list_prices_otherwise_are_a_cause_until_they_are_repriced(
    october: Any,
) -> None:
    sync.put_in_force(october, a_list("90"))
    (cause,) = close(october, "2026-10").causes
    assert (cause.name, cause.count, cause.remedy) == (
        "stale-prices",
        1,
        "spanledger reprice --client acme --from 2026-10-01 --to 2026-10-31",
    )
    priced_again(october)
    assert str(closed(october, "2026-10").total) == "117.00 USD"


def test_repricing_a_closed_month_needs_consent_and_is_an_adjustment_once(october: Any) -> None:
    assert str(closed(october, "2026-10").total) == "130.00 USD"
    sync.put_in_force(october, a_list("90"))
    with pytest.raises(
        RefusedError, match="reaches into closed months, and nothing was changed: acme 2026-10"
    ):
        priced_again(october)
    assert due(october) == []
    priced_again(october, closed=True)
    assert due(october) == [("2026-10", "2026-11", Decimal(-13), "new prices")]
    statement = closed(october, "2026-11", accept=["month-not-over", "pipeline-behind"])
    assert str(statement.net) == "-13.00 USD"
    assert due(october) == []


@pytest.mark.parametrize("order", ["reprice", "attribute"])
def test_an_order_that_was_shown_before_a_close_does_nothing_after_it(october: Any, order: str) -> None:
    if order == "reprice":
        sync.put_in_force(october, a_list("90"))
        priced = reprice.plan(october, OCTOBER, "acme")
    else:
        store(october, call("2026-10-12T12:00", "5", client_id=""))
        given = attributing.plan(october, call_filter.read(["unattributed"]), "acme")
    closed(october, "2026-10", accept=["stale-prices", "unattributed"])
    refused = "closed since this looked, and nothing was changed: acme 2026-10"
    with pytest.raises(RefusedError, match=refused):
        reprice.carry_out(october, priced) if order == "reprice" else attributing.carry_out(october, given)
    rollup.refresh_usage(october)
    assert due(october) == []


def test_a_close_waits_for_no_repricing_and_freezes_none_half_done(
    october: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        turns.taken(october, "reprice"),
        pytest.raises(RefusedError, match=r"spanledger reprice .* is at work on the calls"),
    ):
        close(october, "2026-10")
    looks = Inspection.causes

    def while_prices_change(self: Inspection, month: Month) -> list[Cause]:
        found = looks(self, month)
        sync.put_in_force(october, a_list("90"))
        priced_again(october)
        return found

    monkeypatch.setattr(Inspection, "causes", while_prices_change)
    with pytest.raises(RefusedError, match=r"spanledger reprice .* came in between"):
        close(october, "2026-10")
    monkeypatch.undo()
    assert str(closed(october, "2026-10").total) == "117.00 USD"


def test_pricing_what_a_closed_month_left_unpriced_needs_consent_and_is_an_adjustment(october: Any) -> None:
    arrive(october, [arrival(MILLION, at=datetime(2026, 10, 11, tzinfo=UTC), response_model="o3")])
    rollup.refresh_usage(october)
    assert str(closed(october, "2026-10", accept=["unpriced"]).total) == "130.00 USD"
    priced = a_list("10", model="o3")
    left = sync.take_over(october, priced)
    assert [(one.of, one.calls) for one in left.left_closed] == [(("acme", "2026-10"), 1)]
    with pytest.raises(RefusedError, match=r"left as they are: acme 2026-10 \(1\); open months"):
        left.refuse_closed()
    rollup.refresh_usage(october)
    assert due(october) == []
    assert not sync.take_over(october, priced, closed=True).left_closed
    rollup.refresh_usage(october)
    assert due(october) == [("2026-10", "2026-11", Decimal(13), "new prices")]
