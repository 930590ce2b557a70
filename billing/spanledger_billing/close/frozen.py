"""Closed months as they were frozen: the documents' very bytes, never made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger_billing.statements import json_file
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format

if TYPE_CHECKING:
    from spanledger_billing.statements.model import Statement


def document(ledger: Any, client_id: str, month: str, copy: Copy, form: Format) -> bytes | None:
    """The document that was stored when the month was closed; None while it is open."""
    found = ledger.query(
        "SELECT bytes FROM closed_documents WHERE copy = {copy:String} AND format = {form:String} "
        "AND close_id IN (SELECT close_id FROM closes "
        "WHERE client_id = {client_id:String} AND month = {month:String})",
        parameters={"client_id": client_id, "month": month, "copy": copy.value, "form": form.value},
        column_formats={"bytes": "bytes"},
    ).result_rows
    return bytes(found[0][0]) if found else None


def statement(ledger: Any, client_id: str, month: str) -> Statement | None:
    """The closed statement, as a full copy; None while the month is open."""
    kept = document(ledger, client_id, month, Copy.FULL, Format.JSON)
    return None if kept is None else json_file.parse(kept)
