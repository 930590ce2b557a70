"""`spanledger close`, `verify` and `statement`, as an operator runs them on a ledger that other programs use too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import ledger
from spanledger_billing.cli import app
from spanledger_billing.close import freezing
from spanledger_billing.close.closing import close as close_month
from spanledger_billing.close.verifying import verify
from support.applied import apply
from support.closing import TERMS, store
from support.rolled_up import by_hand
from support.stored_calls import call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spanledger_billing import up

HEAD = re.compile(r"^head ([0-9a-f]{64}) \(close (\d+)\)$", re.MULTILINE)
REMEDY = "spanledger prices check --month 2026-06 --client acme names the models and what to run for each"
NASTY = 'Søren "O\'Neill" <b> =1+1 🚀 שלום'


@pytest.fixture(scope="module")
def served(stack: up.Stack) -> Iterator[Any]:
    """A ledger of the module's own behind the endpoint, where the command line finds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPANLEDGER_METRICS_URL", raising=False)
        patch.setenv("SPANLEDGER_CLICKHOUSE_URL", stack.clickhouse_url)
        patch.setenv("SPANLEDGER_CLICKHOUSE_USER", stack.user)
        patch.setenv("SPANLEDGER_CLICKHOUSE_PASSWORD", stack.password)
        patch.setenv("SPANLEDGER_DATABASE", "closing")
        made = run("migrate")
        assert made.exit_code == 0, made.output
        with ledger.connect() as connection:
            by_hand(connection)
            apply(connection, TERMS.replace("name: ACME", f"name: {json.dumps(NASTY, ensure_ascii=False)}"))
            store(
                connection,
                *(call(f"2026-{month:02}-10T12:00", "100") for month in range(6, 11)),
                call("2026-11-05T12:00", "0"),
            )
            yield connection


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_month_from_its_refusal_to_the_statements_that_never_change(served: Any, tmp_path: Path) -> None:
    store(served, call("2026-06-11T12:00", None), call("2026-06-12T12:00", "1", client_id=""))
    refused = run("close", "2026-06", "--client", "acme")
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[:3] == [
        "acme 2026-06: not closed",
        "  unpriced: 1 call without a price",
        f"    next: {REMEDY}",
    ]
    assert "  unattributed: 1 call within the month that name no client" in refused.stdout
    assert "head" not in refused.stdout

    drafted = run("statement", "acme", "2026-06", "--format", "json")
    assert json.loads(drafted.stdout)["status"] == "draft"

    accepting = ("--accept", "unpriced", "--accept", "unattributed")
    would = run("close", "2026-06", *accepting, "--dry-run")
    assert (
        "acme 2026-06: would be closed with 130.00 USD\n  unpriced: 1 call without a price (accepted)"
        in would.stdout
    )
    closed = run("close", "2026-06", *accepting)
    assert closed.exit_code == 0, closed.output
    assert "acme 2026-06: closed with 130.00 USD, statement 2026-06-00001\n" in closed.stdout
    assert "cobalt 2026-06: closed with 500.00 EUR, statement 2026-06-00002\n" in closed.stdout
    head = HEAD.search(closed.stdout)
    assert head is not None
    assert head[2] == "2"

    for form in ("pdf", "csv", "json"):
        written = run("statement", "2026-06", "--all", "--format", form, "-o", tmp_path / "first")
        assert written.exit_code == 0, written.output
    # What comes later changes nothing of it.
    store(served, call("2026-06-20T12:00", "40"))
    for form in ("pdf", "csv", "json"):
        run("statement", "2026-06", "--all", "--format", form, "-o", tmp_path / "second")
    first = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert sorted(first) == [
        f"{client}-2026-06.{form}" for client in ("acme", "cobalt") for form in ("csv", "json", "pdf")
    ]
    assert {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()} == first
    assert json.loads(first["acme-2026-06.json"])["client"]["name"] == NASTY
    hidden = run("statement", "acme", "2026-06", "--format", "csv", "--hide-cost").stdout
    assert "markup" not in hidden
    assert "130.00" in hidden

    again = run("close", "2026-06")
    assert (again.exit_code, again.stdout) == (
        0,
        "acme 2026-06: closed before, nothing to do\ncobalt 2026-06: closed before, nothing to do\n",
    )
    verified = run("verify", "--head", head[1])
    assert (verified.exit_code, verified.stdout) == (0, f"2 closes are as they were closed\n{head[0]}\n")
    other = run("verify", "--head", "0" * 64)
    assert other.exit_code == 1
    assert f"no close has the hash {'0' * 64}" in other.stdout


def test_of_two_programs_that_close_at_once_each_month_is_closed_by_one(served: Any) -> None:
    command = [sys.executable, "-m", "spanledger_billing.cli", "close", "2026-07"]
    programs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [program.communicate() for program in programs]
    assert [program.returncode for program in programs] == [0, 0], said
    lines = [line for out, _ in said for line in out.splitlines()]
    for client in ("acme", "cobalt"):
        (_,) = (line for line in lines if line.startswith(f"{client} 2026-07: closed with"))
        (_,) = (line for line in lines if line == f"{client} 2026-07: closed before, nothing to do")
    once(served, "2026-07")


def test_of_four_threads_that_write_their_close_at_the_same_moment_one_wins(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4, timeout=300)
    insert, waited = freezing._insert, threading.local()

    def at_once(connection: Any, into: str, *rest: Any) -> None:
        if into == "closes" and not getattr(waited, "done", False):
            waited.done = True
            together.wait()
        insert(connection, into, *rest)

    monkeypatch.setattr(freezing, "_insert", at_once)
    outcomes: list[Any] = []

    def close_it() -> None:
        with ledger.connect() as connection:
            outcomes.extend(close_month(connection, "2026-08", ["acme"]))

    threads = [threading.Thread(target=close_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.already for outcome in outcomes) == [False, True, True, True]
    once(served, "2026-08", clients=1)


def once(connection: Any, month: str, clients: int = 2) -> None:
    closes = connection.query(
        "SELECT count(), uniqExact(client_id) FROM closes WHERE month = {month:String}",
        parameters={"month": month},
    )
    assert closes.first_row == (clients, clients)
    assert verify(connection).findings == ()


def test_what_was_changed_behind_its_back_ends_verify_with_1_and_is_named(served: Any) -> None:
    assert run("close", "2026-09", "--client", "acme").exit_code == 0
    served.command(
        "ALTER TABLE closed_lines UPDATE charge = charge - 1 WHERE month = '2026-09' AND corrects = '2026-09' "
        "SETTINGS mutations_sync = 2"
    )
    verified = run("verify")
    assert verified.exit_code == 1
    assert re.search(
        r"^close \d+ \(acme 2026-09\): closed_lines, line 1 \(usage openai gpt-4o\) is not as it was closed$",
        verified.stdout,
        re.MULTILINE,
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("2026-13",), "the month is '2026-13'; allowed: YYYY-MM"),
        (("2026-10", "--client", "ghost"), "'ghost' has no month 2026-10 to close; allowed: acme, cobalt"),
        (("2026-10", "--accept", "everything"), "'everything' is no cause; allowed: unpriced, stale-prices"),
    ],
)
def test_what_cannot_be_closed_is_named_with_what_can(
    served: Any, arguments: tuple[str, ...], found: str
) -> None:
    refused = run("close", *arguments)
    assert refused.exit_code != 0
    assert found in refused.stderr
