"""Writes CLI.md, the reference of the command line, from what the commands say of themselves.

`make docs` writes it; a test compares it.
"""

import sys
from typing import Any

import typer
from typer.testing import CliRunner

from spanledger_billing.cli import app

_HEAD = """# The command line

Written by `make docs` from the commands' own help. Results go to standard output, all else to standard error.
"""


def _commands(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    context = typer.Context(command)
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    below = [
        found for name in names for found in _commands(command.get_command(context, name), (*path, name))
    ]
    return [path, *below]


def reference() -> str:
    """All of CLI.md."""
    parts = [_HEAD]
    for path in _commands(typer.main.get_command(app), ()):
        answer = CliRunner().invoke(app, [*path, "--help"], prog_name="spanledger", env={"COLUMNS": "100"})
        title = " ".join(["spanledger", *path])
        parts.append(f"## `{title}`\n\n```\n{answer.stdout.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
