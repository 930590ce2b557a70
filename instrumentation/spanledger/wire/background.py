"""Answers that go on being made after the exchange that asked for them, and are looked at later.

Every look shows the same usage again. So all exchanges of such an answer carry its key and the ledger
bills the key once; an answer made in the foreground was billed when it was made, and a look is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger.wire.parser import Parser

if TYPE_CHECKING:
    from spanledger.wire.reading import Reading


_OPEN = frozenset(("queued", "in_progress"))


class BackgroundParser(Parser):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.status: str | None = None
        self._background: bool | None = None

    @property
    def over(self) -> bool:
        """The provider says that nothing more will come of it."""
        return self.status is not None and self.status not in _OPEN

    def note_background(self, value: Any) -> None:
        if isinstance(value, bool):
            self._background = value

    def settle(self, reading: Reading) -> None:
        call = self.call
        background = self._background
        if background is None:
            background = bool(call.asked.background) and not call.fetch
        if not background:
            if call.fetch or (self.failed and self.over and not reading.found):
                reading.billable = "no"
            return
        reading.response_id = reading.response_id or call.item
        if reading.response_id is None:
            reading.billable = "unknown"
            return
        reading.billing_key = f"{reading.provider}:{reading.response_id}"
        if not self.over:
            # It goes on without us: what this exchange saw is no last word, even where it was cut.
            reading.billable = "pending"
        elif not reading.found and (self.failed or not self.generated):
            reading.billable = "no"
        else:
            reading.billable = "once_per_response_id"
