"""A body of type `multipart/form-data`: parameters too long for a URL, and tables that come with a query.

clickhouse-connect sends its bound parameters this way when they are many. A part with a file name is a table
for this one query ("external data"); the parameters `NAME_structure` or `NAME_types`, and `NAME_format`,
describe it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final

from spanledger_billing.embedded.body import BadRequestError

MAX_PARTS: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_DESCRIPTIONS: Final = ("structure", "types", "format")


@dataclass(frozen=True)
class Table:
    """Rows that come with a query, under a name that only this query sees."""

    name: str
    columns: str
    """As in CREATE TABLE."""
    format: str
    rows: bytes


@dataclass(frozen=True)
class Form:
    fields: dict[str, str]
    tables: tuple[Table, ...]


def read(headers: Message, body: bytes, parameters: Mapping[str, str]) -> Form:
    """The form's fields and tables; the tables as the request's parameters describe them."""
    boundary = headers.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 200:
        raise BadRequestError(400, "the multipart body has no boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise BadRequestError(400, "the multipart body ends early")
    if len(pieces) > MAX_PARTS:
        raise BadRequestError(400, f"the multipart body has more than {MAX_PARTS} parts")
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for piece in pieces[1:-1]:
        head, separator, content = piece.partition(b"\r\n\r\n")
        disposition = Message()
        for line in head.split(b"\r\n"):
            label, _, value = line.partition(b":")
            if label.strip().lower() == b"content-disposition":
                disposition["Content-Disposition"] = value.strip().decode("utf-8", "surrogateescape")
        name = disposition.get_param("name", header="Content-Disposition")
        if not separator or not isinstance(name, str):
            raise BadRequestError(400, "a part of the multipart body has no name")
        if disposition.get_filename() is None:
            try:
                fields[name] = content.decode()
            except UnicodeDecodeError as error:
                raise BadRequestError(400, "a field of the multipart body is not UTF-8") from error
        else:
            files[name] = content
    described = {**parameters, **fields}
    return Form(fields, tuple(_table(name, rows, described) for name, rows in files.items()))


def is_description(parameter: str, tables: tuple[Table, ...]) -> bool:
    """Whether the parameter describes one of the tables, and is no setting therefore."""
    return any(parameter == f"{table.name}_{what}" for table in tables for what in _DESCRIPTIONS)


def _table(name: str, rows: bytes, parameters: Mapping[str, str]) -> Table:
    structure, types, format_name = (parameters.get(f"{name}_{what}", "") for what in _DESCRIPTIONS)
    columns = structure or ", ".join(f"_{number} {kind}" for number, kind in enumerate(types.split(","), 1))
    format_name = format_name or "TabSeparated"
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(format_name) or not (structure or types):
        raise BadRequestError(
            400, f"the table {name[:40]!r} is not described: {name[:40]}_structure is needed"
        )
    return Table(name, columns, format_name, rows)
