"""`clients apply` takes a file into the ledger: all of it or nothing, dated, and only with consent."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from spanledger_billing.clients import applying, calendars, tables
from spanledger_billing.clients.differences import differences
from spanledger_billing.clients.reading import read
from spanledger_billing.clients.writing import write
from spanledger_billing.errors import InvalidInputError, RefusedError
from support.applied import ACME_ALONE, SMALL, apply, in_force
from support.rosters import rosters
from support.stack import client_of

# The tests' ledger has its days in UTC.
EXAMPLE = (
    Path("schema/clients.example.yaml")
    .read_bytes()
    .replace(b"timezone: America/New_York\n  address", b"address")
)


def counts(ledger: Any) -> dict[str, int]:
    names = ("client_versions", "clients", "terms", "budgets", "exchange_rates", "client_days")
    return {name: ledger.query(f"SELECT count() FROM {name}").first_row[0] for name in names}


def test_what_was_applied_is_read_back_to_the_last_digit(ledger):
    apply(ledger, EXAMPLE)
    assert in_force(ledger) == read(EXAMPLE)


def test_the_same_file_applied_again_changes_nothing(ledger):
    apply(ledger, EXAMPLE)
    before = counts(ledger)
    assert apply(ledger, EXAMPLE + b"\n# a comment more\n") == []
    assert counts(ledger) == before


def test_a_version_keeps_what_was_in_force_before_and_when_it_came(ledger):
    apply(ledger, SMALL)
    apply(ledger, SMALL.replace("markup_percent: 30", "markup_percent: 25"))
    history = ledger.query(
        "SELECT version, applied_at, toFloat64(tiers[1].2) FROM terms "
        "JOIN client_versions USING (apply_id) WHERE client_id = 'acme' ORDER BY version"
    ).result_rows
    assert [(version, markup) for version, _, markup in history] == [(1, 30), (2, 25)]
    assert history[0][1] < history[1][1]


def test_the_difference_says_what_is_added_changed_and_ended(ledger):
    assert apply(ledger, SMALL) == [
        "+ agency Meridian",
        "+ exchange rate of EUR from 2026-01-01: 0.9 per USD (ECB)",
        "+ client acme (ACME)",
        "  + terms from 2026-01-01",
        "    + plan: cost + 30 %",
        "    + currency: USD",
        "    + timezone: America/New_York",
        "    + statements: with cost and markup",
        "    + incomplete tolerance: 1 %",
        "+ client cobalt (Cobalt)",
        "  + terms from 2026-01-01",
        "    + plan: 500 EUR for all usage",
        "    + currency: EUR",
        "    + timezone: Europe/Berlin",
        "    + statements: with cost and markup",
        "    + incomplete tolerance: 1 %",
    ]
    changed = SMALL.replace("name: ACME", "name: ACME Corp").replace(
        "- {from: 2026-01-01, plan: {markup_percent: 30}}",
        "- {from: 2026-01-01, plan: {markup_percent: 30, minimum: 100}}\n"
        "      - {from: 2026-10-16, plan: {markup_percent: 25}, budget: {amount: 1000}}",
    )
    changed = changed.replace("plan: {flat_fee: 500}", "plan: {flat_fee: 500}, until: 2026-12-01")
    assert apply(ledger, changed) == [
        "~ client acme",
        "  ~ name: ACME → ACME Corp",
        "  ~ terms from 2026-01-01",
        "    ~ plan: cost + 30 % → cost + 30 %, at least 100 USD",
        "  + terms from 2026-10-16",
        "    + plan: cost + 25 %",
        "    + budget: 1,000 USD of charge, alerts at 80, 100 %",
        "~ client cobalt",
        "  ~ terms from 2026-01-01",
        "    ~ until: none → 2026-12-01",
    ]


def test_what_ends_is_shown_as_removed(ledger):
    longer = SMALL.replace(
        "plan: {markup_percent: 30}}",
        "plan: {markup_percent: 30}}\n      - {from: 2026-05-01, hide_cost: true}",
    ).replace("clients:", "  - {currency: JPY, from: 2026-01-01, units_per_usd: 150, source: BOJ}\nclients:")
    apply(ledger, longer)
    assert apply(ledger, SMALL) == [
        "- exchange rate of JPY from 2026-01-01: 150 per USD (BOJ)",
        "~ client acme",
        "  - terms from 2026-05-01: cost + 30 %",
    ]


@given(rosters(), rosters())
@settings(deadline=None, max_examples=50)
def test_a_difference_is_empty_only_where_nothing_differs(old, new):
    assert (differences(old, new) == []) == (old == new)
    assert differences(old, old) == []


@given(roster=rosters())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_roster_is_read_back_from_the_ledger_as_it_was_applied(ledger, roster):
    tables.write(ledger, roster, version=tables.current(ledger).number + 1, file_sha256="0" * 64)
    assert in_force(ledger) == roster


class LedgerGoneError(Exception):
    pass


class Breaking:
    """A ledger that goes away at its nth insert."""

    def __init__(self, ledger: Any, inserts: int) -> None:
        self.ledger = ledger
        self.inserts = inserts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def insert(self, *args: Any, **options: Any) -> Any:
        self.inserts -= 1
        if self.inserts < 0:
            raise LedgerGoneError
        return self.ledger.insert(*args, **options)


def test_an_apply_that_breaks_off_leaves_what_was_in_force_wherever_it_does(ledger):
    apply(ledger, SMALL)
    views = ("current_terms", "current_clients", "current_exchange_rates", "current_budgets", "local_days")
    before = {view: ledger.query(f"SELECT * FROM {view} ORDER BY ALL").result_rows for view in views}
    ledger.command("TRUNCATE TABLE client_days")
    calendars.extend_all(ledger)
    before = {view: ledger.query(f"SELECT * FROM {view} ORDER BY ALL").result_rows for view in views}
    with pytest.raises(LedgerGoneError):
        apply(Breaking(ledger, 0), EXAMPLE, remove=["cobalt"])
    calendars.extend(ledger, [client.zones for client in read(EXAMPLE)])
    for inserts in range(6):  # agency, clients, terms, budgets, rates, and what makes them visible
        with pytest.raises(LedgerGoneError):
            apply(Breaking(ledger, inserts), EXAMPLE, remove=["cobalt"])
        after = {view: ledger.query(f"SELECT * FROM {view} ORDER BY ALL").result_rows for view in views}
        assert after == before
    apply(Breaking(ledger, 6), EXAMPLE, remove=["cobalt"])
    assert in_force(ledger) == read(EXAMPLE)


def test_of_two_applies_at_once_one_is_refused_and_nothing_of_it_is_seen(ledger):
    first = SMALL.encode()
    second = SMALL.replace("markup_percent: 30", "markup_percent: 99").encode()
    one = applying.plan(ledger, read(first), first)
    other = applying.plan(ledger, read(second), second)
    applying.carry_out(ledger, one)
    with pytest.raises(RefusedError) as refused:
        applying.carry_out(ledger, other)
    assert "another apply became version 1 of clients and terms first" in str(refused.value)
    assert in_force(ledger) == read(first)
    assert apply(ledger, second)
    assert in_force(ledger) == read(second)


def test_of_many_applies_at_the_same_moment_exactly_one_wins(ledger, stack):
    files = [SMALL.replace("markup_percent: 30", f"markup_percent: {markup}").encode() for markup in range(6)]
    changes = [applying.plan(ledger, read(content), content) for content in files]
    won: list[int] = []
    ready = threading.Barrier(len(files))

    def carry_out(position: int) -> None:
        with contextlib.closing(client_of(stack, database=ledger.database)) as connection:
            ready.wait()
            with contextlib.suppress(RefusedError):
                applying.carry_out(connection, changes[position])
                won.append(position)

    threads = [threading.Thread(target=carry_out, args=(position,)) for position in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert in_force(ledger) == read(files[won[0]])
    assert counts(ledger)["client_versions"] == 1


def test_a_client_left_out_of_the_file_is_not_forgotten_in_silence(ledger):
    apply(ledger, SMALL)
    with pytest.raises(RefusedError) as refused:
        apply(ledger, ACME_ALONE)
    assert "under terms, but not in the file: cobalt" in str(refused.value)
    assert "--remove cobalt" in str(refused.value)
    assert in_force(ledger) == read(SMALL.encode())


def test_a_client_is_taken_out_by_name_and_its_past_versions_stay(ledger):
    apply(ledger, SMALL)
    assert apply(ledger, ACME_ALONE, remove=["cobalt"]) == ["- client cobalt (Cobalt)"]
    assert ledger.query("SELECT client_id FROM current_clients").result_rows == [("acme",)]
    assert ledger.query("SELECT count() FROM terms WHERE client_id = 'cobalt'").first_row == (1,)
    assert apply(ledger, ACME_ALONE, remove=["cobalt"]) == []


def test_a_client_that_stands_in_the_file_cannot_be_taken_out(ledger):
    with pytest.raises(InvalidInputError) as refused:
        apply(ledger, SMALL, remove=["acme"])
    assert "--remove names 'acme', who stands in the file" in str(refused.value)


def test_an_agencys_zone_other_than_the_ledgers_is_refused(ledger):
    with pytest.raises(InvalidInputError) as refused:
        apply(ledger, SMALL.replace("{name: Meridian}", "{name: Meridian, timezone: Asia/Tokyo}"))
    assert "the agency's timezone is Asia/Tokyo in the file, and the ledger's days are in UTC" in str(
        refused.value
    )
    assert "SPANLEDGER_TIMEZONE=Asia/Tokyo spanledger migrate" in str(refused.value)


def test_the_largest_figures_that_the_file_takes_come_back_from_the_ledger(ledger):
    plan = (
        "{fixed_fee: 100000000000, minimum: 100000000000, tiers: [{from_cost_usd: 0, markup_percent: 1000},"
        " {from_cost_usd: 99999999999.999999, markup_percent: 999.9999}],"
        " overrides: [{unit: output, markup_percent: 1000}]}"
    )
    content = SMALL.replace("{markup_percent: 30}", plan).replace("0.9", "9999999.9999999999")
    content = content.replace(
        "currency: USD", "currency: USD\n    budget: {amount: 99999999999.999999, basis: cost}"
    )
    apply(ledger, content)
    assert in_force(ledger) == read(content.encode())


def test_a_file_that_the_ledger_gives_back_applies_as_nothing_new(ledger):
    apply(ledger, EXAMPLE)
    assert apply(ledger, write(in_force(ledger))) == []
