"""Clients whose months are closed in tests, and closing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger_billing import rollup
from spanledger_billing.close import closing
from spanledger_billing.statements.load import LedgerSource
from support.applied import SMALL, with_budget
from support.stored_calls import put

if TYPE_CHECKING:
    from decimal import Decimal

    from spanledger_billing.close.closing import Outcome
    from spanledger_billing.statements.model import Statement
    from support.stored_calls import Call

TERMS = with_budget(SMALL, "{amount: 1000, alert_at_percent: [80]}")


def store(ledger: Any, *calls: Call) -> None:
    """Put calls in and roll them up; what open months are charged is kept by nobody here, and closes reckon it anew."""
    put(ledger, calls)
    rollup.refresh_usage(ledger)


def close(ledger: Any, month: str, client: str = "acme", **options: Any) -> Outcome:
    """Close one client's month."""
    (outcome,) = closing.close(ledger, month, [client], **options)
    return outcome


def closed(ledger: Any, month: str, client: str = "acme", **options: Any) -> Statement:
    """The statement of a month that must close."""
    outcome = close(ledger, month, client, **options)
    assert outcome.statement is not None, outcome.causes
    assert outcome.head is not None
    return outcome.statement


def draft(ledger: Any, month: str, client: str = "acme") -> Statement:
    return LedgerSource(ledger).statement(client, month)


def due(ledger: Any, client: str = "acme") -> list[tuple[str, str, Decimal, str]]:
    """The adjustments due: closed month, the month they enter, charge there, why."""
    return [
        tuple(row)
        for row in ledger.query(
            "SELECT month, into_month, charge, reason FROM adjustments_due WHERE client_id = {client:String} "
            "ORDER BY month, provider, model, kind",
            parameters={"client": client},
        ).result_rows
    ]


def names(outcome: Outcome) -> list[str]:
    return [cause.name for cause in outcome.causes]
