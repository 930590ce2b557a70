"""Calls put straight into `call_arrivals`, at any time in the past, for tests of what a call costs."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_serial = itertools.count(1)


def arrival(quantities: Mapping[str, object], *, at: datetime, **columns: Any) -> dict[str, Any]:
    """A complete call by acme to OpenAI, unless said otherwise. `columns` are those of `call_arrivals`."""
    number = next(_serial)
    moment = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    return {
        "first_arrival": moment[:-3],
        "hour": f"{at.astimezone(UTC):%Y-%m-%d %H:00:00}",
        "call_time": moment,
        "started_at": moment,
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "claimed_client_id": "acme",
        "client_id": "acme",
        "provider": "openai",
        "operation": "chat",
        "billable": "yes",
        "usage_found": True,
        "usage_complete": True,
        "quantities": {name: str(amount) for name, amount in quantities.items()},
    } | columns


def arrive(client: Any, arrivals: Iterable[Mapping[str, Any]]) -> None:
    """Put calls in by one insert."""
    rows = list(arrivals)
    columns = sorted({name for row in rows for name in row})
    block = "\n".join(json.dumps(row) for row in rows).encode()
    client.raw_insert("call_arrivals", column_names=columns, insert_block=block, fmt="JSONEachRow")
