"""A month reckoned by hand from its calls to its last correction, four statements later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spanledger_billing.close import verifying
from spanledger_billing.statements.delivery import Order, document
from spanledger_billing.statements.load import LedgerSource
from spanledger_billing.statements.model import Copy
from spanledger_billing.statements.rendering import Format
from support import howe_island
from support.applied import apply
from support.closing import closed, draft, due, store
from support.stored_calls import Call, call


def howe(at: str, cost: str, model: str = "a") -> Call:
    return call(at, cost, client_id="howe", model=model)


# On Lord Howe Island clocks are 10:30 ahead of UTC, and from 5 October 2025 on 11:00. So October is from
# 30 September 13:30 to 31 October 13:00 in UTC, and its days begin at 13:00 after the change.
#
# 1 to 10 October, 10 of 31 days: the second tier begins at 310 * 10/31 = 100 USD.
FIRST = (howe("2025-09-30T13:30", "120"), howe("2025-10-10T12:59:59", "30", "b"))
# 11 to 20 October, 10 of 31 days.
SECOND = (howe("2025-10-10T13:00", "40"), howe("2025-10-20T12:59:59", "10", "cheap-1"))
# 21 to 31 October, 11 of 31 days.
THIRD = howe("2025-10-20T13:00", "30.01")
SEPTEMBERS = howe("2025-09-30T13:29:59", "5")
NOVEMBERS = howe("2025-10-31T13:00", "7")
JANUARYS = howe("2026-01-10T12:00", "0")


def adjustments(statement: Any) -> list[tuple[str, str, str]]:
    return [(each.corrects, each.reason, str(each.amount)) for each in statement.adjustments]


def figures(statement: Any) -> tuple[str, ...]:
    """What the month itself comes to, with adjustments, its tax, and the total."""
    (tax,) = statement.taxes
    return tuple(f"{each.amount}" for each in (statement.charge, statement.net, tax.amount, statement.total))


def lines(statement: Any) -> dict[str, str]:
    return {
        **{line.model: str(line.charge.amount) for line in statement.models},
        **{fee.label: str(fee.amount.amount) for fee in statement.fees},
        **({"minimum": str(statement.minimum.amount.amount)} if statement.minimum else {}),
    }


def test_octobers_every_correction_is_billed_once_by_the_next_statement_to_the_cent(ledger: Any) -> None:
    apply(ledger, howe_island.terms(2025), remove=["acme", "cobalt"])
    store(ledger, *FIRST, *SECOND, THIRD, SEPTEMBERS, NOVEMBERS, JANUARYS)

    # Stretch one: 100 * 1.4 + 50 * 1.2 = 200 USD, 180 EUR at 0.9: a 144 (of 120/150), b 36; the minimum,
    # 310 * 10/31 = 100 EUR, is reached.
    # Stretch two: a 40 * 1.25 = 50 USD, 45 EUR; cheap-1 at cost, 9 EUR; fee 31 * 10/31 = 10 EUR. These 64 EUR are
    # 136 less than the minimum, 620 * 10/31 = 200 EUR.
    # Stretch three: fee 310 * 11/31 = 110 EUR, with 62 * 11/31 = 22 USD in it; the other 8.01 USD at 50 %:
    # 12.015 USD, 10.8135 EUR.
    # 180 + 200 + 120.8135 = 500.8135; a: 144 + 45 + 10.8135 = 199.8135. Tax: 50.081.
    october = closed(ledger, "2025-10", "howe")
    assert lines(october) == {
        "a": "199.81",
        "b": "36.00",
        "cheap-1": "9.00",
        "Fixed fee, 2025-10-11 to 2025-10-20": "10.00",
        "Flat fee with usage included, 2025-10-21 to 2025-10-31": "110.00",
        "minimum": "136.00",
    }
    assert figures(october) == ("500.81", "500.81", "50.08", "550.89")
    # 230.01 USD at 0.9.
    assert (str(october.cost), str(october.margin)) == ("207.01 EUR", "293.80 EUR")
    assert october.number == "2025-10-00001"
    frozen = documents(ledger)

    # A late call of b in stretch one, 10 USD in its second tier: 12 USD, 10.80 EUR. Of 190.80 EUR now a has
    # 120/160, 143.10, and b 47.70: b 11.70 more, a 0.90 less.
    store(ledger, howe("2025-10-03T00:00", "10", "b"))
    # November: the fee with its 7 USD in it. 310 + 10.80 = 320.80.
    november = closed(ledger, "2025-11", "howe")
    assert adjustments(november) == [
        ("2025-10", "all else: late calls", "-0.90 EUR"),
        ("2025-10", "b: 1 late call", "11.70 EUR"),
    ]
    assert figures(november) == ("310.00", "320.80", "32.08", "352.88")

    # Stretch three's call is repriced from 30.01 to 25.01 USD: 5 USD of overage less, 7.50 USD, 6.75 EUR at
    # October's rate. And a late call of November: 107 USD, 45 of them beyond the allowance, 67.50 USD, 47.25 EUR
    # at November's rate of 0.7.
    store(ledger, THIRD.again(cost=Decimal("25.01")), howe("2025-11-05T00:00", "100"))
    december = closed(ledger, "2025-12", "howe")
    assert adjustments(december) == [
        ("2025-10", "a: new prices", "-6.75 EUR"),
        ("2025-11", "a: 1 late call", "47.25 EUR"),
    ]
    # 310 - 6.75 + 47.25, and 35.05 of tax.
    assert figures(december) == ("310.00", "350.50", "35.05", "385.55")
    assert due(ledger, "howe") == []

    # Repriced back: the adjustment is adjusted. 316.75; tax 31.675, half-up.
    store(ledger, THIRD.again(cost=Decimal("25.01")).again(cost=Decimal("30.01")))
    january = draft(ledger, "2026-01", "howe")
    assert adjustments(january) == [("2025-10", "a: new prices", "6.75 EUR")]
    assert figures(january) == ("310.00", "316.75", "31.68", "348.43")
    closed(ledger, "2026-01", "howe", accept=["pipeline-behind"])
    assert due(ledger, "howe") == []

    # All that was billed for October is what October comes to: 500.8135 + 10.80 = 511.6135.
    billed = ledger.query(
        "SELECT sum(charge) FROM billed_lines WHERE corrects = '2025-10' AND client_id = 'howe'"
    )
    computed = ledger.query(
        "SELECT sum(charge) FROM month_lines WHERE month = '2025-10' AND client_id = 'howe'"
    )
    assert billed.first_row == computed.first_row == (Decimal("511.61"),)
    assert documents(ledger) == frozen
    found = verifying.verify(ledger)
    assert (found.findings, found.head.number) == ((), 4)


def documents(ledger: Any) -> list[bytes]:
    source = LedgerSource(ledger)
    return [
        document(source, "howe", Order("2025-10", form, copy)).content for copy in Copy for form in Format
    ]
