"""Each component's user may do what it must and nothing else.

The embedded engine makes no users, so its parser is asked whether the statements are ones, and the ledger's
schema whether what they name is there. That a server then refuses the rest is shown in test_server_stack.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from spanledger_billing import migrate, resources, users
from spanledger_billing.cli import app
from spanledger_billing.errors import InvalidInputError, OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORDS = {name: f"{name}-{'x' * 16}" for name in users.PASSWORDS}
STATEMENTS = users.statements("spanledger", PASSWORDS)


def _granted(user: str) -> dict[str, set[str]]:
    """What a user's GRANT names -> the rights on it."""
    (grant,) = [text for text in STATEMENTS[user] if "GRANT" in text.split()]
    found: dict[str, set[str]] = {}
    inside = re.sub(r"^.*?GRANT\s+|\s+TO\s+\w+.*$", "", grant, flags=re.DOTALL)
    for rights, where in re.findall(r"([A-Z ,]+?)\s+ON\s+([\w.*]+),?\s*", inside):
        found.setdefault(where, set()).update(right.strip() for right in rights.split(","))
    return found


def test_there_is_a_file_for_each_user_and_for_no_other():
    files = {path.stem for path in (resources.folder("schema") / "users").glob("*.sql")}

    assert files == users.PASSWORDS.keys()


@pytest.mark.parametrize("user", STATEMENTS)
def test_the_engines_parser_takes_every_statement(engine: Any, user: str):
    for text in STATEMENTS[user]:
        engine.query(f"EXPLAIN AST {text}")


@pytest.mark.parametrize("user", STATEMENTS)
def test_every_run_says_all_that_a_user_may_do(user: str):
    """What an earlier release granted, or set, is gone after it; the user itself stays, for views belong to it."""
    texts = [re.sub(r"--[^\n]*\n", "", text).split() for text in STATEMENTS[user]]

    assert texts[0][:5] == ["CREATE", "USER", "IF", "NOT", "EXISTS"]
    assert texts[1][:2] == ["ALTER", "USER"]
    assert "DROP ALL SETTINGS" in " ".join(texts[1])
    assert texts[2][-3:] == ["WITH", "REPLACE", "OPTION"]


def test_no_statement_holds_a_password():
    whole = "\n".join(text for texts in STATEMENTS.values() for text in texts)

    assert [password for password in PASSWORDS.values() if password in whole] == []
    assert all(users.password_hash(password) in whole for password in PASSWORDS.values())


def test_the_collector_may_add_spans_and_ask_for_the_tables_columns():
    assert _granted("spanledger_collector") == {"spanledger.otel_traces": {"INSERT", "SHOW COLUMNS"}}


def test_grafana_may_select_from_what_the_contract_names_and_from_nothing_else(own_ledger: Any):
    granted = _granted("spanledger_grafana")
    there = {
        f"spanledger.{name}"
        for (name,) in own_ledger.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'"
        ).result_rows
    }
    contract = (resources.folder("schema") / "README.md").read_text()
    named = {f"spanledger.{name}" for name in re.findall(r"`(\w+)`", contract)}

    assert set().union(*granted.values()) == {"SELECT"}
    assert granted.keys() - there == set()
    assert granted.keys() - named == set()


def test_grafana_may_select_from_everything_that_a_dashboard_or_an_alert_rule_reads():
    root = Path(__file__).parents[2] / "dashboards"
    queries = [
        query
        for path in (*(root / "json").glob("*.json"), *(root / "provisioning" / "alerting").glob("*.yaml"))
        for query in _queries(yaml.safe_load(path.read_text()))
    ]
    read = {
        f"spanledger.{name}"
        for query in queries
        for name in re.findall(r"\b(?:FROM|JOIN)\s+([a-z_][a-z_0-9]*)\b(?!\()", query)
    } - {"spanledger.array"}  # ARRAY JOIN array…

    assert len(queries) > 20
    assert read - _granted("spanledger_grafana").keys() == set()


def _queries(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["rawSql"]] if "rawSql" in node else []
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _queries(each)


