"""What a provider is asked and what it answers, before any of it becomes HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .books import Entry, Outcome, Units

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from .books import Books

ANSWER_WORDS = (
    "saffron ",
    "lanterns ",
    "drift ",
    "over ",
    "the ",
    "quiet ",
    "harbour ",
    "while ",
    "marmalade ",
    "cools.",
)
"""Every answer's text: words that nobody finds anywhere by chance, so that a leak of them shows."""

ANSWER_TEXT = "".join(ANSWER_WORDS)

TOOL_ARGUMENTS = {
    "city": "Zanzibar-of-the-tool-argument",
    # A model can write these; who searches an answer for usage, and does not read it in its place, bills it.
    "usage": {"prompt_tokens": 999_999, "input_tokens": 999_999, "output_tokens": 999_999},
    "usageMetadata": {"promptTokenCount": 999_999, "candidatesTokenCount": 999_999},
}


@dataclass(frozen=True)
class Asked:
    """A request to a provider."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    api_key: str
    body: dict[str, Any]
    behaviour: dict[str, str]
    """What the caller wants to see go wrong; see `server.BEHAVIOUR_HEADER`."""
    books: Books
    random: Random
    """Seeded for this one call."""


@dataclass(frozen=True)
class Event:
    """One piece of a streamed answer."""

    data: bytes
    states: Units | None = None
    """The units that this piece states; None where it states none."""
    ends: bool = False
    """Whether it is the answer's last word."""


@dataclass
class Answer:
    """A provider's answer: a JSON document or a stream of events."""

    body: Any = None
    status: int = 200
    events: Sequence[Event] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    """The call's own entry first, its further lines behind it; empty for an exchange that is free."""


def new_id(prefix: str) -> str:
    """An id that no other run of any seed repeats, as a provider's ids are."""
    return prefix + secrets.token_hex(12)


def new_entry(
    asked: Asked, provider: str, operation: str, model: str, outcome: Outcome = "answered"
) -> Entry:
    return Entry(
        provider=provider,
        host=asked.host,
        api_key=asked.api_key,
        operation=operation,
        model=model,
        outcome=outcome,
    )


def nonzero(**units: int) -> Units:
    return {name: quantity for name, quantity in units.items() if quantity}
