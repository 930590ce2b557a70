"""A price list takes force whole, once; what was unpriced is filled, and nothing else is touched."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices import types as types_
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from spanledger_billing import turns
from spanledger_billing.prices import lookup, published, sync
from spanledger_billing.prices.errors import PriceListError
from support.arrivals import arrival, arrive
from support.price_lists import a_list
from support.spans import deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def fill(ledger: Client) -> None:
    with turns.taken(ledger, "prices sync") as turn:
        sync.fill(turn)


def row(ledger: Client) -> Any:
    return ledger.query("SELECT cost_usd, unpriced_reason, revision, first_arrival FROM calls").result_rows[0]


def test_a_sync_prices_what_came_before_it_and_keeps_its_first_arrival(own_ledger: Client) -> None:
    deliver(own_ledger, [span()])
    cost, reason, revision, arrived = row(own_ledger)
    assert (cost, reason, revision) == (None, "no price list", 0)
    synced = sync.sync(own_ledger)
    assert (synced.imported, synced.filled, synced.unpriced) == (True, 1, 0)
    assert row(own_ledger) == (Decimal("0.0035"), "", 1, arrived)


def test_a_second_sync_changes_nothing(own_ledger: Client) -> None:
    deliver(own_ledger, [span(), span(response_model="no-such-model")])
    first = sync.sync(own_ledger)
    before = own_ledger.query("SELECT * FROM llm_calls ORDER BY trace_id, revision").result_rows
    again = sync.sync(own_ledger)
    assert (again.imported, again.filled, again.unpriced, again.version) == (False, 0, 1, first.version)
    assert own_ledger.query("SELECT * FROM llm_calls ORDER BY trace_id, revision").result_rows == before
    assert own_ledger.query("SELECT count() FROM price_imports").result_rows == [(1,)]


def test_a_duplicate_that_arrives_after_a_sync_changes_no_price(own_ledger: Client) -> None:
    call = span({"input": 1000, "output": 0})
    sync.put_in_force(own_ledger, a_list("1"))
    deliver(own_ledger, [call])
    sync.put_in_force(own_ledger, a_list("2"))
    fill(own_ledger)
    deliver(own_ledger, [call])
    assert row(own_ledger)[:3] == (Decimal("0.001"), "", 0)


def test_a_duplicate_of_a_filled_call_does_not_take_its_place(own_ledger: Client) -> None:
    call = span({"input": 1000, "output": 0})
    deliver(own_ledger, [call])
    sync.put_in_force(own_ledger, a_list("1"))
    fill(own_ledger)
    sync.put_in_force(own_ledger, a_list("2"))
    deliver(own_ledger, [call])
    assert row(own_ledger)[:3] == (Decimal("0.001"), "", 1)


def test_calls_priced_by_an_older_list_keep_their_price_and_name_it(own_ledger: Client) -> None:
    sync.put_in_force(own_ledger, a_list("1"))
    deliver(own_ledger, [span({"input": 1000, "output": 0}, client_id="early")])
    sync.put_in_force(own_ledger, a_list("2"))
    fill(own_ledger)
    deliver(own_ledger, [span({"input": 1000, "output": 0}, client_id="late")])
    rows = own_ledger.query(
        "SELECT client_id, cost_usd, price_version FROM calls ORDER BY client_id"
    ).result_rows
    assert rows == [
        ("early", Decimal("0.001"), a_list("1").version),
        ("late", Decimal("0.002"), a_list("2").version),
    ]
    assert own_ledger.query("SELECT uniqExact(version) FROM price_cards").result_rows == [(2,)]


def test_an_older_list_takes_force_again_as_it_was(own_ledger: Client) -> None:
    for price in ("1", "2", "1"):
        sync.put_in_force(own_ledger, a_list(price))
    assert sync.in_force(own_ledger) == a_list("1").version
    deliver(own_ledger, [span({"input": 1000, "output": 0})])
    assert row(own_ledger)[0] == Decimal("0.001")


def test_an_import_that_broke_off_before_its_last_row_is_not_in_force(own_ledger: Client) -> None:
    sync.put_in_force(own_ledger, a_list("1"))
    broken = a_list("2")
    for table, columns, rows in sync._tables(broken):
        own_ledger.insert(table, [(broken.version, *r) for r in rows], column_names=["version", *columns])
    deliver(own_ledger, [span({"input": 1000, "output": 0})])
    assert row(own_ledger)[0] == Decimal("0.001")
    sync.put_in_force(own_ledger, broken)
    deliver(own_ledger, [span({"input": 1000, "output": 0}, client_id="late")])
    assert own_ledger.query("SELECT cost_usd FROM calls WHERE client_id = 'late'").result_rows == [
        (Decimal("0.002"),)
    ]


def test_the_same_list_has_the_same_version_and_another_has_another() -> None:
    assert a_list("1").version == a_list("1").version
    assert len({a_list("1").version, a_list("2").version, a_list("1", "gpt-4").version}) == 3
    assert replace(a_list("1"), facts=[]).version != a_list("1").version


def test_a_missing_genai_prices_is_said_and_changes_nothing(
    own_ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.put_in_force(own_ledger, a_list("1"))
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(PriceListError, match=r"not imported.*genai-prices(.|\n)*unchanged"):
        sync.sync(own_ledger)
    assert sync.in_force(own_ledger) == a_list("1").version


@pytest.mark.parametrize(
    ("price", "complaint"),
    [
        (Decimal(-1), "from 0 to 1000000"),
        (Decimal("NaN"), "from 0 to 1000000"),
        (Decimal(1_000_001), "from 0 to 1000000"),
        (0.1, "from 0 to 1000000"),
        (Decimal("1e-19"), "more than 18 decimals"),
    ],
)
def test_an_entry_that_cannot_be_reckoned_with_is_named(price: Any, complaint: str) -> None:
    sold = types_.ModelInfo(
        id="m", match=types_.ClauseEquals(equals="m"), prices=types_.ModelPrice(input_mtok=price)
    )
    provider = types_.Provider(id="openai", name="", api_pattern="", models=[sold])
    with pytest.raises(PriceListError, match=f"openai/m: .*{complaint}"):
        published.read([provider], UnitRegistry(unit_data), "1", [])


def test_a_pattern_that_clickhouse_cannot_match_is_named() -> None:
    sold = types_.ModelInfo(id="m", match=types_.ClauseRegex(regex="(?<=x)m"), prices=types_.ModelPrice())
    provider = types_.Provider(id="openai", name="", api_pattern="", models=[sold])
    with pytest.raises(PriceListError, match="more than ClickHouse can match"):
        published.read([provider], UnitRegistry(unit_data), "1", [])


def test_the_installed_list_is_taken_over_whole() -> None:
    taken = published.installed([])
    assert {(model.owner, model.key) for model in taken.models if model.owner == model.provider} == {
        (provider.id, model.id) for provider in providers for model in provider.models
    }


def test_a_price_is_shown_dated_with_its_circumstances_and_version(ledger: Client) -> None:
    found = lookup.prices(ledger, "O3", "openai")
    shown = [
        (p.valid_from, p.valid_until, p.price_usd) for p in found if p.unit == "input" and not p.circumstances
    ]
    assert shown == [(None, date(2025, 6, 10), Decimal(10)), (date(2025, 6, 10), None, Decimal(2))]
    assert {p.version for p in found} == {sync.in_force(ledger)}
    assert {"batch", "flex", "priority"} <= {p.circumstances for p in found}


def test_a_name_that_only_a_pattern_knows_is_shown_as_it_is_priced(ledger: Client) -> None:
    found = lookup.prices(ledger, "gemini-2.5-pro-preview-99-99", "google")
    assert {p.model for p in found} == {"gemini-2.5-pro"}
    assert lookup.prices(ledger, "no-such-model") == []


def test_an_operators_fact_counts_from_the_next_sync(own_ledger: Client) -> None:
    sync.sync(own_ledger)
    deliver(own_ledger, [span(provider="my_gateway")])
    assert row(own_ledger)[1] == "provider unknown: my_gateway"
    own_ledger.insert(
        "price_facts",
        [("provider", "my_gateway", "openai", "it passes on to OpenAI at list price")],
        column_names=["kind", "subject", "value", "source"],
    )
    synced = sync.sync(own_ledger)
    assert (synced.imported, synced.filled) == (True, 1)
    assert row(own_ledger)[:2] == (Decimal("0.0035"), "")


def test_filling_tells_how_far_it_is_and_takes_every_month(own_ledger: Client) -> None:
    now = datetime.now(UTC)
    arrive(
        own_ledger,
        [
            arrival({"input": 1000}, at=now - timedelta(days=31 * n), response_model="gpt-4o")
            for n in range(4)
        ],
    )
    told: list[tuple[str, int, int]] = []
    synced = sync.sync(own_ledger, progress=lambda *step: told.append(step))
    assert synced.filled == 4
    assert ("pricing what was unpriced", 4, 4) in told