def test_grafana_may_change_no_setting_but_its_time_and_that_within_bounds():
    (alter,) = [text for text in STATEMENTS["spanledger_grafana"] if "ALTER USER" in text]
    settings = alter.partition("ADD SETTINGS")[2]

    assert "readonly = 1" in settings
    assert re.search(r"max_execution_time = \d+ MIN 1 MAX \d+ CHANGEABLE_IN_READONLY", settings)
    assert re.search(r"max_memory_usage = \d+ CONST", settings)


def test_billing_may_change_and_delete_nothing():
    granted = _granted("spanledger_billing")

    assert granted == {"spanledger.*": {"SELECT", "INSERT", "SYSTEM VIEWS"}}
    assert (
        "REVOKE INSERT ON spanledger.otel_traces FROM spanledger_billing" in STATEMENTS["spanledger_billing"]
    )


def test_every_view_reads_with_the_rights_of_who_made_it(own_ledger: Any):
    """Else a user that is granted a view alone reads nothing, and the collector's inserts end at the first one."""
    views = dict(
        own_ledger.query(
            "SELECT name, create_table_query FROM system.tables "
            "WHERE database = currentDatabase() AND engine LIKE '%View'"
        ).result_rows
    )

    assert "calls" in views
    assert [name for name, text in views.items() if "SQL SECURITY DEFINER" not in text] == []


def test_a_word_in_a_comment_or_column_ends_no_views_head():
    made = migrate.render(
        "-- as made\nCREATE MATERIALIZED VIEW IF NOT EXISTS {database}.v -- AS ever\nTO {database}.t AS SELECT 1 AS a",
        database="d",
    )

    assert made == (
        "-- as made\nCREATE MATERIALIZED VIEW IF NOT EXISTS d.v -- AS ever\nTO d.t "
        "DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT 1 AS a"
    )


class _Server:
    def __init__(self, failure: str = "") -> None:
        self.sent: list[str] = []
        self._failure = failure

    def command(self, text: str, *, use_database: bool) -> None:
        assert not use_database, "the ledger's database need not be there"
        if self._failure:
            raise RuntimeError(self._failure)
        self.sent.append(text)


def test_what_is_sent_is_each_users_statements_in_their_order():
    server = _Server()

    assert users.apply(server, "spanledger", PASSWORDS) == list(STATEMENTS)  # type: ignore[arg-type]
    assert server.sent == [text for texts in STATEMENTS.values() for text in texts]


def test_who_may_make_no_users_is_told_which_user_to_take():
    server = _Server("Code: 497. DB::Exception: default: Not enough privileges. (ACCESS_DENIED)")

    with pytest.raises(OperatorError, match=r"cannot be made by who is connected\nnext: .*access management"):
        users.apply(server, "spanledger", PASSWORDS)  # type: ignore[arg-type]


def test_passwords_come_from_the_environment_or_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "collector").write_text(PASSWORDS["collector"] + "\n")
    for name, (variable, file_variable) in users.PASSWORDS.items():
        monkeypatch.delenv(variable, raising=False)
        if name == "collector":
            monkeypatch.setenv(file_variable, str(tmp_path / "collector"))
        else:
            monkeypatch.setenv(variable, PASSWORDS[name])

    assert users.passwords() == PASSWORDS


@pytest.mark.parametrize("password", ["", "secret", "x" * 15])
def test_a_password_that_keeps_nobody_out_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, password: str
):
    monkeypatch.setenv("SPANLEDGER_MIGRATE_PASSWORD", password)

    with pytest.raises(
        InvalidInputError, match=f"has {len(password)} characters; allowed: 16 or more"
    ) as refused:
        users.passwords()
    assert not password or password not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("SPANLEDGER_MIGRATE_PASSWORD", raising=False)
    monkeypatch.setenv("SPANLEDGER_MIGRATE_PASSWORD_FILE", str(tmp_path / "none"))

    with pytest.raises(
        InvalidInputError, match="SPANLEDGER_MIGRATE_PASSWORD_FILE cannot be read: No such file"
    ):
        users.passwords()


def test_the_embedded_ledger_has_no_users_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "endpoint.json").write_text('{"clickhouse_url": "http://127.0.0.1:9", "user": "spanledger"}')
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)

    done = CliRunner().invoke(app, ["users", "apply"])

    assert done.exit_code == 4, done.stderr
    assert "this ledger is the embedded one, which has no users" in done.stderr
