"""The words by which `spanledger attribute` is told which calls it is about."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from spanledger.attribution import shown
from spanledger_billing.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES: Final = ("unattributed", "unknown")
COLUMNS: Final = {
    "client": "claimed_client_id",
    "project": "project",
    "app": "service",
    "provider": "provider",
    "model": "model",
    "trace": "trace_id",
}
"""Word of a filter -> column of the view calls that must equal its value."""
LABEL: Final = "label:"
DAYS: Final = {"since": ">=", "until": "<="}
ATTRIBUTED: Final = "attributed"

ALLOWED: Final = (
    f"{', '.join(STATES)}, {'=…, '.join(COLUMNS)}=…, label:KEY=…, since=YYYY-MM-DD, until=YYYY-MM-DD, "
    f"{ATTRIBUTED}=CLIENT; each once"
)
_EXAMPLE: Final = "for instance: spanledger attribute client=acme-corp since=2026-10-01 --to acme --dry-run"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls: all that fit every word."""

    words: dict[str, str]
    """As the operator wrote them; a word without a value has the empty one."""
    where: Sequence[str]
    """Conditions on the view calls."""
    days: Sequence[str]
    """Conditions on the day of who is to pay."""
    parameters: dict[str, Any] = field(default_factory=dict)


def read(words: Sequence[str]) -> Filter:
    """A filter from the words of the command line.

    Raises:
        InvalidInputError: a word is none, stands there twice, or has no value that it needs.

    """
    found: dict[str, str] = {}
    where, days = [], []
    parameters: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key in found:
            raise _wrong(f"the filter has {shown(key)} twice")
        is_label = key.startswith(LABEL) and key != LABEL
        if key not in {*STATES, *COLUMNS, *DAYS, ATTRIBUTED} and not is_label:
            near = difflib.get_close_matches(key[:60], [*STATES, *COLUMNS, *DAYS, ATTRIBUTED], n=1)
            raise _wrong(
                f"the filter has {shown(word)}",
                f"write {near[0]}, if that is meant; {_EXAMPLE}" if near else "",
            )
        if (key in STATES) == bool(equals) or (key in {"client", ATTRIBUTED, *DAYS} and not value):
            raise _wrong(f"the filter has {shown(word)}")
        found[key] = value
        name = f"value_{len(parameters)}"
        if key in STATES:
            where.append(f"client_state = '{key}'")
        elif key in DAYS:
            days.append(f"own_day {DAYS[key]} {{{name}:Date}}")
            parameters[name] = _day(word, value)
        else:
            column = "client_id" if key == ATTRIBUTED else COLUMNS.get(key, "")
            if is_label:
                parameters[f"{name}_key"] = key.removeprefix(LABEL)
                column = f"labels[{{{name}_key:String}}]"
            where.append(f"{column} = {{{name}:String}}")
            parameters[name] = value
    if not found:
        raise _wrong("no filter says which calls")
    if not set(STATES) - found.keys():
        raise _wrong("the filter has unattributed and unknown, and no call is both")
    # Who pays already is never taken calls away from, unless they came by an order like this.
    where.append(
        "claimed_client_id != client_id"
        if ATTRIBUTED in found
        else "client_state IN ('unattributed', 'unknown')"
    )
    return Filter(found, where, days or ["true"], parameters)


def _day(word: str, value: str) -> date:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _wrong(f"the filter has {shown(word)}")


def _wrong(found: str, next_step: str = "") -> InvalidInputError:
    return InvalidInputError(found, allowed=ALLOWED, next_step=next_step or _EXAMPLE)
