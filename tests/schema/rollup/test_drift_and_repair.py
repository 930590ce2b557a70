"""Where the ledger disagrees with itself it says so, and `repair` mends it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import ledger as connection
from spanledger_billing import rollup
from spanledger_billing.cli import app
from spanledger_billing.cli.repair import report
from spanledger_billing.doctor import rolled_up
from spanledger_billing.doctor.report import State
from support.applied import closes
from support.priced_calls import arrive, call, utc
from support.rolled_up import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = utc("2026-03-27 12:00")


@pytest.fixture
def rolled(ledger: Any) -> Any:
    """Three calls, rolled up long enough ago that nothing is looked at again."""
    arrive(
        ledger,
        call("5", client="acme", at=BEGIN),
        call("7", client="acme", at=BEGIN + timedelta(days=1)),
        call("11", client="cobalt", at=BEGIN + timedelta(days=1)),
    )
    rollup.refresh(ledger)
    settle(ledger)
    return ledger


def total(ledger: Any) -> Decimal:
    return ledger.query("SELECT sum(d.cost_usd) FROM usage_day AS d FINAL").first_row[0]


def damage(ledger: Any, statement: str) -> None:
    ledger.command(f"{statement} SETTINGS mutations_sync = 2")


def test_a_ledger_at_one_with_itself_has_no_drift_and_is_left_as_it_is(rolled: Any) -> None:
    assert not rollup.drift(rolled)
    done = rollup.repair(rolled)
    assert (done.fed_again, done.days) == (0, ())
    assert list(report(done, dry_run=False)) == ["spans, calls and roll-up agree"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE usage_day DELETE WHERE client_id = 'acme' AND day = '2026-03-28'",
        "ALTER TABLE usage_day UPDATE cost_usd = 8 WHERE client_id = 'acme' AND day = '2026-03-28'",
        "ALTER TABLE usage_day UPDATE units = map('input', 1) WHERE client_id = 'acme' AND day = '2026-03-28'",
        "ALTER TABLE usage_day UPDATE incomplete = map('cut short', 1) WHERE client_id = 'acme' AND day = '2026-03-28'",
    ],
)
def test_a_row_of_the_rollup_that_is_not_what_the_calls_add_up_to_is_found_and_mended(
    rolled: Any, statement: str
) -> None:
    damage(rolled, statement)
    found = rollup.drift(rolled)
    assert [(row.client_id, row.day) for row in found.rollup] == [("acme", date(2026, 3, 28))]
    looked = rollup.repair(rolled, dry_run=True)
    assert list(report(looked, dry_run=True)) == [
        "1 days whose roll-up is not what their calls add up to: would be rolled up again: 2026-03-28"
    ]
    assert rollup.drift(rolled) == found
    done = rollup.repair(rolled)
    assert (done.days, done.remaining) == ((date(2026, 3, 28),), rollup.Drift())
    assert total(rolled) == 23


def test_a_row_that_no_call_stands_behind_is_found_and_taken_away(rolled: Any) -> None:
    rolled.command(
        "INSERT INTO usage_day SELECT * REPLACE ('nobody' AS client_id, toDate('2026-03-09') AS day) "
        "FROM (SELECT * FROM usage_day FINAL WHERE client_id = 'cobalt')"
    )
    assert [
        (row.client_id, row.calls_in_rows, row.calls_in_rollup) for row in rollup.drift(rolled).rollup
    ] == [("nobody", 0, 1)]
    rollup.repair(rolled)
    assert not rollup.drift(rolled)
    assert total(rolled) == 23


def test_a_span_that_no_call_stands_for_is_found_and_fed_again(ledger: Any) -> None:
    # Of these days, since raw spans are kept for two weeks only.
    lately = datetime.now(UTC) - timedelta(hours=2)
    arrive(ledger, call("5", client="acme", at=lately), call("11", client="cobalt", at=lately))
    damage(ledger, "ALTER TABLE llm_calls DELETE WHERE client_id = 'cobalt'")
    found = rollup.drift(ledger)
    assert [missing.client_id for missing in found.rows] == ["cobalt"]
    looked = rollup.repair(ledger, dry_run=True)
    assert next(report(looked, dry_run=True)) == "1 call missing that spans arrived for: would be fed again"
    done = rollup.repair(ledger)
    assert (done.fed_again, done.remaining) == (1, rollup.Drift())
    assert ledger.query("SELECT client_id, cost_usd FROM calls WHERE client_id = 'cobalt'").result_rows == [
        ("cobalt", Decimal(11))
    ]
    assert total(ledger) == 16


def test_a_mark_that_got_lost_is_found_and_mended(rolled: Any) -> None:
    rolled.command("DETACH TABLE touched_quarters_mv")
    arrive(rolled, call("13", client="acme", at=BEGIN))
    rolled.command("ATTACH TABLE touched_quarters_mv")
    rollup.refresh(rolled)
    assert total(rolled) == 23
    done = rollup.repair(rolled)
    assert (done.days, done.remaining) == ((date(2026, 3, 27),), rollup.Drift())
    assert total(rolled) == 36


def test_closed_months_are_left_alone_without_consent(rolled: Any) -> None:
    closes(rolled, ("acme", "2026-03"))
    damage(rolled, "ALTER TABLE usage_day DELETE WHERE client_id = 'acme' AND day = '2026-03-28'")
    done = rollup.repair(rolled)
    assert (done.days, [row.client_id for row in done.left_alone]) == ((), ["acme"])
    assert list(report(done, dry_run=False))[:2] == [
        "left alone, since closed: acme 2026-03",
        "next: spanledger repair --closed, which makes adjustments of what it changes",
    ]
    assert not rollup.repair(rolled, closed=True).remaining
    assert total(rolled) == 23


@contextmanager
def _open(ledger: Any) -> Iterator[Any]:
    yield ledger


def test_the_command_ends_with_1_while_something_is_wrong_and_with_0_once_it_is_mended(
    rolled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "connect", lambda *_: _open(rolled))
    damage(rolled, "ALTER TABLE usage_day DELETE WHERE client_id = 'acme' AND day = '2026-03-28'")
    found, mended, well = (
        CliRunner().invoke(app, ["repair", *options]) for options in (["--dry-run"], [], ["--dry-run"])
    )
    assert (found.exit_code, mended.exit_code, well.exit_code) == (1, 0, 0)
    assert "would be rolled up again: 2026-03-28" in found.stdout
    assert mended.stdout.endswith("spans, calls and roll-up agree now\n")
    assert well.stdout == "spans, calls and roll-up agree\n"


def test_doctor_says_what_the_ledgers_own_check_found_and_how_far_the_rollup_is_behind(rolled: Any) -> None:
    def told() -> list[tuple[str, State, str, str]]:
        return [
            (check.subject, check.state, check.found, check.next_step) for check in rolled_up.checks(rolled)
        ]

    assert [state for _, state, *_ in told()] == [State.OK, State.OK]
    damage(rolled, "ALTER TABLE usage_day DELETE WHERE client_id = 'acme' AND day = '2026-03-28'")
    rolled.command("SYSTEM REFRESH VIEW drift_checks_mv")
    rolled.command("SYSTEM WAIT VIEW drift_checks_mv")
    _, (name, state, found, next_step) = told()
    assert (name, state, next_step) == ("drift", State.PROBLEM, "spanledger repair")
    assert found.startswith("1 rows of the roll-up are not what their calls add up to; checked on 20")
    rolled.command(
        "INSERT INTO touched_quarters SELECT quarter, hour, now64(3, 'UTC') - INTERVAL 400 SECOND FROM touched_quarters"
    )
    rolled.command("TRUNCATE TABLE rolled_quarters")
    (name, state, found, _), _ = told()
    assert (name, state) == ("lag", State.PROBLEM)
    assert found.startswith("2 quarter-hours, 0 days and the charges of 0 months wait, the first for ")
