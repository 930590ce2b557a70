"""The providers' books: what every call used, and how much of it ever reached the wire.

An entry is one exchange, whether the provider bills it or not; one that several models answer has an entry
for each of them, and a response made in the background has one, however often it is looked at. Units never
overlap: `input` is without sound and without what was read from or written to a cache, `output` is without
reasoning and pictures.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Units = dict[str, int]

Outcome = Literal[
    "answered",  # the provider bills it
    "refused",  # an HTTP error instead of an answer
    "failed",  # an answer that says inside that it failed, without any usage
    "free",  # tokens counted, or a stored answer looked at again
]


@dataclass
class Entry:
    """One call, or one further model's line of it."""

    provider: str
    host: str
    api_key: str
    """Whose call it is: the demo gives each of its clients a key of their own."""
    operation: str
    model: str
    """As the answer names it; as the request does where there is no answer."""
    units: Units = field(default_factory=dict)
    """What the provider counted, whoever got to hear of it."""
    outcome: Outcome = "answered"
    status: int = 200
    stream: bool = False
    response_id: str | None = None
    line: str = ""
    """Empty for the call itself; what else was billed with it, as the provider names it."""
    shown: Units | None = None
    """The units as the last statement on the wire had them; None where the wire never stated any."""
    complete: bool = False
    """Whether the answer's last word was sent."""


class Books:
    """Entries in the order of the calls; safe to use from the server's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._calls_by_key: dict[str, int] = {}
        self._ids_seen: dict[str, int] = {}

    def number_of_call(self, api_key: str) -> int:
        """0, 1, 2 … for each key: the same calls get the same figures however clients interleave."""
        with self._lock:
            number = self._calls_by_key.get(api_key, 0)
            self._calls_by_key[api_key] = number + 1
            return number

    def times_seen(self, name: str) -> int:
        """How often this name was asked about before."""
        with self._lock:
            times = self._ids_seen.get(name, 0)
            self._ids_seen[name] = times + 1
            return times

    def write(self, *entries: Entry) -> None:
        with self._lock:
            self._entries.extend(entries)

    def count(self) -> int:
        with self._lock:
            return len(self._entries)

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(entry) for entry in self._entries]
