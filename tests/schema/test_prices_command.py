"""`spanledger migrate` and `spanledger prices`: what they print, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from spanledger_billing import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spanledger_billing.up import Stack

DATABASE = "for_the_prices_command"


@pytest.fixture(scope="module")
def environment(stack: Stack) -> Iterator[dict[str, str]]:
    """Where a ledger of these tests' own is; its database is not made yet."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "SPANLEDGER_CLICKHOUSE_URL": stack.clickhouse_url,
            "SPANLEDGER_CLICKHOUSE_USER": stack.user,
            "SPANLEDGER_CLICKHOUSE_PASSWORD": stack.password,
            "SPANLEDGER_DATABASE": DATABASE,
        }.items():
            patched.setenv(name, value)
        patched.delenv("SPANLEDGER_TIMEZONE", raising=False)
        yield {}


def spanledger(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def migrated(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return spanledger("migrate")


@pytest.fixture(scope="module")
def synced(migrated: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    return spanledger("prices", "sync")


def test_migrate_makes_the_database_and_names_each_migration(
    migrated: subprocess.CompletedProcess[str],
) -> None:
    assert migrated.returncode == 0, migrated.stderr
    assert "applying 0001_otel_traces" in migrated.stderr
    again = spanledger("migrate")
    assert (again.returncode, again.stderr.strip()) == (0, "nothing to apply: the schema is up to date")


def test_sync_says_what_it_did_and_that_it_was_done_already(synced: subprocess.CompletedProcess[str]) -> None:
    assert synced.returncode == 0, synced.stderr
    assert "put in force" in synced.stderr
    with ledger.connect() as client:
        assert client.query("SELECT version FROM price_list").result_rows[0][0] in synced.stderr
    again = spanledger("prices", "sync")
    assert again.returncode == 0
    assert "in force already" in again.stderr


def test_show_gives_dated_prices_as_decimal_text(synced: subprocess.CompletedProcess[str]) -> None:
    shown = spanledger("prices", "show", "o3", "--provider", "openai", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    inputs = [p for p in json.loads(shown.stdout) if p["unit"] == "input" and not p["circumstances"]]
    assert [(p["valid_from"], p["valid_until"], p["price_usd"], p["per"]) for p in inputs] == [
        (None, "2025-06-10", "10", 1_000_000),
        ("2025-06-10", None, "2", 1_000_000),
    ]
    table = spanledger("prices", "show", "o3", "--provider", "openai")
    lines = [line.split() for line in table.stdout.splitlines()]
    assert ["openai", "o3", "input", "2025-06-10", "10", "1,000,000"] in lines
    assert ["openai", "o3", "input", "2025-06-10", "2", "1,000,000"] in lines


def test_a_model_that_the_list_does_not_know_ends_with_1(synced: subprocess.CompletedProcess[str]) -> None:
    shown = spanledger("prices", "show", "no-such-model")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "no model 'no-such-model'" in shown.stderr
