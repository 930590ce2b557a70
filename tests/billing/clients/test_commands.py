"""`spanledger clients apply|list|show|export`, as an operator and a script see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spanledger_billing.cli import app
from spanledger_billing.clients.reading import read
from support.applied import closes

EXAMPLE = (
    Path("schema/clients.example.yaml")
    .read_text()
    .replace("  timezone: America/New_York\n  address", "  address")
)

pytestmark = pytest.mark.usefixtures("reached_by_command_line")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clients.yaml"
    path.write_text(EXAMPLE)
    return path


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["clients", *map(str, arguments)])


def test_a_dry_run_shows_the_difference_and_changes_nothing(file):
    shown = run("apply", file, "--dry-run")
    assert shown.exit_code == 0
    assert "+ client cobalt-legal (Cobalt Legal)\n" in shown.stdout
    assert "        + plan: 500 EUR for all usage\n" in shown.stdout
    assert shown.stdout.endswith("Nothing was changed: this was a dry run.\n")
    assert "No clients yet" in run("list").stderr


def test_an_apply_says_its_version_and_a_second_one_that_nothing_changed(file):
    assert run("apply", file).stdout.endswith("Applied as version 1.\n")
    again = run("apply", file)
    assert (again.exit_code, again.stdout) == (0, "Nothing changed.\n")
    assert run("apply", file, "--dry-run").stdout == "Nothing to change.\n"


def test_a_change_is_shown_from_what_to_what(file):
    run("apply", file)
    file.write_text(EXAMPLE.replace("name: Cobalt Legal", "name: Cobalt Legal LLP"))
    assert run("apply", file).stdout == (
        "~ client cobalt-legal\n    ~ name: Cobalt Legal → Cobalt Legal LLP\nApplied as version 2.\n"
    )


def test_a_change_says_which_months_so_far_it_changes(file):
    run("apply", file)
    file.write_text(EXAMPLE.replace("plan: {flat_fee: 500}", "plan: {flat_fee: 620.50}"))
    assert run("apply", file, "--dry-run").stdout.startswith(
        "~ client cobalt-legal\n"
        "    ~ terms from 2026-01-01\n"
        "        ~ plan: 500 EUR for all usage → 620.5 EUR for all usage\n"
        "! changes what cobalt-legal owes for 2026-01, 2026-02, 2026-03, "
    )


def test_a_file_that_is_not_allowed_ends_with_2_before_the_ledger_is_asked(file, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", "http://127.0.0.1:1")
    file.write_text(EXAMPLE.replace("Europe/Berlin", "Europe/Bonn"))
    refused = run("apply", file)
    line = EXAMPLE[: EXAMPLE.index("Europe/Berlin")].count("\n") + 1
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert f"{file}:{line}: timezone is 'Europe/Bonn'; allowed: a zone of the IANA database" in refused.stderr


def test_a_change_that_needs_consent_is_shown_and_ends_with_4(file, ledger):
    run("apply", file)
    closes(ledger, ("cobalt-legal", "2026-03"))
    file.write_text(EXAMPLE.replace("plan: {flat_fee: 500}", "plan: {flat_fee: 620.50}"))
    for options in ([], ["--dry-run"]):
        refused = run("apply", file, *options)
        assert refused.exit_code == 4
        assert "~ plan: 500 EUR for all usage → 620.5 EUR for all usage" in refused.stdout
        assert "! changes what cobalt-legal owes for 2026-03, closed\n" in refused.stdout
        assert "next: let the terms begin later; or add --closed" in refused.stderr
    assert run("apply", file, "--closed").stdout.endswith("Applied as version 2.\n")


def test_every_consent_that_is_missing_is_named_at_once(file, ledger):
    run("apply", file)
    closes(ledger, ("acme", "2026-03"))
    file.write_text("agency: {name: Meridian}\nclients: []\n")
    refused = run("apply", file)
    assert refused.exit_code == 4
    assert "under terms, but not in the file: acme, brightside-realty" in refused.stderr
    assert "reaches into closed months: acme 2026-03" in refused.stderr


def test_a_client_is_taken_out_where_it_is_named(file):
    run("apply", file)
    content = EXAMPLE.splitlines(keepends=True)
    begins = next(number for number, line in enumerate(content) if "elm-street-bakery" in line)
    file.write_text("".join(content[:begins]))
    assert run("apply", file).exit_code == 4
    assert run("apply", file, "--remove", "elm-street-bakery").stdout == (
        "- client elm-street-bakery (Elm Street Bakery)\nApplied as version 2.\n"
    )


def test_list_shows_the_clients_and_their_plans(file):
    run("apply", file)
    table = run("list").stdout
    assert [line.split("  ")[0] for line in table.splitlines()[2:7]] == [
        "acme",
        "brightside-realty",
        "cobalt-legal",
        "dune-outdoor",
        "elm-street-bakery",
    ]
    assert "75,000 JPY for 300 USD of cost, beyond it cost + 25 %" in table
    assert "cost + 40 %, 30 % from 1,000 USD, 20 % from 5,000 USD, at least 250 USD" in table


def test_programs_get_figures_as_text_to_the_last_digit(file):
    run("apply", file)
    listed = json.loads(run("list", "--format", "json").stdout)
    assert listed["version"] == 1
    assert listed["clients"][1]["terms"]["plan"] == {
        "tiers": [
            {"from_cost_usd": "0", "markup_percent": "40"},
            {"from_cost_usd": "1000", "markup_percent": "30"},
            {"from_cost_usd": "5000", "markup_percent": "20"},
        ],
        "minimum": "250",
    }
    shown = json.loads(run("show", "elm-street-bakery", "--format", "json").stdout)["client"]
    assert shown["terms"][1]["tax"] == {"name": "Sales tax", "percent": "6.25"}
    assert [stretch["from"] for stretch in shown["terms"]] == ["2026-01-01", "2026-07-01", "2026-09-01"]


def test_show_tells_all_terms_of_a_client_with_their_days(file):
    run("apply", file)
    assert run("show", "elm-street-bakery").stdout.splitlines() == [
        "elm-street-bakery  Elm Street Bakery",
        "  terms from 2026-01-01 until 2026-07-01",
        "    plan: 9,999.5 INR and cost + 20 %",
        "    currency: INR",
        "    timezone: Asia/Kolkata",
        "    statements: with cost and markup",
        "    incomplete tolerance: 0.5 %",
        "  terms from 2026-07-01 until 2026-09-01",
        "    plan: 110 USD and cost + 20 %",
        "    currency: USD",
        "    timezone: America/New_York",
        "    tax: Sales tax 6.25 %",
        "    statements: with cost and markup",
        "    incomplete tolerance: 0.5 %",
        "  terms from 2026-09-01 until 2026-12-01",
        "    plan: 110 USD and cost + 20 %",
        "    currency: USD",
        "    timezone: America/New_York",
        "    statements: with cost and markup",
        "    incomplete tolerance: 0.5 %",
    ]
    assert "    overrides: claude-opus-*: 15 %; openai image_output: 40 %; web_search: 0 %" in (
        run("show", "acme").stdout.splitlines()
    )
    assert "reference: PO 4711" in run("show", "acme").stdout


def test_a_client_that_is_not_there_ends_with_2():
    missing = run("show", "nobody")
    assert missing.exit_code == 2
    assert "there is no client 'nobody'" in missing.stderr


def test_what_is_exported_is_a_file_that_applies_as_nothing_new(file, tmp_path):
    run("apply", file)
    exported = tmp_path / "exported.yaml"
    exported.write_text(run("export").stdout)
    assert read(exported.read_bytes()) == read(EXAMPLE.encode())
    assert run("apply", exported).stdout == "Nothing changed.\n"


def test_nothing_is_exported_before_the_first_apply():
    empty = run("export")
    assert empty.exit_code == 1
    assert "the ledger has no clients yet" in empty.stderr


def test_a_ledger_without_its_schema_is_told_to_migrate(file, monkeypatch):
    monkeypatch.setenv("SPANLEDGER_DATABASE", "default")
    refused = run("apply", file)
    assert refused.exit_code == 3
    assert "next: run `spanledger migrate`" in refused.stderr
