"""Whatever is typed, a command ends with an exit code that it documents, and with no traceback."""

import re

import pytest
import typer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spanledger_billing import cli, ledger

DOCUMENTED = {int(code) for code in re.findall(r"^ *(\d+)  ", cli.EXIT_CODES, flags=re.MULTILINE)}
FAULT = 70
# These start servers or work for minutes once their options are right; `test_up` and `end_to_end` run them.
STARTING = ("up", "demo")


def _parameters(command, path=()):
    """Each command's path, with its options and the number of its arguments."""
    below = getattr(command, "commands", None)
    names = command.list_commands(None) if hasattr(command, "list_commands") else below
    if names:
        for name in names:
            yield from _parameters(command.get_command(None, name), (*path, name))
        return
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("-")]
    yield path, options


COMMANDS = {
    path: options for path, options in _parameters(typer.main.get_command(cli.app)) if path[0] not in STARTING
}

HOSTILE = st.sampled_from(
    [
        "",
        "-",
        "--",
        "2026-10",
        "2026-13",
        "0000-00",
        "9999-12",
        "1969-12",
        "acme",
        "'; DROP TABLE otel_traces; --",
        "{x:String}",
        "%s%n",
        "../../etc/passwd",
        "/",
        "\u202emalo",
        "🧾" * 50,
        "x" * 10_000,
        "1e400",
        "-1",
        "NaN",
        "a=b",
        "client=acme",
        "label:",
        "label:🧾",
        "unit,unit",
    ]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@st.composite
def command_lines(draw):
    path = draw(st.sampled_from(sorted(COMMANDS)))
    words = []
    for _ in range(draw(st.integers(0, 4))):
        if COMMANDS[path] and draw(st.booleans()):
            words.append(draw(st.sampled_from(COMMANDS[path])))
        words.append(draw(HOSTILE))
    return [*path, *words]


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory):
    """A folder to stand in, in which nothing is found and nothing is lost."""
    return tmp_path_factory.mktemp("nowhere")


@given(command_lines())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_command_line_ends_with_a_documented_code_and_an_explanation(monkeypatch, nowhere, words):
    assume("--help" not in words)
    monkeypatch.chdir(nowhere)
    monkeypatch.setenv("SPANLEDGER_DATA", str(nowhere / "data"))
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)

    answer = CliRunner().invoke(cli.app, words)

    assert answer.exit_code in DOCUMENTED - {FAULT}, (words, answer.output)
    assert "Traceback" not in answer.output
    assert answer.output.strip(), words


@given(command_lines())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_with_a_ledger_behind_it_no_less(monkeypatch, ledger_with_clients, nowhere, words):
    assume("--help" not in words and words[0] not in {"users", "grafana", "migrate"})
    monkeypatch.chdir(nowhere)
    monkeypatch.setattr(ledger, "connect", lambda *_args, **_options: ledger_with_clients)
    monkeypatch.setattr(type(ledger_with_clients), "close", lambda _self: None)
    tables = "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    before = ledger_with_clients.query(tables).result_rows

    answer = CliRunner().invoke(cli.app, words)

    assert answer.exit_code in DOCUMENTED - {FAULT}, (words, answer.output)
    assert "Traceback" not in answer.output
    assert ledger_with_clients.query(tables).result_rows == before
