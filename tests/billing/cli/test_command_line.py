"""What all commands have in common: help, version, errors and exit codes."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from spanledger import __version__
from spanledger_billing import cli
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError, UnreachableError


def invoke(*arguments: str, **environment: str):
    return CliRunner().invoke(cli.app, list(arguments), env=environment)


@pytest.fixture
def failing(monkeypatch):
    """Replaces the command `usage` by one that raises what it is given."""

    def replace(error: BaseException) -> None:
        def fails() -> None:
            raise error

        app = typer.Typer()
        app.command()(fails)
        monkeypatch.setattr(cli, "_load", lambda _name: typer.main.get_command(app))

    return replace


def test_help_lists_every_command_and_the_exit_codes():
    answer = invoke("--help")

    assert answer.exit_code == 0
    listed = [
        line.split()[0] for line in answer.stdout.partition("Commands:")[2].splitlines() if line.strip()
    ]
    assert listed[: len(cli.COMMANDS)] == list(cli.COMMANDS)
    assert "3    a component is not running or not reachable" in answer.stdout


@pytest.mark.parametrize("command", [*cli.COMMANDS, "prices sync", "prices show"])
def test_every_command_explains_itself_in_a_sentence(command):
    answer = invoke(*command.split(), "--help")

    assert answer.exit_code == 0
    summary = answer.stdout.split("\n\n")[1].strip()
    assert len(summary) > 20


def test_the_version_is_the_packages():
    assert invoke("--version").stdout == f"spanledger {__version__}\n"


def test_no_command_at_all_prints_the_help_and_is_a_usage_error():
    answer = invoke()

    assert answer.exit_code == 2
    assert "Usage: spanledger" in answer.output


@pytest.mark.parametrize("arguments", [["bill"], ["usage", "--colour"], ["usage", "--format", "xml"]])
def test_a_word_that_is_not_allowed_is_a_usage_error_that_points_to_the_help(arguments):
    answer = invoke(*arguments)

    assert answer.exit_code == 2
    assert "--help' for help" in answer.stderr


@pytest.mark.parametrize(
    ("kind", "code"), [(OperatorError, 1), (InvalidInputError, 2), (UnreachableError, 3), (RefusedError, 4)]
)
def test_an_operators_error_is_its_text_and_its_exit_code(failing, kind, code):
    failing(kind("the month is wrong", allowed="a month", next_step="take another"))

    answer = invoke("usage")

    assert answer.exit_code == code
    assert answer.stdout == ""
    assert answer.stderr == "spanledger: the month is wrong; allowed: a month\nnext: take another\n"


def test_a_fault_of_our_own_is_one_line_without_a_traceback_and_ends_with_70(failing):
    failing(ZeroDivisionError("first line\nsecond line"))

    answer = invoke("usage")

    assert answer.exit_code == 70
    assert answer.stderr.splitlines() == [
        "spanledger: unexpected ZeroDivisionError: first line",
        "next: run it again with SPANLEDGER_DEBUG=1 for the traceback, and report it",
    ]


def test_with_debug_a_fault_shows_its_traceback(failing):
    fault = ZeroDivisionError("the fault")
    failing(fault)

    assert invoke("usage", SPANLEDGER_DEBUG="1").exception is fault


def test_ctrl_c_ends_with_130(failing):
    failing(KeyboardInterrupt())

    assert invoke("usage").exit_code == 130


def test_the_module_is_the_script():
    done = subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"spanledger {__version__}\n"
