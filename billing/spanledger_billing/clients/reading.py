"""Reading `clients.yaml`: a roster, or every problem in it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanledger_billing.clients import resolving
from spanledger_billing.clients.documents import Problems, file_bytes, parse
from spanledger_billing.clients.layout import FILE

if TYPE_CHECKING:
    from pathlib import Path

    from spanledger_billing.clients.model import Roster


def read_file(path: Path) -> tuple[Roster, bytes]:
    """What the file says, and its bytes.

    Raises:
        InvalidInputError: the file cannot be read, or is not what is allowed.

    """
    content = file_bytes(
        path, holds="your clients and terms", example="a file as schema/clients.example.yaml shows it"
    )
    return read(content, str(path), folder=path.absolute().parent), content


def read(content: bytes, file: str = "clients.yaml", folder: Path | None = None) -> Roster:
    """What the content of a file says.

    Args:
        content: the file's bytes.
        file: what errors call it.
        folder: where the file stands, as pictures are named from there; None: they are not looked for.

    Raises:
        InvalidInputError: it is not what is allowed; the error names every place, by line.

    """
    problems = Problems()
    node = parse(content, problems)
    if node is not None:
        found = FILE.read("the file", node, problems)
        if found is not None:
            roster = resolving.roster(found, problems, folder)
            if not problems.found:
                return roster
    raise problems.error(file)
