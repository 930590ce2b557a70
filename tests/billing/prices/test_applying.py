"""Overrides take force with the list, all or nothing; what was priced keeps its price, closed months are left."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import cli
from spanledger_billing.errors import InvalidInputError, RefusedError
from spanledger_billing.prices import applying, check, published, reprice, sync
from spanledger_billing.prices.trial import Days
from support.applied import closes
from support.arrivals import arrival, arrive
from support.price_lists import a_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from clickhouse_connect.driver.client import Client
    from typer.testing import Result

    from spanledger_billing.prices.overrides import Overrides

HOST = "prices:\n  - {host: gpu.example, model: '*', from: %s, source: ours, usd_per_million: {input: 3}}\n"
RATE = "prices:\n  - {provider: openai, model: gpt-4o, from: %s, source: deal, usd_per_million: {input: 2}}\n"


def million(when: str, **columns: Any) -> dict[str, Any]:
    """A call whose cost in USD is the price of a million tokens."""
    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    return arrival({"input": 1_000_000, "output": 0}, at=at, **{"response_model": "gpt-4o", **columns})


def on_gpu(when: str, **columns: Any) -> dict[str, Any]:
    return million(when, provider="_OTHER", host="GPU.example", response_model="llama", **columns)


def costs(ledger: Client) -> list[Decimal | None]:
    return [cost for (cost,) in ledger.query("SELECT cost_usd FROM calls ORDER BY call_time").result_rows]


def apply(ledger: Client, text: str, *, closed: bool = False) -> list[str]:
    change = applying.plan(ledger, text.encode())
    applying.carry_out(ledger, change, closed=closed)
    return list(change.lines)


@pytest.fixture(autouse=True)
def _a_small_list_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(_: Any, overrides: Callable[[Mapping[str, str]], Overrides] | None = None) -> Any:
        return a_list("1", overrides=overrides({"openai": "openai"}) if overrides else None)

    monkeypatch.setattr(published, "installed", installed)


def test_calls_without_a_price_get_the_one_stated_and_the_others_keep_theirs(ledger: Client) -> None:
    sync.sync(ledger)
    arrive(ledger, [million("2026-10-05 12:00"), on_gpu("2026-10-05 13:00")])
    assert costs(ledger) == [Decimal(1), None]
    both = HOST % "2026-10-01" + (RATE % "2026-10-01").removeprefix("prices:\n")
    assert apply(ledger, both) == [
        "+ host:gpu.example * from 2026-10-01: input 3 per 1,000,000 (ours)",
        "+ openai gpt-4o from 2026-10-01: input 2 per 1,000,000 (deal)",
    ]
    assert costs(ledger) == [Decimal(1), Decimal(3)]
    arrive(ledger, [million("2026-10-06 12:00"), on_gpu("2026-09-30 13:00")])
    assert costs(ledger) == [None, Decimal(1), Decimal(3), Decimal(2)]
    assert [reason for (reason,) in ledger.query("SELECT unpriced_reason FROM unpriced").result_rows] == [
        "no price at that time"
    ]
    # What was priced before changes on order only.
    assert check.stale(ledger, "2026-10") == {"acme": 1}
    reprice.carry_out(ledger, reprice.plan(ledger, Days(date(2026, 10, 1), date(2026, 10, 31))))
    assert costs(ledger) == [None, Decimal(2), Decimal(3), Decimal(2)]


def test_applying_again_changes_nothing_and_a_sync_keeps_what_is_in_force(ledger: Client) -> None:
    apply(ledger, RATE % "2026-10-01")
    assert apply(ledger, RATE % "2026-10-01") == []
    assert not sync.sync(ledger).imported
    assert ledger.query("SELECT count() FROM price_imports").first_row == (1,)
    assert sync.overrides_in_force(ledger).decode() == RATE % "2026-10-01"
    assert apply(ledger, "prices: []") == ["- openai gpt-4o from 2026-10-01: input 2 per 1,000,000 (deal)"]
    arrive(ledger, [million("2026-10-05 12:00")])
    assert costs(ledger) == [Decimal(1)]


def test_a_file_with_a_problem_changes_nothing(ledger: Client) -> None:
    apply(ledger, RATE % "2026-10-01")
    with pytest.raises(InvalidInputError, match=r"overrides.yaml:2: .*'tomorrow'"):
        apply(ledger, RATE % "tomorrow")
    assert ledger.query("SELECT count() FROM price_imports").first_row == (1,)


def test_overrides_whose_list_did_not_take_force_are_not_in_force(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.sync(ledger)
    change = applying.plan(ledger, (RATE % "2026-10-01").encode())
    insert = ledger.insert

    def breaks_off(table: str, *args: Any, **kwargs: Any) -> Any:
        if table == "price_imports":
            raise ConnectionError
        return insert(table, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "insert", breaks_off)
        with pytest.raises(ConnectionError):
            applying.carry_out(ledger, change)
    arrive(ledger, [million("2026-10-05 12:00")])
    assert (costs(ledger), sync.overrides_in_force(ledger)) == ([Decimal(1)], b"")


def test_dates_in_a_closed_month_are_refused_without_consent(ledger: Client) -> None:
    arrive(ledger, [on_gpu("2026-09-05 12:00"), on_gpu("2026-10-05 12:00")])
    closes(ledger, ("acme", "2026-09"))
    sync.sync(ledger)
    with pytest.raises(RefusedError, match=r"closed months.*acme 2026-09"):
        apply(ledger, HOST % "2026-09-30")
    assert sync.overrides_in_force(ledger) == b""
    apply(ledger, HOST % "2026-10-01")
    assert costs(ledger) == [None, Decimal(3)]
    apply(ledger, HOST % "2026-09-01", closed=True)
    assert costs(ledger) == [Decimal(3), Decimal(3)]


def test_a_sync_fills_open_months_and_is_then_refused_what_is_closed_without_consent(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_billing.ledger.connect", lambda _=None: nullcontext(ledger))
    looks = {"billing_key": "openai:resp_1", "response_id": "resp_1"}
    arrive(
        ledger,
        [
            million("2026-09-05 12:00"),
            million("2026-09-06 12:00"),
            million("2026-09-07 12:00", **looks),
            million("2026-09-05 12:00", client_id="cobalt"),
            million("2026-10-05 12:00"),
        ],
    )
    closes(ledger, ("acme", "2026-09"), ("cobalt", "2026-09"))
    for _ in range(2):
        refused = CliRunner().invoke(cli.app, ["prices", "sync"])
        assert refused.exit_code == 4
        assert (
            "were left as they are: acme 2026-09 (3), cobalt 2026-09 (1); open months are done"
            in refused.stderr
        )
        assert "next: spanledger prices sync --closed" in refused.stderr
        assert costs(ledger).count(None) == 4
    assert costs(ledger)[-1] == Decimal(1)
    consented = CliRunner().invoke(cli.app, ["prices", "sync", "--closed"])
    assert consented.exit_code == 0, consented.stderr
    assert costs(ledger) == [Decimal(1)] * 5
    assert CliRunner().invoke(cli.app, ["prices", "sync"]).exit_code == 0


def test_calls_of_a_closed_month_that_no_list_prices_refuse_nothing(ledger: Client) -> None:
    arrive(ledger, [million("2026-09-05 12:00", response_model="gpt-3")])
    closes(ledger, ("acme", "2026-09"))
    synced = sync.sync(ledger)
    assert (synced.unpriced, synced.left_closed) == (1, [])
    synced.refuse_closed()


def test_the_commands_apply_a_file_and_show_prices_with_their_source(
    ledger: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("spanledger_billing.ledger.connect", lambda _=None: nullcontext(ledger))
    monkeypatch.chdir(tmp_path)

    def prices(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, ["prices", *arguments])

    missing = prices("apply")
    assert missing.exit_code == 2
    assert "prices/overrides.yaml cannot be read" in missing.stderr
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices/overrides.yaml").write_text(RATE % "2026-10-01")
    tried = prices("apply", "--dry-run")
    assert (tried.exit_code, tried.stdout.splitlines()[1]) == (0, "nothing was changed: this was a dry run")
    assert sync.in_force(ledger) == ""
    applied = prices("apply")
    assert applied.exit_code == 0
    assert "next: spanledger prices check" in applied.stdout
    shown = json.loads(prices("show", "gpt-4o", "--format", "json").stdout)
    assert [
        (one["unit"], one["valid_from"], one["price_usd"], one["source"])
        for one in shown
        if one["unit"] in {"input", "output"}
    ] == [
        ("input", None, "1", None),
        ("output", None, "1", None),
        ("input", "2026-10-01", "2", "deal"),
        ("output", "2026-10-01", "1", None),
    ]
    assert "deal" in prices("show", "gpt-4o").stdout
