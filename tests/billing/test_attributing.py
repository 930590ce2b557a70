"""Calls that nobody pays for are given to a client on order; nobody else's are, and the order is recorded."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import attributing, call_filter, cli, rollup
from spanledger_billing.errors import InvalidInputError, RefusedError
from spanledger_billing.prices import sync
from support.applied import closes
from support.arrivals import arrival, arrive
from support.price_lists import a_list

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def call(when: str, claimed: str, **columns: Any) -> dict[str, Any]:
    """A call whose cost in USD is the price of the list."""
    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    about = {"response_model": "gpt-4o", "claimed_client_id": claimed, "client_id": claimed, **columns}
    return arrival({"input": 1_000_000, "output": 0}, at=at, **about)


@pytest.fixture
def ledger(ledger_with_clients: Client) -> Client:
    sync.put_in_force(ledger_with_clients, a_list("1"))
    return ledger_with_clients


def attribute(ledger: Client, *words: str, to: str = "acme", closed: bool = False) -> int:
    plan = attributing.plan(ledger, call_filter.read(words), to)
    attributing.carry_out(ledger, plan, closed=closed)
    return plan.calls


def payers(ledger: Client) -> list[tuple[str, str, str]]:
    return [
        (str(claimed), str(client), str(state))
        for claimed, client, state in ledger.query(
            "SELECT claimed_client_id, client_id, client_state FROM calls ORDER BY call_time"
        ).result_rows
    ]


def test_only_what_nobody_pays_for_moves_and_a_second_order_finds_nothing(ledger: Client) -> None:
    arrive(
        ledger,
        [
            call("2026-10-05 12:00", ""),
            call("2026-10-05 13:00", "acme-corp"),
            call("2026-10-05 14:00", "cobalt"),
            call("2026-10-05 15:00", "acme-corp"),
        ],
    )
    sync.put_in_force(ledger, a_list("2"))
    before = ledger.query("SELECT cost_usd, price_version, first_arrival FROM calls ORDER BY call_time")
    assert attribute(ledger, "client=acme-corp") == 2
    assert attribute(ledger, "client=acme-corp") == 0
    assert attribute(ledger, "client=cobalt") == 0
    assert payers(ledger) == [
        ("", "", "unattributed"),
        ("acme-corp", "acme", "known"),
        ("cobalt", "cobalt", "known"),
        ("acme-corp", "acme", "known"),
    ]
    after = ledger.query("SELECT cost_usd, price_version, first_arrival FROM calls ORDER BY call_time")
    assert after.result_rows == before.result_rows
    assert ledger.query("SELECT count() FROM attributions FINAL").first_row == (1,)


def test_calls_that_come_later_are_not_moved_and_a_duplicate_takes_nothing_back(ledger: Client) -> None:
    moved = call("2026-10-05 12:00", "")
    arrive(ledger, [moved])
    attribute(ledger, "unattributed")
    arrive(ledger, [moved, call("2026-10-05 13:00", "")])
    assert payers(ledger) == [("", "acme", "known"), ("", "", "unattributed")]


def test_the_roll_up_follows(ledger: Client) -> None:
    arrive(ledger, [call("2026-10-05 12:00", ""), call("2026-10-05 12:01", "nobody")])
    rollup.refresh_usage(ledger)
    attribute(ledger, "unknown")
    rollup.refresh_usage(ledger)
    assert ledger.query(
        "SELECT client_id, client_state, calls, cost_usd FROM usage_day FINAL ORDER BY client_id"
    ).result_rows == [("", "unattributed", 1, Decimal(1)), ("acme", "known", 1, Decimal(1))]
    assert not rollup.drift(ledger).rollup


WORDS = {
    "project=seo": {"project": "seo"},
    "project=": {"project": ""},
    "app=bot": {"service": "bot"},
    "provider=openai": {"provider": "openai"},
    "model=gpt-4o": {"response_model": "gpt-4o"},
    "label:team=search": {"labels": {"team": "search"}},
    "trace=abc": {"trace_id": "abc"},
}
OTHER = {
    "project": "other",
    "service": "other",
    "provider": "anthropic",
    "response_model": "other",
    "labels": {"team": "other"},
    "trace_id": "def",
}


def test_each_word_of_a_filter_chooses_by_what_it_names(ledger: Client) -> None:
    arrive(
        ledger,
        [
            *(call("2026-10-05 12:00", "", **OTHER | columns) for columns in WORDS.values()),
            *(call("2026-10-05 13:00", "nobody", **OTHER | columns) for columns in WORDS.values()),
        ],
    )
    chosen = {
        word: attributing.plan(ledger, call_filter.read(["unattributed", word]), "acme").calls
        for word in WORDS
    }
    assert chosen == dict.fromkeys(WORDS, 1)


def test_days_are_those_of_who_is_to_pay_and_both_are_included(ledger: Client) -> None:
    # New York is four hours behind in October.
    times = ("2026-10-05 03:59", "2026-10-05 04:00", "2026-10-07 03:59", "2026-10-07 04:00")
    arrive(ledger, [call(when, "") for when in times])
    attribute(ledger, "unattributed", "since=2026-10-05", "until=2026-10-06")
    assert [client for _, client, _ in payers(ledger)] == ["", "acme", "acme", ""]


def test_all_looks_at_a_response_move_together(ledger: Client) -> None:
    looks = {"billing_key": "openai:resp_1", "response_id": "resp_1"}
    arrive(
        ledger,
        [
            call("2026-10-05 12:00", "", **looks, billable="pending", usage_found=False),
            call("2026-10-05 12:10", "", **looks),
        ],
    )
    assert attribute(ledger, "unattributed") == 1
    assert payers(ledger) == [("", "acme", "known")]
    assert ledger.query("SELECT DISTINCT client_id FROM llm_calls FINAL").result_rows == [("acme",)]


def test_calls_before_the_terms_of_who_is_to_pay_are_refused_and_nothing_changes(ledger: Client) -> None:
    arrive(ledger, [call("2025-12-31 12:00", ""), call("2026-01-05 12:00", "")])
    with pytest.raises(RefusedError, match=r"no terms when 1 of these calls .* 2025-12-31") as refused:
        attribute(ledger, "unattributed")
    assert "since=DAY" in str(refused.value)
    assert {client for _, client, _ in payers(ledger)} == {""}
    assert attribute(ledger, "unattributed", "since=2026-01-01") == 1


def test_a_closed_month_is_refused_without_consent(ledger: Client) -> None:
    arrive(ledger, [call("2026-10-05 12:00", "")])
    closes(ledger, ("acme", "2026-10"))
    with pytest.raises(RefusedError, match=r"closed months.*acme 2026-10"):
        attribute(ledger, "unattributed")
    assert payers(ledger) == [("", "", "unattributed")]
    assert attribute(ledger, "unattributed", closed=True) == 1
    assert payers(ledger) == [("", "acme", "known")]


def test_a_mistake_is_corrected_by_naming_whom_the_calls_were_given_to(ledger: Client) -> None:
    arrive(ledger, [call("2026-10-05 12:00", ""), call("2026-10-05 13:00", "acme")])
    attribute(ledger, "unattributed")
    closes(ledger, ("acme", "2026-10"))
    with pytest.raises(RefusedError, match=r"closed months.*acme 2026-10"):
        attribute(ledger, "attributed=acme", to="cobalt")
    assert attribute(ledger, "attributed=acme", to="cobalt", closed=True) == 1
    assert [client for _, client, _ in payers(ledger)] == ["cobalt", "acme"]


def test_an_order_is_recorded_with_who_when_which_calls_and_whose_they_were(ledger: Client) -> None:
    arrive(
        ledger, [call("2026-10-05 12:00", "acme-corp", response_model="gpt-3"), call("2026-10-06 12:00", "")]
    )
    plan = attributing.plan(ledger, call_filter.read(["since=2026-10-01"]), "acme", project="found")
    attributing.carry_out(ledger, plan)
    (row,) = ledger.query("SELECT * FROM attributions FINAL").named_results()
    assert row["finished_at"] >= row["ordered_at"]
    assert row["ordered_by"] != ""
    assert (row["filter"], row["client_id"], row["project"]) == ({"since": "2026-10-01"}, "acme", "found")
    assert (row["calls"], row["cost_usd"], row["reaches_closed"]) == (2, Decimal(1), [])
    assert [list(moved.values()) for moved in row["moved"]] == [
        ["", "", "2026-10", 1, Decimal(1)],
        ["acme-corp", "acme-corp", "2026-10", 1, None],
    ]
    assert ledger.query("SELECT DISTINCT project FROM calls").result_rows == [("found",)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "no filter says which calls"),
        (["clent=a"], "'clent=a'"),
        (["client"], "'client'"),
        (["client="], "'client='"),
        (["unattributed=yes"], "'unattributed=yes'"),
        (["label:=x"], "'label:=x'"),
        (["since=tomorrow"], "'since=tomorrow'"),
        (["since=2026-02-30"], "'since=2026-02-30'"),
        (["project=a", "project=b"], "'project' twice"),
        (["unattributed", "unknown"], "no call is both"),
    ],
)
def test_a_word_that_is_none_is_named_with_what_is_allowed(words: list[str], found: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        call_filter.read(words)
    assert found in str(refused.value)
    assert "allowed: unattributed, unknown, client=…" in str(refused.value)
    assert "next: " in str(refused.value)


def test_a_client_that_there_is_not_is_refused_with_the_nearest(ledger: Client) -> None:
    with pytest.raises(InvalidInputError, match=r"--to is 'acmee'(.|\n)*write acme, if that is meant"):
        attribute(ledger, "unattributed", to="acmee")


def test_the_command_shows_whose_calls_they_are_and_a_dry_run_changes_nothing(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(ledger, [call("2026-10-05 12:00", "acme-corp"), call("2026-10-06 12:00", "")])
    monkeypatch.setattr("spanledger_billing.ledger.connect", lambda _=None: nullcontext(ledger))

    def run(*arguments: str) -> tuple[int, list[str]]:
        result = CliRunner().invoke(cli.app, ["attribute", *arguments])
        return result.exit_code, [" ".join(line.split()) for line in result.stdout.splitlines()]

    code, lines = run("since=2026-10-01", "--to", "acme", "--dry-run")
    assert (code, lines[-1]) == (0, "nothing was changed: this was a dry run")
    assert {"(nobody) 2026-10 1 1.00", "acme-corp 2026-10 1 1.00", "total 2 2.00"} <= set(lines)
    assert run("since=2026-10-01", "--to", "acme")[1][-1] == "2 calls given to acme"
    assert run("since=2026-10-01", "--to", "acme") == (
        0,
        ["no unattributed call, and none of an unknown client, fits the filter"],
    )
