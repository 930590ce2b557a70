"""The command line: `spanledger COMMAND`.

Each command is a function in a module of its own here, imported when it is called for, so that a
command loads what it needs and no more. Results go to standard output, all else to standard error.

An `OperatorError` becomes its text and its exit code; see `spanledger --help` for the codes.
"""

import errno
import importlib
import os
import sys
from typing import Annotated, Any, Final

try:
    import typer
    from typer.core import TyperGroup
except ModuleNotFoundError as missing:
    sys.stderr.write(
        f"spanledger: the command line needs packages that are not installed ({missing.name} is missing)\n"
        "next: pip install 'spanledger[billing]', or 'spanledger[embedded]' for a ledger on this machine\n"
    )
    raise SystemExit(2) from None

from spanledger_billing.errors import OperatorError

COMMANDS: Final = {
    "demo": "demo:demo",
    "up": "up:up",
    "migrate": "migrate:migrate",
    "users": "users:app",
    "prices": "prices:app",
    "clients": "clients:app",
    "senders": "senders:app",
    "usage": "usage:usage",
    "reprice": "reprice:reprice",
    "attribute": "attribute:attribute",
    "statement": "statement:statement",
    "close": "close:close",
    "verify": "verify:verify",
    "grafana": "grafana:app",
    "doctor": "doctor:doctor",
    "repair": "repair:repair",
    "backup": "backup:backup",
    "restore": "backup:restore",
}
"""Command -> module in this package and what in it is the command, in the order a newcomer needs them."""

INTERNAL_FAULT: Final = 70

# The \b keeps the lines apart.
EXIT_CODES: Final = """\b
Exit codes:
  0    all is well
  1    a check failed or found something
  2    a wrong option, argument, file or setting
  3    a component is not running or not reachable
  4    refused, since it would harm what is there
  70   a fault of spanledger's own
  130  interrupted
"""


def _load(name: str) -> Any:
    module, attribute = COMMANDS[name].split(":")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(found)
        found = single
    command = typer.main.get_command(found)
    command.name = name
    return command


class Commands(TyperGroup):
    """The commands of the table above; and the one place where an error becomes text and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            typer.echo(f"spanledger: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except (typer.Abort, typer.Exit, typer.TyperException):
            raise
        except Exception as error:
            closed_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if closed_pipe or os.environ.get("SPANLEDGER_DEBUG") == "1":
                raise
            typer.echo(_fault(error), err=True)
            raise typer.Exit(INTERNAL_FAULT) from error


def _fault(error: Exception) -> str:
    first_line = str(error).partition("\n")[0][:300]
    return (
        f"spanledger: unexpected {type(error).__name__}: {first_line}\n"
        "next: run it again with SPANLEDGER_DEBUG=1 for the traceback, and report it"
    )


app = typer.Typer(
    name="spanledger",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)


def _print_version(asked: bool) -> None:
    if asked:
        from spanledger import __version__

        typer.echo(f"spanledger {__version__}")
        raise typer.Exit


@app.callback()
def spanledger(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """What each client's LLM calls cost, to the token and to the cent."""


def main() -> None:
    """The console script."""
    sys.exit(app())
