"""What a telling event of a stream cannot be without, found at the speed of memory.

A regular expression looks at every byte in turn; `find` and `count` of `bytes` pass by several at once. Most
of a stream's events have the same few names with nothing behind them (`"usage": null`), so it is counted
whether there are more of a name than of those, and only then looked for the one that differs.
"""

from __future__ import annotations

import re
from typing import Final


class Mark:
    """Text to be searched for: `plain` as it is; or `pattern`, which begins with `plain`.

    Where `plain` stands as one of `harmless`, which begin with it too, `pattern` does not fit.
    """

    __slots__ = ("_harmless", "_pattern", "_plain", "_within")

    def __init__(
        self, plain: bytes, *harmless: bytes, pattern: bytes | None = None, within: int | None = None
    ) -> None:
        """`within`: where nothing of this length follows it, of what it is looked for in."""
        self._plain = plain
        self._within = within
        self._harmless = harmless
        self._pattern = None if pattern is None else re.compile(pattern)

    def find(self, data: bytes, start: int = 0) -> int:
        """Where the first one begins, no earlier than `start`; -1 where there is none."""
        pattern = self._pattern
        if pattern is None:
            if self._within is not None:
                start = max(start, len(data) - self._within)
            return data.find(self._plain, start)
        # Once a block: to count anew behind every hit would take the square of the time.
        if start == 0 and not self._suspect(data):
            return -1
        match = pattern.search(data, start)
        return -1 if match is None else match.start()

    def _suspect(self, data: bytes) -> bool:
        left = data.count(self._plain)
        for each in self._harmless:
            if left <= 0:
                break
            left -= data.count(each)
        return left > 0


def unless_null(name: bytes, pattern: bytes | None = None) -> Mark:
    """A member that says something. `pattern`: of several names that begin alike."""
    pattern = pattern or re.escape(b'"' + name + b'"')
    whole = b'"' + name
    return Mark(whole, whole + b'":null', whole + b'": null', pattern=pattern + rb"(?![ \t]*:[ \t]*null)")


_AFTER_THE_END: Final = 1024
"""Behind the mark of a stream's end there may be a comment, but no event."""


def marks(*each: bytes | Mark) -> tuple[Mark, ...]:
    """For `Parser.SIEVE`; the mark of a stream's end always matters."""
    return (
        Mark(b"[DONE]", within=_AFTER_THE_END),
        *(one if isinstance(one, Mark) else Mark(one) for one in each),
    )
