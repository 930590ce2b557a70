"""The ledger's pricing, run over stored calls.

There is one pricing, the view that prices calls as they arrive. Here its own text is taken, with stored calls
in the place of arriving ones, so that no other result can come out than an arrival would have. Its rows are
those that the view would store, one revision higher and with the first arrival kept.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spanledger_billing.errors import OperatorError

_ARRIVING: Final = re.compile(r"\bFROM\s+(?:`?\w+`?\.)?`?call_arrivals`?")
_OTHERWISE: Final = {
    "revision": "toUInt16(stored.revision + 1)",
    "call_time": "stored.asked_at",
    # Pricing says so again where it is so still.
    "reasons": "arrayFilter(r -> r != 'parts overlap', stored.reasons)",
}


def priced(ledger: Any, stored: str) -> str:
    """The query that prices the calls of another one by the list in force.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        stored: a query with the columns of llm_calls, and `asked_at`, the time whose price holds.

    Raises:
        OperatorError: the view is missing, or is not one that can be run so.

    """
    found = ledger.query(
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'llm_calls_mv'"
    ).result_rows
    wanted = ", ".join(
        f"{_OTHERWISE.get(name, f'stored.{name}')} AS {name}" for name in columns(ledger, "call_arrivals")
    )
    source = f"FROM (SELECT {wanted} FROM ({stored}) AS stored) AS call_arrivals"  # noqa: S608 - of the schema
    made, replaced = _ARRIVING.subn(lambda _: source, str(found[0][0]) if found else "")
    if replaced != 1:
        raise OperatorError(
            "llm_calls_mv does not read call_arrivals once, so stored calls cannot be priced by it",
            next_step="spanledger migrate",
        )
    return made


def columns(ledger: Any, table: str) -> list[str]:
    """What is written into a table; not what the table makes of it by itself."""
    return [
        str(name)
        for (name,) in ledger.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "AND default_kind = '' ORDER BY position",
            parameters={"table": table},
        ).result_rows
    ]
