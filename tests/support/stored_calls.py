"""Calls with a cost that the test states, as rows of `llm_calls`: priced, priced again, or attributed again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_serial = itertools.count(1)


@dataclass(frozen=True)
class Call:
    """One call of 1,000 input tokens by ACME, unless said otherwise; `cost` None where it has no price."""

    at: datetime
    cost: Decimal | None
    client_id: str = "acme"
    model: str = "gpt-4o"
    provider: str = "openai"
    incomplete_reason: str = ""
    line: str = ""
    arrived: datetime | None = None
    """When it first arrived; a minute after its start unless said otherwise."""
    revision: int = 0
    number: int = field(default_factory=lambda: next(_serial))

    def again(self, **changes: Any) -> Call:
        """The same call, priced or attributed again."""
        return replace(self, revision=self.revision + 1, **changes)

    def row(self) -> dict[str, Any]:
        at = self.at.astimezone(UTC)
        return {
            "hour": at.replace(minute=0, second=0, microsecond=0),
            "claimed_client_id": "of the span",
            "trace_id": f"{self.number:032x}",
            "span_id": f"{self.number:016x}",
            "revision": self.revision,
            "first_arrival": (self.arrived or at + timedelta(minutes=1)).astimezone(UTC),
            "call_time": at,
            "started_at": at,
            "client_id": self.client_id,
            "provider": self.provider,
            "operation": "chat",
            "response_model": self.model,
            "line": self.line,
            "billable": "yes",
            "usage_found": True,
            "usage_complete": not self.incomplete_reason,
            "units": {"input": Decimal(1000)},
            "costs": {} if self.cost is None else {"input": self.cost},
            "cost_usd": self.cost,
            "bills": True,
            "unpriced_reason": "" if self.cost is not None else "model not in the price list",
            "incomplete_reason": self.incomplete_reason,
        }


def call(at: str, cost: str | None = "1", **columns: Any) -> Call:
    """A call at an instant (ISO, UTC where it says nothing else) of a cost in USD."""
    moment = datetime.fromisoformat(at)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return Call(moment, None if cost is None else Decimal(cost), **columns)


def put(ledger: Any, calls: Iterable[Call]) -> None:
    """Store calls by one insert."""
    rows = [each.row() for each in calls]
    if rows:
        ledger.insert("llm_calls", [list(row.values()) for row in rows], column_names=list(rows[0]))
