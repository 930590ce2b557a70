"""Lists and mappings of kinds; they are kinds themselves."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from spanledger.attribution import shown
from spanledger_billing.clients.documents import Entries, Items, Node, Problems, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from spanledger_billing.clients.kinds import Kind, Schema


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, each item of one kind."""

    kind: Kind
    item: str
    """What one of them is called."""
    fewest: int = 0
    most: int = 100
    ascending: bool = False
    """Whether each must be larger than the one before."""

    def read(self, key: str, node: Node, problems: Problems) -> tuple[Any, ...] | None:
        allowed = f"a list of {self.fewest} to {self.most}"
        if not isinstance(node, Items):
            problems.add(node.line, f"{key} is no list", allowed, "begin each item with a dash: - …")
            return None
        if not self.fewest <= len(node.items) <= self.most:
            problems.add(node.line, f"{key} has {len(node.items)} items", allowed, f"correct {key}")
            return None
        read = [self.kind.read(self.item, item, problems) for item in node.items]
        found = tuple(item for item in read if item is not None)
        if self.ascending:
            check_ascending(node.line, key, found, problems)
        return found

    def schema(self) -> Schema:
        fewest = {"minItems": self.fewest} if self.fewest else {}
        return {"type": "array", "items": self.kind.schema(), **fewest, "maxItems": self.most}


def check_ascending(line: int, key: str, numbers: tuple[Decimal, ...], problems: Problems) -> None:
    if any(after <= before for before, after in pairwise(numbers)):
        written = ", ".join(f"{number:f}" for number in numbers)
        problems.add(line, f"{key} goes {written}", "each one larger than the one before", "sort them")


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with keys of one pattern, each value of one kind."""

    keys: str
    kind: Kind
    most: int = 100

    def read(self, key: str, node: Node, problems: Problems) -> dict[str, Any] | None:
        allowed = f"at most {self.most} keys that match {self.keys}"
        if not isinstance(node, Entries) or len(node.entries) > self.most:
            found = f"has {len(node.entries)} keys" if isinstance(node, Entries) else "is no mapping"
            problems.add(node.line, f"{key} {found}", allowed, "write each key on a line")
            return None
        values = {}
        for name, (line, value) in node.entries.items():
            if not re.fullmatch(self.keys, name):
                problems.add(line, f"{shown(name)} is no key of {key}", allowed, "correct the key")
                continue
            found = self.kind.read(name, value, problems)
            if found is not None:
                values[name] = found
        return values

    def schema(self) -> Schema:
        return {
            "type": "object",
            "patternProperties": {f"^(?:{self.keys})$": self.kind.schema()},
            "additionalProperties": False,
            "maxProperties": self.most,
        }


NOTHING: Final = "none"


@dataclass(frozen=True, slots=True)
class OrNone:
    """A kind, or the word `none`, which ends what the terms before had. Reads as a tuple of none or one."""

    kind: Kind

    def read(self, key: str, node: Node, problems: Problems) -> tuple[Any, ...] | None:
        if isinstance(node, Scalar) and node.text == NOTHING:
            return ()
        found = self.kind.read(key, node, problems)
        return None if found is None else (found,)

    def schema(self) -> Schema:
        return {"anyOf": [{"const": NOTHING}, self.kind.schema()]}


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a mapping."""

    kind: Kind
    text: str
    """What it is for; editors show it."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A mapping as it was read: only what stands there and is allowed."""

    line: int
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    broken: frozenset[str]
    """Keys that stand there with something that is not allowed, or are missing."""

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)

    def __contains__(self, key: str) -> bool:
        return key in self.values


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys."""

    fields: Mapping[str, Field]
    rules: Schema = field(default_factory=dict)
    """What JSON Schema should say beyond its keys; `resolving` checks it for the reader."""

    def read(self, key: str, node: Node, problems: Problems) -> Found | None:
        names = ", ".join(self.fields)
        if not isinstance(node, Entries):
            problems.add(node.line, f"{key} is no mapping", f"the keys {names}", "write each key on a line")
            return None
        values: dict[str, Any] = {}
        broken: set[str] = set()
        for name, (line, value) in node.entries.items():
            if name not in self.fields:
                near = difflib.get_close_matches(name[:60], self.fields, n=1)
                next_step = f"write {near[0]}, if that is meant" if near else "remove it"
                problems.add(line, f"{shown(name)} is no key of {key}", names, next_step)
                broken.add(near[0] if near else name)
                continue
            found = self.fields[name].kind.read(name, value, problems)
            if found is None:
                broken.add(name)
            else:
                values[name] = found
        for name, one in self.fields.items():
            if one.required and name not in node.entries and name not in broken:
                problems.add(node.line, f"{key} has no {name}", names, f"add {name}: {one.text}")
                broken.add(name)
        lines = {name: line for name, (line, _) in node.entries.items()}
        return Found(node.line, values, lines, frozenset(broken))

    def schema(self) -> Schema:
        required = [name for name, one in self.fields.items() if one.required]
        return {
            "type": "object",
            "properties": {
                name: {"description": one.text, **one.kind.schema()} for name, one in self.fields.items()
            },
            **({"required": required} if required else {}),
            "additionalProperties": False,
            **self.rules,
        }
