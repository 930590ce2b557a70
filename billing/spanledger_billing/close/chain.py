"""The chain of closes: what a close says of itself, and the hash by which it vouches for all before it.

The content of a close is JSON: its own columns, the hash of the close before it, and the SHA-256 of every
line, day and document that it froze. Its hash is the SHA-256 of that content. So whoever keeps the latest
hash, the head, can show of every byte of every closed month that it is the one that was closed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

FIRST: Final = "0" * 64
"""Stands for the hash of the close before the first."""

COLUMNS: Final = (
    "number", "close_id", "client_id", "month", "closed_at", "statement_number", "currency", "rate", "net",
    "total", "accepted", "prev_hash",
)  # fmt: skip
"""The columns of `closes` that its content repeats."""

PARTS: Final = {"lines": "closed_lines", "days": "closed_days"}
"""What else a close froze as rows -> the table."""

ORDER: Final = {"lines": "line", "days": "day"}


@dataclass(frozen=True, slots=True)
class Head:
    """The latest close."""

    number: int = 0
    hash: str = FIRST


def head(ledger: Any) -> Head:
    """The chain's end; number 0 before the first close."""
    found = ledger.query("SELECT number, hash FROM closes ORDER BY number DESC, hash LIMIT 1").result_rows
    return Head(*found[0]) if found else Head()


def content(
    columns: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    documents: Mapping[tuple[str, str], bytes],
) -> str:
    """What a close says of itself.

    Args:
        columns: of `COLUMNS`.
        parts: the rows of `PARTS`, in their order.
        documents: copy and format -> bytes.

    """
    said = {
        "close": {name: canonical(columns[name]) for name in COLUMNS},
        # With the names, so that a later release that keeps more of a row still vouches for these.
        **{
            part: {"columns": sorted(rows[0]) if rows else [], "sha256": [row_digest(row) for row in rows]}
            for part, rows in parts.items()
        },
        "documents": [
            {"copy": copy, "format": form, "sha256": digest(kept)}
            for (copy, form), kept in sorted(documents.items())
        ],
    }
    return json.dumps(said, sort_keys=True, indent=1, ensure_ascii=False)


def row_digest(row: Mapping[str, Any], columns: Iterable[str] | None = None) -> str:
    """SHA-256 of a row, of these columns only where they are given."""
    named = {name: canonical(row.get(name)) for name in (row if columns is None else columns)}
    return digest(json.dumps(named, sort_keys=True, ensure_ascii=False).encode())


def digest(kept: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(kept).hexdigest()


def canonical(value: Any) -> Any:
    """A value of a column, the same whatever way it was read."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): canonical(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(each) for each in value]
    raise TypeError(
        f"found the {type(value).__name__} {value!r} in a closed row; allowed: what its columns hold"
    )


def rows(ledger: Any, part: str, close_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of `PARTS` that these closes froze, by close, in their order."""
    found = ledger.query(
        f"SELECT * FROM {PARTS[part]} WHERE close_id IN {{close_ids:Array(String)}} "  # noqa: S608 - constants
        f"ORDER BY close_id, {ORDER[part]}",
        parameters={"close_ids": list(close_ids)},
    )
    by_close: dict[str, list[dict[str, Any]]] = {}
    for row in found.named_results():
        by_close.setdefault(row["close_id"], []).append(dict(row))
    return by_close


def documents(ledger: Any, close_ids: Sequence[str]) -> dict[str, list[tuple[str, str, bytes]]]:
    """Copy, format and bytes of every document that these closes froze, by close."""
    found = ledger.query(
        "SELECT close_id, copy, format, bytes FROM closed_documents "
        "WHERE close_id IN {close_ids:Array(String)} "
        "ORDER BY close_id, copy, format",
        parameters={"close_ids": list(close_ids)},
        column_formats={"bytes": "bytes"},
    )
    by_close: dict[str, list[tuple[str, str, bytes]]] = {}
    for close_id, copy, form, kept in found.result_rows:
        by_close.setdefault(close_id, []).append((copy, form, bytes(kept)))
    return by_close
