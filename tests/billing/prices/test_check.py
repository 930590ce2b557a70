"""A check names the models without a price and the calls that a newer list prices otherwise, and what to run."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import cli
from spanledger_billing.prices import check, sync
from support.applied import closes
from support.arrivals import arrival, arrive
from support.price_lists import a_list

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from typer.testing import Result


def million(when: str, **columns: Any) -> dict[str, Any]:
    """A call whose cost in USD is the price of the list."""
    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    return arrival({"input": 1_000_000, "output": 0}, at=at, **{"response_model": "gpt-4o", **columns})


@pytest.fixture(autouse=True)
def _calls_and_a_dearer_list(ledger: Client) -> None:
    sync.put_in_force(ledger, a_list("1"))
    arrive(
        ledger,
        [
            million("2026-10-05 12:00"),
            million("2026-10-06 12:00"),
            million("2026-10-05 12:00", client_id="cobalt"),
            million("2026-09-05 12:00", client_id="cobalt"),
            million("2026-10-05 12:00", client_id=""),
            million("2026-10-07 12:00", response_model="gpt-3"),
            million("2026-10-08 12:00", response_model="gpt-3", client_id="cobalt"),
            million("2026-10-08 12:00", provider="_OTHER", host="models.kestrel.example"),
        ],
    )
    sync.put_in_force(ledger, a_list("2"))


@pytest.fixture
def run(ledger: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("spanledger_billing.ledger.connect", lambda _=None: nullcontext(ledger))
    monkeypatch.setenv("COLUMNS", "160")

    def check_by_command(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, ["prices", "check", *arguments])

    return check_by_command


def test_a_check_finds_both_kinds_by_month_and_client_with_counts_and_money(
    ledger: Client,
) -> None:
    closes(ledger, ("cobalt", "2026-09"))
    found = check.check(ledger)
    assert [(one.model, one.reason, one.calls) for one in found.unpriced] == [
        ("gpt-3", "model unknown: gpt-3", 2),
        ("gpt-4o", "host unknown: models.kestrel.example", 1),
    ]
    assert [(one.client_id, one.month, one.calls, one.difference) for one in found.stale] == [
        ("", "2026-10", 1, Decimal(1)),
        ("acme", "2026-10", 2, Decimal(2)),
        ("cobalt", "2026-09", 1, Decimal(1)),
        ("cobalt", "2026-10", 1, Decimal(1)),
    ]
    assert found.closed == {("cobalt", "2026-09")}
    assert list(check.commands(found)) == [
        "spanledger reprice --from 2026-09-01 --to 2026-09-30 --client cobalt --closed",
        "spanledger reprice --from 2026-10-01 --to 2026-10-31",
    ]


def test_a_check_of_one_client_and_month_leaves_the_others_out(ledger: Client) -> None:
    found = check.check(ledger, "2026-10", "cobalt")
    assert [(one.model, one.calls) for one in found.unpriced] == [("gpt-3", 1)]
    assert [one.of for one in found.stale] == [("cobalt", "2026-10")]
    nobody = check.check(ledger, client_id="")
    assert (nobody.unpriced, [one.of for one in nobody.stale]) == ((), [("", "2026-10")])


def test_the_command_says_what_it_found_and_what_to_run_and_ends_with_1(run: Any) -> None:
    shown = run("--month", "2026-10")
    assert shown.exit_code == 1
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "openai gpt-3 model unknown: gpt-3 2 2026-10-07 2026-10-08" in lines
    assert f"acme 2026-10 {a_list('1').version} 2 2.00 4.00 2.00" in lines
    assert "next: spanledger reprice --from 2026-10-01 --to 2026-10-31" in lines
    assert any(line.startswith("next: map the host to a provider or to prices") for line in lines)


def test_programs_get_the_same_as_json_and_csv(run: Any) -> None:
    shown = json.loads(run("--month", "2026-10", "--client", "acme", "--format", "json").stdout)
    assert shown["version"] == a_list("2").version
    assert [(one["model"], one["calls"]) for one in shown["unpriced"]] == [("gpt-4o", 1), ("gpt-3", 1)]
    (stale,) = shown["stale"]
    assert (stale["client"], stale["calls"], stale["closed"]) == ("acme", 2, False)
    assert (stale["cost_usd_now"], stale["cost_usd_then"], stale["difference_usd"]) == ("2", "4", "2")
    rows = run("--month", "2026-10", "--client", "acme", "--format", "csv").stdout.splitlines()
    assert rows[2] == "unpriced,,,openai,gpt-3,model unknown: gpt-3,1,,,"
    assert rows[-1] == f"stale,acme,2026-10,,,priced by {a_list('1').version},2,2,4,2"


def test_where_all_is_well_the_command_ends_with_0(run: Any) -> None:
    shown = run("--month", "2026-08")
    assert (shown.exit_code, shown.stdout) == (
        0,
        f"every call has a price, and it is what {a_list('2').version} says\n",
    )


def test_a_month_that_is_none_is_refused(run: Any) -> None:
    shown = run("--month", "October")
    assert shown.exit_code == 2
    assert "allowed: a month as YYYY-MM" in shown.stderr


def test_calls_that_would_lose_their_price_are_told(ledger: Client, run: Any) -> None:
    sync.put_in_force(ledger, a_list("2", model="gpt-5"))
    shown = run("--client", "acme")
    assert "2 calls would have no price any more" in shown.stdout
    assert "-2.00" in shown.stdout
