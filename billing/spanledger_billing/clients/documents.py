"""A YAML file as text with line numbers.

YAML would make a float of `30.10`, a number of the version `1_000` and `true` of `yes`, depending on who
reads it. Here every scalar stays the text that stands in the file; what it means is decided where it is
known what may stand there. Nothing in a file is ever executed or followed: tags are refused, and what
aliases can multiply is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import yaml

from spanledger_billing.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES: Final = 5_000_000
MAX_NODES: Final = 500_000
MAX_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    line: int
    quoted: bool = False
    """Whether it stands in quotes or as a block, so that `""` is told from nothing at all."""


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entries:
    entries: Mapping[str, tuple[int, Node]]
    """Key -> the key's line, and what stands there."""
    line: int


Node = Scalar | Items | Entries

_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
)
"""What YAML itself takes plain text for; it stays text here. A tag of another kind was written on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the file that is not what is allowed."""

    line: int
    found: str
    allowed: str = ""
    next_step: str = ""

    def text(self, file: str) -> str:
        """The problem on one line, as editors and terminals link it: `file:line: …`."""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        next_step = f"; next: {self.next_step}" if self.next_step else ""
        return f"{file}:{self.line}: {self.found}{allowed}{next_step}"


@dataclass(slots=True)
class Problems:
    """All problems of a file, so that the operator sees every one of them at once."""

    found: dict[Problem, None] = field(default_factory=dict)

    def add(self, line: int, found: str, allowed: str = "", next_step: str = "") -> None:
        # Once each: an alias, or a default of several stretches, shows the same place again.
        self.found.setdefault(Problem(line, found, allowed, next_step))

    def error(self, file: str, command: str = "spanledger clients apply") -> InvalidInputError:
        """All of them as one error, by line; `command` is what takes the file."""
        several = len(self.found) > 1
        lines = [problem.text(file) for problem in sorted(self.found, key=lambda one: one.line)]
        return InvalidInputError(
            f"{file} has {len(lines)} problem{'s' if several else ''}; nothing was changed\n"
            + "\n".join(lines),
            next_step=f"mend {'them' if several else 'it'}, then: {command} {file} --dry-run",
        )


def file_bytes(path: Path, *, holds: str, example: str) -> bytes:
    """What a file of the operator's holds.

    Args:
        path: where it is.
        holds: what should stand in it, for who named another.
        example: what shows such a file.

    Raises:
        InvalidInputError: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error.strerror or error}",
            allowed=example,
            next_step=f"name the file that holds {holds}",
        ) from error


def parse(
    content: bytes,
    problems: Problems,
    *,
    holds: str = "agency and clients",
    example: str = "schema/clients.example.yaml",
) -> Node | None:
    """The document that a YAML file holds; None, and a problem, where it holds none.

    Args:
        content: the file's bytes.
        problems: where problems are put.
        holds: what such a file holds, for who finds it empty.
        example: a file that shows it.

    """
    if len(content) > MAX_BYTES:
        problems.add(
            1, f"the file has {len(content)} bytes", f"at most {MAX_BYTES}", "leave out what is no terms"
        )
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.add(line, "the file is not UTF-8", "text in UTF-8", "save the file as UTF-8")
        return None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        problems.add(
            mark.line + 1 if mark else 1,
            f"this is no YAML: {context}{error.problem}",
            next_step="correct indentation, quotes and brackets around here",
        )
        return None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else 1
        problems.add(line, "a character that YAML does not allow", "printable characters", "remove it")
        return None
    except RecursionError:
        problems.add(1, "brackets are nested too deeply", f"{MAX_DEPTH} levels", "compare with the example")
        return None
    except ValueError as error:  # PyYAML lets a few of its conversions' errors through
        problems.add(1, f"this is no YAML: {error}", next_step="compare with the example")
        return None
    if root is None:
        problems.add(1, "the file is empty", holds, f"begin with {example}")
        return None
    conversion = _Conversion(problems)
    node = conversion.node(root)
    # What was left out would be missed by whoever reads on.
    return None if conversion.left_out else node


@dataclass(slots=True)
class _Conversion:
    problems: Problems
    nodes: int = 0
    left_out: bool = False

    def node(self, node: yaml.Node, depth: int = 0) -> Node | None:
        line = node.start_mark.line + 1
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            self.left_out = True
            self.problems.add(
                line,
                "the file repeats or nests too much",
                f"{MAX_NODES} values in {MAX_DEPTH} levels, aliases written out",
                "write aliases out",
            )
            return None
        if node.tag not in _TAGS:
            self.left_out = True
            self.problems.add(line, f"the tag {node.tag[:40]!r}", "no tags", "remove the tag")
            return None
        if isinstance(node, yaml.ScalarNode):
            return Scalar(node.value, line, quoted=node.style is not None)
        if isinstance(node, yaml.SequenceNode):
            found = [self.node(item, depth + 1) for item in node.value]
            return Items(tuple(item for item in found if item is not None), line)
        return self._entries(node, depth)

    def _entries(self, node: yaml.Node, depth: int) -> Entries:
        entries: dict[str, tuple[int, Node]] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.problems.add(line, "a list or mapping as a key", "text as a key", "name the key")
                continue
            if key.value in entries:
                self.problems.add(
                    line,
                    f"{key.value!r} stands here and on line {entries[key.value][0]}",
                    "each key once",
                    "remove one of them",
                )
                continue
            found = self.node(value, depth + 1)
            if found is not None:
                entries[key.value] = (line, found)
        return Entries(entries, node.start_mark.line + 1)
