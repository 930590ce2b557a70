"""What a file of senders says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sender:
    """Who shows one token."""

    name: str
    stamp: str
    """What the collector makes of the token; the token itself is kept nowhere."""
    clients: tuple[str, ...] | None
    """Whom its calls may bill, sorted; None: everybody."""


def stamp(token: str) -> str:
    """What the collector puts on the calls of who shows this token: the hash of the whole header.

    The configuration of the collector (`transform/stamp_sender`) does the same.
    """
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest()
