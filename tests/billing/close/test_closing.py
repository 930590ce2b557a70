"""A month is closed once, whole, and never changes again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spanledger_billing import rollup
from spanledger_billing.close import chain, closing, freezing, verifying
from spanledger_billing.errors import InvalidInputError, RefusedError
from spanledger_billing.statements.delivery import Order, document
from spanledger_billing.statements.load import LedgerSource
from spanledger_billing.statements.model import Copy, Status
from spanledger_billing.statements.rendering import Format
from support.applied import apply
from support.closing import TERMS, close, closed, draft, store
from support.stored_calls import call

DOCUMENTS = [(copy, form) for copy in Copy for form in Format]


def documents(ledger: Any, month: str = "2026-10", client: str = "acme") -> list[bytes]:
    source = LedgerSource(ledger)
    return [document(source, client, Order(month, form, copy)).content for copy, form in DOCUMENTS]


def figures(ledger: Any) -> list[Any]:
    """What the views say of ACME's October."""
    where = "WHERE client_id = 'acme' AND month = '2026-10' AND client_state = 'known' ORDER BY ALL"
    views = ("margins", "charges", "trend", "billed_lines", "billed_days")
    rows = [ledger.query(f"SELECT * FROM {view} {where}").result_rows for view in views]
    budget = "SELECT spent, share_percent FROM budget_status WHERE client_id = 'acme' AND month = '2026-10'"
    return [*rows, ledger.query(budget).result_rows]


def test_acme_with_500_of_cost_at_30_percent_is_closed_with_650_and_a_margin_of_150(october: Any) -> None:
    statement = closed(october, "2026-10")
    assert str(statement.total) == "650.00 USD"
    assert str(statement.margin) == "150.00 USD"
    assert statement.status is Status.CLOSED
    margin = october.query(
        "SELECT charge, cost, margin FROM margins WHERE client_id = 'acme' AND month = '2026-10'"
    ).result_rows
    assert margin == [(Decimal(650), Decimal(500), Decimal(150))]
    budget = october.query(
        "SELECT share_percent, reached_percent FROM budget_status WHERE client_id = 'acme' AND month = '2026-10'"
    ).result_rows
    assert budget == [(Decimal(65), [])]


def test_a_client_on_a_flat_fee_of_500_who_caused_620_is_closed_with_a_margin_of_minus_120(
    ledger: Any,
) -> None:
    apply(ledger, TERMS.replace("currency: EUR\n    terms", "currency: USD\n    terms"))
    store(ledger, call("2026-10-10T12:00", "620", client_id="cobalt"), call("2026-11-05T12:00", "0"))
    statement = closed(ledger, "2026-10", "cobalt")
    assert (str(statement.total), str(statement.margin)) == ("500.00 USD", "-120.00 USD")


def test_a_call_at_new_yorks_eleventh_hour_of_october_31_is_octobers(ledger: Any) -> None:
    store(ledger, call("2026-11-01T03:00", "10"), call("2026-11-01T04:00", "1000"))
    assert str(closed(ledger, "2026-10").total) == "13.00 USD"


def test_closed_documents_are_the_frozen_bytes_whatever_comes_later(october: Any) -> None:
    closed(october, "2026-10")
    before = documents(october)
    first = call("2026-10-20T12:00", "40")
    store(october, first, call("2026-10-21T12:00", "7", model="another"))
    store(october, first.again(cost=Decimal(90)))
    apply(october, TERMS.replace("markup_percent: 30", "markup_percent: 10"), closed=True)
    assert documents(october) == before


def test_every_view_of_charges_says_of_a_closed_month_what_its_statement_says(october: Any) -> None:
    closed(october, "2026-10")
    before = figures(october)
    store(october, call("2026-10-20T12:00", "40"), call("2026-10-21T12:00", "7", model="another"))
    apply(october, TERMS.replace("markup_percent: 30", "markup_percent: 10"), closed=True)
    assert figures(october) == before


def test_the_views_say_of_a_month_the_same_before_and_after_it_is_closed(october: Any) -> None:
    rollup.refresh_charges(october)
    before = figures(october)
    closed(october, "2026-10")
    after = figures(october)
    # But that it is closed, which billed_lines tells in its last column.
    assert [row[:-1] for row in after[3]] == [row[:-1] for row in before[3]]
    assert after[:3] + after[4:] == before[:3] + before[4:]


def test_the_closed_statement_is_the_draft_with_a_number(october: Any) -> None:
    as_draft = draft(october, "2026-10")
    statement = closed(october, "2026-10")
    assert as_draft.status is Status.DRAFT
    assert (statement.total, statement.models, statement.days) == (
        as_draft.total,
        as_draft.models,
        as_draft.days,
    )
    assert statement.number == "2026-10-00001"
    assert draft(october, "2026-10") == statement


