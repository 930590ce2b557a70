"""A backup, restored, is the ledger as it was; one that cannot be restored harms nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import backup, migrate, rollup
from spanledger_billing.cli import app
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError
from support import endpoint
from support.applied import SMALL, apply
from support.priced_calls import arrive, call
from support.rolled_up import by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[endpoint.Endpoint]:
    with endpoint.running(tmp_path_factory.mktemp("backed-up")) as running:
        yield running


@pytest.fixture(scope="module")
def ledger(started: endpoint.Endpoint) -> Iterator[Any]:
    client = started.client(tz_mode="aware")
    migrate.apply(client, timezone="UTC")
    by_hand(client)
    apply(client, SMALL)
    arrive(
        client,
        call("1.5", client="acme", at="2026-10-05 12:00"),
        call("2.5", client="cobalt", at="2026-11-05 12:00"),
    )
    rollup.refresh(client)
    yield client
    client.close()


def contents(ledger: Any) -> dict[str, tuple[int, int]]:
    """Table -> rows and a sum over all that stands in them. Of the roll-up what it says, not when it ran: its views
    run at once when they are restored, write again what is there and put down that they did.
    """
    tables = [
        name
        for (name,) in ledger.query(
            "SELECT name FROM system.tables WHERE database = 'test' AND (engine LIKE '%MergeTree' AND total_rows > 0 "
            "AND NOT match(name, '^(usage|rolled|kept|drift)_') OR name IN ('usage_by_day', 'usage_by_quarter_hour', 'billed_lines', 'billed_days'))"
        ).result_rows
    ]
    return {
        name: ledger.query(
            f"SELECT count(), sum(sipHash64(toString(tuple(*)))) FROM test.{name}"
        ).result_rows[0]
        for name in tables
    }


def test_restored_the_ledger_holds_what_it_held_and_takes_what_comes(ledger: Any, started: endpoint.Endpoint):
    before = contents(ledger)
    name = backup.backup(ledger, "test")
    arrive(ledger, call("9", client="acme", at="2026-10-06 12:00"))

    checked = backup.restore(ledger, "test", name, replace=True)

    assert (checked.calls, checked.closes, checked.findings) == (2, 0, ())
    assert (started.data / "backups" / name).is_dir()
    assert len(before) > 8
    assert contents(ledger) == before
    assert migrate.apply(ledger, timezone="UTC") == []
    by_hand(ledger)
    arrive(ledger, call("4", client="acme", at="2026-10-07 12:00"))
    rollup.refresh(ledger)
    assert ledger.query("SELECT count() FROM calls WHERE bills").result_rows == [(3,)]
    assert ledger.query("SELECT sum(calls) FROM usage_day FINAL").result_rows == [(3,)]


def test_a_backup_is_tried_beside_the_ledger_and_leaves_nothing(ledger: Any):
    name = backup.backup(ledger, "test", "tried")
    before = contents(ledger)

    found = backup.check(ledger, "test", name)

    assert found.calls == ledger.query("SELECT count() FROM calls WHERE bills").result_rows[0][0]
    assert contents(ledger) == before
    assert ledger.query(
        "SELECT count() FROM system.databases WHERE name = 'test_restore_check'"
    ).result_rows == [(0,)]


def test_a_backup_that_cannot_be_restored_leaves_the_ledger_as_it_is(ledger: Any, started: endpoint.Endpoint):
    name = backup.backup(ledger, "test", "damaged")
    before = contents(ledger)
    shutil.rmtree(started.data / "backups" / name / "data")

    with pytest.raises(OperatorError, match="the engine says: "):
        backup.restore(ledger, "test", name, replace=True)

    assert contents(ledger) == before


def test_a_ledger_is_given_up_by_consent_only(ledger: Any):
    name = backup.backup(ledger, "test", "not-asked-for")
    before = contents(ledger)

    with pytest.raises(
        RefusedError, match="there is a ledger in the database test\nnext: --replace gives it up"
    ):
        backup.restore(ledger, "test", name)

    assert contents(ledger) == before


def test_no_backup_is_written_over(ledger: Any):
    name = backup.backup(ledger, "test", "twice")

    with pytest.raises(InvalidInputError, match="there is a backup twice already"):
        backup.backup(ledger, "test", name)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a b", "a'b", ".hidden", "x" * 101])
def test_a_name_is_no_path_and_no_sql(ledger: Any, name: str):
    for act in (backup.backup, backup.check):
        with pytest.raises(InvalidInputError, match="is no name for a backup"):
            act(ledger, "test", name)


def test_a_backup_that_is_not_there_is_said(ledger: Any):
    with pytest.raises(InvalidInputError, match="there is no backup nowhere where the engine keeps backups"):
        backup.check(ledger, "test", "nowhere")


def test_the_commands_say_what_was_kept_and_what_to_do_next(
    ledger: Any, started: endpoint.Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPANLEDGER_DATABASE", "test")
    data = ["--data", str(started.data)]

    made = CliRunner().invoke(app, ["backup", "by-command", *data])
    tried = CliRunner().invoke(app, ["restore", "by-command", "--check", *data])
    refused = CliRunner().invoke(app, ["restore", "by-command", *data])

    assert made.stdout.startswith(
        "backed up as by-command, in backups of the data folder\nnext: copy it elsewhere"
    )
    assert tried.stdout.startswith("it holds ")
    assert "0 closed months" in tried.stdout
    assert (made.exit_code, tried.exit_code, refused.exit_code) == (0, 0, 4)
