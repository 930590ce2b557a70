"""A `Queue` of nothing but what processes left that are gone: for the flush command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spanledger.delivery.queue import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger.delivery.otlp import EncodedSpan
    from spanledger.delivery.outbox.adoption import Adoption
    from spanledger.delivery.outbox.aside import Aside


class Leftovers:
    """Box after box, as long as there is one to be had."""

    def __init__(self, adoption: Adoption, aside: Aside) -> None:
        self._adoption = adoption
        self._aside = aside
        self._counts = Counts()

    def waits(self) -> bool:
        """Whether there is a box, adopting one if need be."""
        return self._adoption.source is not None or self._adoption.find()

    def take(self, spans: int, size: int) -> list[EncodedSpan]:
        """As `Queue`; of none, the box is done with."""
        source = self._adoption.source
        batch = [] if source is None else source.take(spans, size, self._aside)
        if not batch:
            self._adoption.finish()
        return batch

    def acknowledge(self, batch: Sequence[EncodedSpan]) -> None:
        """As `Queue`."""
        if self._adoption.source is not None:
            self._counts.sent += self._adoption.source.acknowledge(batch)[0]

    def set_aside(self, span: EncodedSpan) -> None:
        """As `Queue`."""
        source = self._adoption.source
        reader = None if source is None else source.reader_of(span)
        if source is not None and reader is not None:
            self._counts.aside += self._aside.refused(reader.path.parent.name, reader.destination, span)
            self._counts.refused += source.acknowledge((span,))[0]

    def let_go(self) -> None:
        """Leave the rest to others."""
        self._adoption.let_go()

    def counts(self) -> Counts:
        """What was sent and refused."""
        return replace(self._counts)
