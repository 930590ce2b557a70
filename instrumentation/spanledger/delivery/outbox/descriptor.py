"""A file descriptor that is closed once nobody uses it any more.

Spans are written without a lock, so whoever retires a segment cannot know whether some thread is about to
write to it; and a number that is closed may be a socket of the app's a moment later. So nobody closes: the
last reference does.
"""

from __future__ import annotations

import os


class Descriptor:
    """Owns one number."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        """Only where no other thread can be using it: in a forked child, and for the last reference."""
        number, self.number = self.number, -1
        if number >= 0:
            try:
                os.close(number)
            except OSError:
                pass

    def __del__(self) -> None:
        self.close()
