"""What may stand at a place of the file: each kind reads it, and describes it as JSON Schema.

Reading never raises: what is not allowed becomes a problem and None. Since one object does both, what an
editor shows and what `clients apply` refuses cannot drift apart.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Protocol
from zoneinfo import available_timezones

from spanledger.attribution import MAX_CLIENT_ID, shown
from spanledger_billing.clients.documents import Items, Node, Problems, Scalar
from spanledger_billing.money import EXPONENTS

Schema = dict[str, Any]

FIRST_DAY: Final = date(2015, 1, 1)
LAST_DAY: Final = date(2099, 12, 31)

_BREAKING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories that `bill_to` refuses: they break logs, statements and the wire."""
_INVISIBLE: Final = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Marks that reorder a line or take no room: two ids could look the same, a name could read as another."""


class Kind(Protocol):
    """What may stand at a place."""

    def read(self, key: str, node: Node, problems: Problems) -> Any:
        """What stands there, or None and a problem. `key` is what the place is called."""

    def schema(self) -> Schema:
        """The same as JSON Schema, draft 7."""


def _scalar(key: str, node: Node, problems: Problems, allowed: str) -> str | None:
    if not isinstance(node, Scalar):
        found = "a list" if isinstance(node, Items) else "a mapping"
        problems.add(node.line, f"{key} is {found}", allowed, f"give {key} one value")
        return None
    if not node.text and not node.quoted:
        problems.add(node.line, f"{key} is empty", allowed, f"give {key} a value, or remove the line")
        return None
    return node.text


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is printed on statements."""

    longest: int = 200
    lines: bool = False
    """Whether it may have more than one line."""
    pattern: str = ""
    says: str = ""
    """What is allowed, in words, where there is a pattern."""

    def allowed(self) -> str:
        if self.pattern:
            return self.says
        return f"1 to {self.longest} characters{'' if self.lines else ' on one line'}, none of them invisible"

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        text = _scalar(key, node, problems, self.allowed())
        if text is None:
            return None
        text = text.strip()
        if self.pattern and not re.fullmatch(self.pattern, text):
            problems.add(node.line, f"{key} is {shown(text)}", self.allowed(), f"correct {key}")
            return None
        if not 0 < len(text) <= self.longest:
            next_step = f"write a shorter {key}" if text else f"fill in {key}, or remove the line"
            problems.add(node.line, f"{key} has {len(text)} characters", self.allowed(), next_step)
            return None
        unfit = _unfit(text.replace("\n", " ") if self.lines else text)
        if unfit:
            problems.add(node.line, f"{key} holds {unfit}", self.allowed(), "remove that character")
            return None
        return text

    def schema(self) -> Schema:
        found: Schema = {"type": "string", "minLength": 1, "maxLength": self.longest}
        return found | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


def _unfit(text: str) -> str:
    """The first character that may stand in no text of a statement, by its name; else empty."""
    for one in text:
        if unicodedata.category(one) in _BREAKING or _INVISIBLE.match(one):
            return f"U+{ord(one):04X} ({unicodedata.name(one, 'a control character')})"
    return ""