def test_a_closed_month_beside_a_later_one_is_what_its_trend_is_measured_by(october: Any) -> None:
    closed(october, "2026-10")
    store(october, call("2026-10-20T12:00", "40"))
    previous = draft(october, "2026-11").previous
    assert previous is not None
    assert (previous.month, str(previous.total), previous.calls) == ("2026-10", "650.00 USD", 1)


def test_a_client_that_is_taken_out_of_the_terms_keeps_its_closed_statements(october: Any) -> None:
    closed(october, "2026-10")
    before = documents(october)
    without = TERMS[: TERMS.index("  - id: acme")] + TERMS[TERMS.index("  - id: cobalt") :]
    apply(october, without, closed=True, remove=["acme"])
    assert "acme" in LedgerSource(october).clients("2026-10")
    assert documents(october) == before


def test_closing_twice_does_nothing(october: Any) -> None:
    closed(october, "2026-10")
    before = documents(october), chain.head(october)
    store(october, call("2026-10-20T12:00", "40"))
    again = close(october, "2026-10")
    assert again.already
    assert again.head is None
    assert (documents(october), chain.head(october)) == before


def test_a_dry_run_writes_nothing_and_says_what_would_be_closed(october: Any) -> None:
    outcome = close(october, "2026-10", dry_run=True)
    assert outcome.statement is not None
    assert str(outcome.statement.total) == "650.00 USD"
    for table in ("closes", "closed_lines", "closed_days", "closed_documents"):
        assert october.query(f"SELECT count() FROM {table}").first_row[0] == 0


def test_without_a_client_all_of_the_month_are_closed_in_one_chain(october: Any) -> None:
    outcomes = list(closing.close(october, "2026-10"))
    assert [(each.client_id, str(each.statement.total)) for each in outcomes if each.statement] == [
        ("acme", "650.00 USD"),
        ("cobalt", "500.00 EUR"),
    ]
    rows = october.query("SELECT number, client_id, prev_hash, hash FROM closes ORDER BY number").result_rows
    assert [row[:3] for row in rows] == [(1, "acme", chain.FIRST), (2, "cobalt", rows[0][3])]
    assert chain.head(october) == chain.Head(2, rows[1][3])


def test_a_cause_against_one_client_keeps_no_other_from_its_statement(october: Any) -> None:
    store(october, call("2026-10-11T12:00", None))
    outcomes = list(closing.close(october, "2026-10"))
    assert [(each.client_id, each.refused) for each in outcomes] == [("acme", True), ("cobalt", False)]


def test_a_fault_with_one_client_keeps_no_other_from_its_statement_and_is_told_last(
    october: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LedgerSource.reading

    def fails(source: LedgerSource, client_id: str, month: str) -> Any:
        if client_id == "acme":
            raise RefusedError("no exchange rate of GBP is known")
        return read(source, client_id, month)

    monkeypatch.setattr(LedgerSource, "reading", fails)
    outcomes = closing.close(october, "2026-10")
    assert next(outcomes).client_id == "cobalt"
    with pytest.raises(RefusedError, match="no exchange rate of GBP"):
        next(outcomes)
    assert october.query("SELECT client_id FROM closes").result_rows == [("cobalt",)]


@pytest.mark.parametrize(
    ("month", "client", "found"),
    [
        ("2026-10", "ghost", "'ghost' has no month 2026-10 to close"),
        ("2025-12", "acme", "'acme' has no month 2025-12 to close"),
        ("2147-01", "acme", "'acme' has no month 2147-01 to close"),
    ],
    ids=["no such client", "before its terms", "not begun"],
)
def test_what_is_no_month_of_a_client_is_named(ledger: Any, month: str, client: str, found: str) -> None:
    with pytest.raises(InvalidInputError, match=found):
        close(ledger, month, client)


def test_a_cause_that_there_is_not_is_named_with_those_that_there_are(october: Any) -> None:
    with pytest.raises(InvalidInputError, match="'unprised' is no cause; allowed: unpriced, stale-prices"):
        close(october, "2026-10", accept=["unprised"])


@pytest.mark.parametrize("table", ["closed_lines", "closed_days", "closed_documents", "closes"])
def test_a_close_that_breaks_off_is_never_seen_and_closing_again_closes(
    october: Any, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = freezing._insert

    def breaks_off(ledger: Any, into: str, *rest: Any) -> None:
        if into == table:
            raise ConnectionError("broken off")
        insert(ledger, into, *rest)

    monkeypatch.setattr(freezing, "_insert", breaks_off)
    with pytest.raises(ConnectionError):
        close(october, "2026-10")
    monkeypatch.undo()
    assert october.query("SELECT count() FROM billed_lines WHERE closed").first_row[0] == 0
    assert draft(october, "2026-10").status is Status.DRAFT
    assert verifying.verify(october).findings == ()
    assert str(closed(october, "2026-10").total) == "650.00 USD"
    assert verifying.verify(october).findings == ()
