"""What `spanledger.health` counts while a block runs."""

from collections import Counter
from typing import Self

from spanledger import health


class Counting:
    """As a context manager: `kinds` holds the counts that the block added."""

    def __enter__(self) -> Self:
        self._before = Counter(health.snapshot())
        self.kinds: dict[str, int] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self.kinds = dict(Counter(health.snapshot()) - self._before)
