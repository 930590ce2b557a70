"""Reading `senders.yaml`: its senders, or every problem in it at once.

No problem shows what may be a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanledger.attribution import shown
from spanledger_billing.clients.documents import Problems, Scalar, file_bytes, parse
from spanledger_billing.clients.kinds import ClientId, Text
from spanledger_billing.clients.shapes import Field, Found, ListOf, Record
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.senders.model import Sender, stamp

if TYPE_CHECKING:
    from spanledger_billing.clients.documents import Node
    from spanledger_billing.clients.kinds import Schema

ALL: Final = "all"
COMMAND: Final = "spanledger senders apply"
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class _Stamp:
    """The hash of a token."""

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        if isinstance(node, Scalar) and re.fullmatch("[0-9a-fA-F]{64}", node.text):
            return node.text.lower()
        # Not what was found: it may be the token itself.
        problems.add(
            node.line,
            f"{key} is no hash",
            "64 hexadecimal digits",
            "write what `spanledger senders hash TOKEN_FILE` prints",
        )
        return None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}


@dataclass(frozen=True, slots=True)
class _Clients:
    """Ids of clients, or the word `all`. Reads as a tuple; of `all`, as a tuple of None."""

    ids: ListOf

    def read(self, key: str, node: Node, problems: Problems) -> tuple[Any, ...] | None:
        if isinstance(node, Scalar):
            if node.text == ALL:
                return (None,)
            problems.add(
                node.line,
                f"{key} is {shown(node.text)}",
                f"a list of client ids, or {ALL}",
                f"write {key}: [{node.text}]",
            )
            return None
        return self.ids.read(key, node, problems)

    def schema(self) -> Schema:
        return {"anyOf": [{"const": ALL}, self.ids.schema()]}


_SENDER: Final = Record(
    {
        "name": Field(Text(100), "what people call it", required=True),
        "token_hash": Field(_Stamp(), "what `spanledger senders hash` prints for its token"),
        "token_file": Field(
            Text(1000), "a file with its token, of which the hash is kept; from this file's folder"
        ),
        "clients": Field(
            _Clients(ListOf(ClientId(), "a client", fewest=1, most=10_000)),
            "whom its calls may bill: a list of ids, or all",
            required=True,
        ),
    },
    rules={"oneOf": [{"required": ["token_hash"]}, {"required": ["token_file"]}]},
)
FILE: Final = Record(
    {"senders": Field(ListOf(_SENDER, "a sender", fewest=1, most=1000), "who may send", required=True)}
)


def read_file(path: Path) -> tuple[tuple[Sender, ...], bytes]:
    """What the file says, and its bytes.

    Raises:
        InvalidInputError: the file cannot be read, or is not what is allowed.

    """
    content = file_bytes(path, holds="your senders", example="a file as schema/senders.example.yaml shows it")
    return read(content, str(path), path.absolute().parent), content


def read(content: bytes, file: str = "senders.yaml", folder: Path | None = None) -> tuple[Sender, ...]:
    """What the content of a file says, by name.

    Args:
        content: the file's bytes.
        file: what errors call it.
        folder: where the files with tokens are named from; by default where the process runs.

    Raises:
        InvalidInputError: it is not what is allowed; the error names every place, by line.

    """
    problems = Problems()
    node = parse(content, problems, holds="senders", example="schema/senders.example.yaml")
    found = None if node is None else FILE.read("the file", node, problems)
    if found is not None and "senders" in found:
        senders = [_sender(one, folder or Path(), problems) for one in found.get("senders")]
        _check_alone(found.get("senders"), senders, problems)
        if not problems.found:
            return tuple(sorted((one for one in senders if one), key=lambda one: one.name))
    raise problems.error(file, COMMAND)


def read_token(path: Path) -> str:
    """The token that a file holds, on its one line.

    Raises:
        InvalidInputError: it cannot be read, or holds no token.

    """
    return checked_token(file_bytes(path, holds="the token", example="a file with one token"), str(path))


def checked_token(content: bytes, source: str) -> str:
    """The token that these bytes are.

    Raises:
        InvalidInputError: they are none; the error does not show them.

    """
    text = content.decode("latin-1").strip("\r\n")
    if not _TOKEN.fullmatch(text):
        raise InvalidInputError(
            f"{source} holds no token",
            allowed="one line of 1 to 4096 visible ASCII characters, without spaces and without `Bearer`",
            next_step="put there what the app shows as SPANLEDGER_TOKEN, and nothing else",
        )
    return text


def _sender(found: Found, folder: Path, problems: Problems) -> Sender | None:
    written = [key for key in ("token_hash", "token_file") if key in found or key in found.broken]
    if len(written) != 1:
        problems.add(
            found.line,
            f"a sender has {'both token_hash and token_file' if written else 'no token'}",
            "one of token_hash, token_file",
            "leave one out"
            if written
            else "add token_hash: what `spanledger senders hash TOKEN_FILE` prints",
        )
        return None
    if found.broken:
        return None
    hashed = found.get("token_hash")
    if hashed is None:
        try:
            hashed = stamp(read_token(folder / found.get("token_file")))
        except InvalidInputError as error:
            problems.add(found.line_of("token_file"), error.found, error.allowed, error.next_step)
            return None
    clients = found.get("clients")
    return Sender(found.get("name"), hashed, None if clients == (None,) else tuple(sorted(set(clients))))


def _check_alone(records: tuple[Found, ...], senders: list[Sender | None], problems: Problems) -> None:
    """A name or a token that stands there twice would have two sets of clients."""
    names: dict[str, int] = {}
    stamps: dict[str, int] = {}
    for record, sender in zip(records, senders, strict=True):
        if sender is None:
            continue
        first = names.setdefault(sender.name, record.line)
        if first != record.line:
            problems.add(
                record.line_of("name"),
                f"sender {shown(sender.name)} stands in line {first} too",
                "each name once",
                "rename one",
            )
        first = stamps.setdefault(sender.stamp, record.line)
        if first != record.line:
            problems.add(
                record.line,
                f"the sender of line {first} shows the same token",
                "each token once",
                "give one another token, or list all clients in one place",
            )
