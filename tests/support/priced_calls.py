"""Calls that cost what a test says, from the span on: a provider's own figure is what it bills."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from spanledger import names
from support.spans import EXPORTER_COLUMNS, Span, span

PROVIDER = "openrouter"


def utc(text: str) -> datetime:
    """`2026-10-01 13:30` and the like, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def call(cost_usd: str, *, client: str, at: str | datetime, model: str = "a", **more: Any) -> Span:
    """A call of a thousand tokens whose provider says what it cost; an empty cost leaves that open."""
    extra = {names.PROVIDER_COST_USD: cost_usd} if cost_usd else {}
    return span(
        more.pop("usage", {"input": 1000, "output": 100}),
        at=utc(at) if isinstance(at, str) else at,
        client_id=client,
        provider=more.pop("provider", PROVIDER),
        request_model=model,
        response_model=model,
        extra=extra | more.pop("extra", {}),
        **more,
    )


def arrive(ledger: Any, *calls: Span, at: datetime | None = None) -> None:
    """One insert by the collector; each call arrives when it began, unless said otherwise.

    So a call's time makes sense whatever the day on which a test runs.
    """
    rows = [(each.row(), at or _began(each)) for each in calls]
    block = "\n".join(
        json.dumps(row | {"inserted_at": f"{arrival.astimezone(UTC):%Y-%m-%d %H:%M:%S}.000"})
        for row, arrival in rows
    )
    ledger.raw_insert(
        "otel_traces",
        column_names=(*EXPORTER_COLUMNS, "inserted_at"),
        insert_block=block.encode(),
        fmt="JSONEachRow",
    )


def _began(each: Span) -> datetime:
    assert isinstance(each.at, datetime)
    return each.at + timedelta(seconds=2)


def one(ledger: Any, query: str, **parameters: Any) -> dict[str, Any]:
    """The one row of a query, by column."""
    (row,) = ledger.query(query, parameters=parameters).named_results()
    return dict(row)
