r"""What kind of SQL a request holds, read with a lexer just deep enough for that.

ClickHouse's HTTP interface lets an INSERT carry its data behind the SQL, with nothing but the grammar to
tell where one ends and the other begins; chDB's own reading of such a text stops at a `;` or a line end
within binary data, so the data must be cut off here and handed over apart.

Names and keywords in quotes or comments are no keywords: every rule here goes by tokens at depth 0.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_SQL: Final = 262_144
"""Bytes of SQL, as ClickHouse's `max_query_size`; an INSERT's data does not count."""

_TOKEN: Final = re.compile(
    rb"""
      (?P<space>\s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?\*/)
    | (?P<text>'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<open>[(\[{]) | (?P<close>[)\]}])
    | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    word: bytes
    """The upper-case text of a word; of anything else the text itself."""
    start: int
    end: int
    depth: int


def _tokens(sql: bytes) -> Iterator[_Token]:
    depth = 0
    for match in _TOKEN.finditer(sql, 0, MAX_SQL):
        kind = str(match.lastgroup)
        if kind == "space":
            continue
        depth -= kind == "close"
        text = match.group()
        yield _Token(kind, text.upper() if kind == "word" else text, match.start(), match.end(), depth)
        depth += kind == "open"


@dataclass(frozen=True)
class DataInsert:
    """An INSERT whose rows come with the request."""

    head: bytes
    """`INSERT INTO table (columns)`, nothing behind it."""
    settings: bytes
    """`SETTINGS a = 1, …` where the SQL has them, else empty."""
    format: str
    data_at: int
    """Where the rows begin, in bytes from the start of the SQL."""


class Pace(Enum):
    """How long a statement may take, as far as its words show."""

    DESCRIBES = "asks for a table's columns"
    QUICK = "asks about the server, and reads no table"
    ANY = "as long as it takes"


@dataclass(frozen=True)
class Statement:
    """What the endpoint has to know of a text that the engine will read in full."""

    first_word: str
    pace: Pace
    insert: DataInsert | None
    format: str | None
    """The `FORMAT name` that a query ends in."""
    names_files: bool
    """`INTO OUTFILE` and `FROM INFILE` name files of the server; ClickHouse refuses them over HTTP too."""
    calls_file_function: bool
    r"""The function `file('path')` answers with a file's content even where the engine is read-only.

    A quoted name (it may hold escapes, such as `"\x66ile"`) in front of a parenthesis counts as well:
    nobody quotes a function's name for an honest reason.
    """


def read(sql: bytes) -> Statement:
    """One pass over the SQL; over an INSERT's head only."""
    tokens = _tokens(sql)
    first = next(tokens, None)
    if first is None:
        return Statement("", Pace.ANY, None, None, False, False)
    seen = [first]
    if first.word == b"INSERT":
        insert = _data_insert(sql, seen, tokens)
        if insert is not None:
            return Statement("INSERT", Pace.ANY, insert, None, False, False)
    seen.extend(tokens)
    outer = [token for token in seen if token.depth == 0]
    pairs = list(itertools.pairwise(seen))
    return Statement(
        first_word=first.word.decode("utf-8", "replace"),
        pace=_pace(first, seen),
        insert=None,
        format=_output_format(sql, outer),
        names_files=any((a.word, b.word) in _FILES for a, b in pairs),
        calls_file_function=any(
            b.word == b"(" and (a.word == b"FILE" or a.kind == "quoted") for a, b in pairs
        ),
    )


_SETTINGS: Final = [b"SYSTEM", b".", b"SETTINGS"]


def _pace(first: _Token, seen: Sequence[_Token]) -> Pace:
    words = {token.word for token in seen}
    if first.word in {b"DESCRIBE", b"DESC"} and not words & {b"(", b"SELECT"}:
        return Pace.DESCRIBES
    sources = [number + 1 for number, token in enumerate(seen) if token.word in {b"FROM", b"JOIN"}]
    reads_settings_only = all([token.word for token in seen[at : at + 3]] == _SETTINGS for at in sources)
    if first.word in {b"EXISTS", b"SHOW"} or (first.word == b"SELECT" and reads_settings_only):
        return Pace.QUICK
    return Pace.ANY


_FILES: Final = frozenset({(b"INTO", b"OUTFILE"), (b"FROM", b"INFILE")})
_WITHOUT_DATA: Final = frozenset({b"SELECT", b"WITH", b"FROM", b"WATCH"})


def _data_insert(sql: bytes, seen: list[_Token], tokens: Iterator[_Token]) -> DataInsert | None:
    """The parts of an INSERT that carries rows. What it reads of the tokens goes to `seen`."""
    settings_at = -1
    for token in tokens:
        is_name = seen[-1].word in {b"INTO", b"TABLE", b"FUNCTION", b"."}
        seen.append(token)
        if token.depth or token.kind != "word" or is_name:
            continue
        if token.word in _WITHOUT_DATA:
            return None
        if token.word == b"SETTINGS":
            settings_at = token.start
        elif token.word in {b"FORMAT", b"VALUES"}:
            head_end = token.start if settings_at < 0 else settings_at
            head, settings = sql[:head_end], sql[head_end : token.start]
            if token.word == b"VALUES":
                return DataInsert(head, settings, "Values", token.end)
            name = next(tokens, None)
            if name is None:
                return None
            seen.append(name)
            if name.kind != "word":
                return None
            return DataInsert(
                head, settings, sql[name.start : name.end].decode(), _after_format(sql, name.end)
            )
    return None


def _after_format(sql: bytes, at: int) -> int:
    """Data begins behind one line end, which belongs to the SQL (ClickHouse: ParserInsertQuery)."""
    while sql[at : at + 1] in {b" ", b"\t", b"\f"}:
        at += 1
    for line_end in (b"\r\n", b"\n"):
        if sql.startswith(line_end, at):
            return at + len(line_end)
    return at


def _output_format(sql: bytes, outer: Sequence[_Token]) -> str | None:
    for number, token in enumerate(outer):
        name, behind = outer[number + 1 : number + 2], outer[number + 2 : number + 3]
        at_the_end = not behind or behind[0].word in {b"SETTINGS", b"INTO", b";"}
        if token.word == b"FORMAT" and name and name[0].kind == "word" and at_the_end:
            return sql[name[0].start : name[0].end].decode()
    return None
