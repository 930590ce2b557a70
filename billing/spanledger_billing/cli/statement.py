"""`spanledger statement`: a client's month, to send to the client or to keep."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from spanledger_billing.cli import output
from spanledger_billing.cli.options import DataFolder
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.statements.delivery import Order, document, file_name, write, write_all
from spanledger_billing.statements.lines import checked_month
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format, Rendered
from spanledger_billing.statements.source import Source


def statement(
    words: Annotated[
        list[str],
        typer.Argument(metavar="CLIENT MONTH", help="Whose, and which (YYYY-MM); with --all just which."),
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.PDF,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="Where to; standard output where not given. In a folder the file is CLIENT-MONTH.FORMAT.",
        ),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every client that has a statement in this month, into a folder.")
    ] = False,
    hide_cost: Annotated[
        bool | None,
        typer.Option(
            "--hide-cost/--show-cost",
            help="Only what the client should see, or cost and markup too; without it as the terms say.",
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A Typst template in place of the one that ships (PDF)."),
    ] = None,
    data: DataFolder = None,
) -> None:
    """Write a client's statement: PDF, CSV or JSON.

    A month that is not closed gives a draft, which says so. A closed one gives the very bytes that were
    frozen when it was closed.
    """
    from spanledger_billing import ledger
    from spanledger_billing.statements.load import LedgerSource

    client_id, month = asked(words, everyone=everyone)
    if template is not None and form is not Format.PDF:
        raise InvalidInputError(
            f"--template with --format {form.value}",
            allowed="a template for a PDF",
            next_step="leave one out",
        )
    copy = None if hide_cost is None else Copy.CHARGES if hide_cost else Copy.FULL
    order = Order(month, form, copy, template)
    with ledger.connect(data) as connection:
        deliver(LedgerSource(connection), client_id, order, to)


def asked(words: list[str], *, everyone: bool) -> tuple[str | None, str]:
    """The client (None for all) and the month.

    Raises:
        InvalidInputError: too many or too few words, or the last is no month.

    """
    if len(words) != (1 if everyone else 2):
        raise InvalidInputError(
            f"statement has {len(words)} arguments" + (" and --all" if everyone else ""),
            allowed="CLIENT MONTH, or MONTH --all",
            next_step="for instance spanledger statement acme 2026-10, or statement 2026-10 --all -o .",
        )
    try:
        month = checked_month(words[-1])
    except ValueError as error:
        raise InvalidInputError(
            f"the month is {words[-1]!r}", allowed="YYYY-MM", next_step="for instance 2026-10"
        ) from error
    return (None if everyone else words[0]), month


def deliver(source: Source, client_id: str | None, order: Order, to: Path | None) -> None:
    """What was asked for, where it was asked for.

    Raises:
        InvalidInputError: there is no place for it, or nobody has a statement in this month.
        OperatorError: a document could not be made.

    """
    if client_id is None:
        if to is None:
            raise InvalidInputError(
                "--all makes many files and none has a place",
                allowed="a folder; it is made where it is missing",
                next_step=f"add -o statements-{order.month}",
            )
        clients = source.clients(order.month)
        if not clients:
            raise InvalidInputError(
                f"no client has a statement in {order.month}",
                allowed="a month with clients under terms",
                next_step="spanledger clients list",
            )
        write_all(source, clients, order, to, _report)
        return
    if to is None and order.form is Format.PDF and sys.stdout.isatty():
        raise InvalidInputError(
            "a PDF is no text for a terminal",
            allowed="a file, a folder, a pipe, or --format csv or json",
            next_step=f"add -o {file_name(client_id, order)}",
        )
    made = document(source, client_id, order)
    if to is None:
        _warn(client_id, made)
        sys.stdout.buffer.write(made.content)
        return
    path = to / file_name(client_id, order) if to.is_dir() else to
    write(path, made.content)
    _report(client_id, path, made)


def _report(client_id: str, path: Path, made: Rendered) -> None:
    _warn(client_id, made)
    output.console(stderr=True).print(f"wrote {path}")


def _warn(client_id: str, made: Rendered) -> None:
    if made.missing:
        codes = ", ".join(f"{character} (U+{ord(character):04X})" for character in made.missing[:10])
        more = f" and {len(made.missing) - 10} more" if len(made.missing) > 10 else ""
        output.console(stderr=True).print(
            output.name(
                f"{client_id}: no font has {codes}{more}; symbols are left out, letters replaced. "
                "next: put a font that has them into a folder `fonts` beside a template, and add --template"
            )
        )