@dataclass(frozen=True, slots=True)
class ClientId:
    """A client's key, as `bill_to` takes it; quotes and emoji are fine, invisible characters are not."""

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        allowed = f"1 to {MAX_CLIENT_ID} characters, no white space around them, none of them invisible"
        text = _scalar(key, node, problems, allowed)
        if text is None:
            return None
        unfit = _unfit(text)
        if unfit:
            problems.add(
                node.line,
                f"{key} holds {unfit}, which nobody sees",
                allowed,
                "remove that character, here and in the app",
            )
        elif text != text.strip() or not 0 < len(text) <= MAX_CLIENT_ID:
            problems.add(node.line, f"{key} is {shown(text)}", allowed, "write the id as the app does")
        else:
            return text
        return None

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": MAX_CLIENT_ID, "pattern": r"^\S(?:.*\S)?$"}


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal between two bounds, both allowed, with so many digits after the point."""

    lowest: Decimal
    highest: Decimal
    decimals: int

    def allowed(self) -> str:
        fraction = f", with at most {self.decimals} decimals" if self.decimals else ""
        return f"a number from {self.lowest:f} to {self.highest:f}{fraction}, written like 1234.5"

    def read(self, key: str, node: Node, problems: Problems) -> Decimal | None:
        text = _scalar(key, node, problems, self.allowed())
        if text is None:
            return None
        # No exponent, underscore, comma or currency: what looks odd is asked about, not guessed at.
        matched = re.fullmatch(r"-?[0-9]{1,30}(?:\.([0-9]{1,30}))?", text)
        if not matched:
            problems.add(
                node.line, f"{key} is {shown(text)}", self.allowed(), "write digits and a point only"
            )
            return None
        number = Decimal(text)
        if not self.lowest <= number <= self.highest:
            problems.add(node.line, f"{key} is {text}", self.allowed(), f"correct {key}")
            return None
        if len((matched[1] or "").rstrip("0")) > self.decimals:
            problems.add(node.line, f"{key} is {text}", self.allowed(), f"round {key}")
            return None
        return number

    def schema(self) -> Schema:
        # The only floats: JSON Schema's own, in an editor; nothing is ever calculated with them.
        return {"type": "number", "minimum": _json(self.lowest), "maximum": _json(self.highest)}


def _json(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


@dataclass(frozen=True, slots=True)
class Day:
    """A local day of the client's."""

    def read(self, key: str, node: Node, problems: Problems) -> date | None:
        allowed = f"a day from {FIRST_DAY} to {LAST_DAY}, written like {FIRST_DAY}"
        text = _scalar(key, node, problems, allowed)
        if text is None:
            return None
        try:
            day = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
        except ValueError:
            day = None
        if day is None or not FIRST_DAY <= day <= LAST_DAY:
            problems.add(node.line, f"{key} is {shown(text)}", allowed, "write the day as year-month-day")
            return None
        return day

    def schema(self) -> Schema:
        return {"type": "string", "format": "date", "pattern": r"^20(?:1[5-9]|[2-9][0-9])-[0-9]{2}-[0-9]{2}$"}


@dataclass(frozen=True, slots=True)
class Zone:
    """A timezone of the IANA database, by its name there."""

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        allowed = "a zone of the IANA database, such as Europe/Berlin or Asia/Kolkata"
        text = _scalar(key, node, problems, allowed)
        if text is None:
            return None
        if is_zone(text):
            return text
        near = difflib.get_close_matches(text[:60], sorted(zones()), n=1)
        problems.add(
            node.line,
            f"{key} is {shown(text)}",
            allowed,
            f"write {near[0]}, if that is meant" if near else "look the zone up in the IANA database",
        )
        return None

    def schema(self) -> Schema:
        return {
            "type": "string",
            "pattern": r"^[A-Za-z0-9_+/-]+$",
            "examples": ["Europe/Berlin", "Asia/Kolkata"],
        }


@functools.cache
def zones() -> frozenset[str]:
    """All zones whose name means the same everywhere; `localtime` and the like depend on the machine."""
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


def is_zone(name: str) -> bool:
    return name in zones()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        allowed = " or ".join(self.words) if len(self.words) <= 5 else f"one of {', '.join(self.words)}"
        text = _scalar(key, node, problems, allowed)
        if text is None or text in self.words:
            return text
        near = difflib.get_close_matches(text[:60], self.words, n=1)
        problems.add(
            node.line,
            f"{key} is {shown(text)}",
            allowed,
            f"write {near[0]}, if that is meant" if near else "write one of these words",
        )
        return None

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217."""

    def read(self, key: str, node: Node, problems: Problems) -> str | None:
        allowed = "a currency of ISO 4217 in capitals, such as USD, EUR or JPY"
        text = _scalar(key, node, problems, allowed)
        if text is None or text in EXPONENTS:
            return text
        upper = text.strip().upper()
        problems.add(
            node.line,
            f"{key} is {shown(text)}",
            allowed,
            f"write {upper}" if upper in EXPONENTS else "look its code up in ISO 4217",
        )
        return None

    def schema(self) -> Schema:
        return {"type": "string", "enum": sorted(EXPONENTS)}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, key: str, node: Node, problems: Problems) -> bool | None:
        text = _scalar(key, node, problems, "true or false")
        if text is None or text in {"true", "false"}:
            return None if text is None else text == "true"
        problems.add(node.line, f"{key} is {shown(text)}", "true or false", "write true or false")
        return None

    def schema(self) -> Schema:
        return {"type": "boolean"}
