"""Statements into files, one for each client, or one on standard output.

A file is there whole or not at all, and a client's id cannot choose where it goes.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from spanledger_billing.errors import OperatorError
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format, Rendered, render
from spanledger_billing.statements.source import Source

LONGEST_NAME: Final = 120


@dataclass(frozen=True)
class Order:
    """What is asked of every document."""

    month: str
    form: Format
    copy: Copy | None = None
    """None: the copy that each client's terms let it see."""
    template: Path | None = None


def document(source: Source, client_id: str, order: Order) -> Rendered:
    """One client's document; of a closed month the bytes that were frozen.

    With a template of its own a closed month is set again: its figures stay the frozen ones.
    """
    statement = source.statement(client_id, order.month)
    copy = order.copy or statement.client.copy
    if order.template is None:
        frozen = source.frozen(client_id, order.month, copy, order.form)
        if frozen is not None:
            return Rendered(frozen)
    shown = statement if copy is Copy.FULL else statement.for_client()
    return render(shown, order.form, order.template)


def write_all(
    source: Source,
    clients: Sequence[str],
    order: Order,
    folder: Path,
    written: Callable[[str, Path, Rendered], None],
) -> None:
    """Each client's document into the folder, which is made where it is missing.

    One client's fault keeps no other from its statement.

    Raises:
        OperatorError: of these clients there is no document now, and why.

    """
    folder.mkdir(parents=True, exist_ok=True)
    failed: dict[str, OperatorError] = {}
    taken: set[str] = set()
    for client_id in clients:
        try:
            made = document(source, client_id, order)
        except OperatorError as error:
            failed[client_id] = error
            continue
        path = folder / file_name(client_id, order, taken)
        write(path, made.content)
        written(client_id, path, made)
    if failed:
        raise OperatorError(
            f"{len(failed)} of {len(clients)} statements could not be made",
            next_step="\n".join(f"{client_id}: {error}" for client_id, error in failed.items()),
        )


def file_name(client_id: str, order: Order, taken: set[str] | None = None) -> str:
    """The client's id with all but plain letters, digits, `-`, `_` and inner dots as %XX, and the month.

    Args:
        client_id: whose.
        order: for the month and the form.
        taken: names in use, without regard to case (many file systems have none); the new one is added.

    """
    name = quote(client_id, safe="").replace("~", "%7E")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    in_use = taken if taken is not None else set()
    if len(name) > LONGEST_NAME or name.casefold() in in_use:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(client_id.encode()).hexdigest()[:12]}"
    in_use.add(name.casefold())
    return f"{name}-{order.month}.{order.form.value}"


def write(path: Path, content: bytes) -> None:
    """The file with exactly this content; never half of it, whatever stops the program."""
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
