"""Nobody can choose who pays but for the clients that the operator lets him bill."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from spanledger import names
from spanledger_billing import rollup
from spanledger_billing.errors import RefusedError
from spanledger_billing.senders import applying, tables
from spanledger_billing.senders.model import Sender, stamp
from support.priced_calls import arrive, call

if TYPE_CHECKING:
    from support.spans import Span

WEB, JOBS = stamp("web-token"), stamp("jobs-token")
SENDERS = (Sender("jobs", JOBS, None), Sender("web", WEB, ("acme", 'o\'neill "und" söhne')))


def put_in_force(ledger: Any, senders: tuple[Sender, ...] = SENDERS) -> None:
    applying.carry_out(ledger, applying.plan(ledger, senders, b""))


def sent(client: str, by: str, **more: Any) -> Span:
    """A call that claims a client, stamped by the collector."""
    lately = datetime.now(UTC) - timedelta(minutes=5)
    return call("5", client=client, at=lately, extra={names.SENDER: by} if by else {}, **more)


def arrive_now(ledger: Any, *calls: Span) -> None:
    arrive(ledger, *calls, at=datetime.now(UTC) + timedelta(seconds=1))


def billed(ledger: Any) -> Any:
    """(claimed client, client who pays, reasons) of each call."""
    return ledger.query(
        "SELECT claimed_client_id, client_id, reasons FROM calls ORDER BY claimed_client_id, reasons"
    ).result_rows


def test_without_a_file_of_senders_anybody_may_bill_anybody(ledger: Any) -> None:
    arrive_now(ledger, sent("acme", ""), sent("cobalt", WEB))
    assert billed(ledger) == [("acme", "acme", []), ("cobalt", "cobalt", [])]


@pytest.mark.parametrize(
    ("client", "by", "pays", "reasons"),
    [
        ("acme", WEB, "acme", []),
        ('o\'neill "und" söhne', WEB, 'o\'neill "und" söhne', []),
        ("cobalt", WEB, "", ["sender may not bill this client"]),
        ("ACME", WEB, "", ["sender may not bill this client"]),
        ("acme ", WEB, "", ["sender may not bill this client"]),
        ("", WEB, "", []),
        ("cobalt", JOBS, "cobalt", []),
        ("nobody has heard of it", JOBS, "nobody has heard of it", []),
        ("acme", "", "", ["no sender"]),
        ("", "", "", ["no sender"]),
        ("acme", stamp("another-token"), "", ["sender unknown"]),
        ("acme", WEB[:-1], "", ["sender unknown"]),
        ("acme", WEB + "0", "acme", []),
    ],
)
def test_a_call_counts_for_the_client_that_it_claims_where_its_sender_may_bill_that_client(
    ledger: Any, client: str, by: str, pays: str, reasons: list[str]
) -> None:
    put_in_force(ledger)
    arrive_now(ledger, sent(client, by))
    assert billed(ledger) == [(client, pays, reasons)]


def test_what_bills_nobody_needs_nobodys_leave(ledger: Any) -> None:
    put_in_force(ledger)
    arrive_now(ledger, sent("doctor", "", billable="no"))
    assert billed(ledger) == [("doctor", "doctor", [])]
    assert ledger.query("SELECT count() FROM unparsed").first_row == (0,)


def test_a_call_that_may_not_bill_its_client_keeps_its_cost_and_stands_among_the_unattributed(
    ledger: Any,
) -> None:
    put_in_force(ledger)
    arrive_now(ledger, sent("cobalt", WEB), sent("acme", WEB))
    rollup.refresh_usage(ledger)
    assert ledger.query(
        "SELECT client_id, client_state, sum(d.calls), sum(d.cost_usd) FROM usage_day AS d FINAL "
        "WHERE calls > 0 GROUP BY ALL ORDER BY ALL"
    ).result_rows == [("", "unattributed", 1, 5), ("acme", "unknown", 1, 5)]
    assert not rollup.drift(ledger)


def test_what_arrived_before_the_senders_stays_as_it_is_when_it_is_delivered_or_fed_again(
    ledger: Any,
) -> None:
    early = sent("acme", "")
    lost = replace(sent("cobalt", ""), service="lost")
    before = datetime.now(UTC) - timedelta(minutes=3)
    arrive(ledger, early, lost, at=before)
    put_in_force(ledger)
    arrive_now(ledger, early)
    assert [row[1] for row in billed(ledger)] == ["acme", "cobalt"]
    ledger.command("ALTER TABLE llm_calls DELETE WHERE service = 'lost' SETTINGS mutations_sync = 2")
    assert rollup.repair(ledger).fed_again == 1
    assert billed(ledger) == [("acme", "acme", []), ("cobalt", "cobalt", [])]


def test_each_version_of_the_senders_holds_for_what_arrives_under_it(ledger: Any) -> None:
    put_in_force(ledger)
    arrive_now(ledger, sent("cobalt", WEB))
    ledger.command(
        "ALTER TABLE sender_versions UPDATE applied_at = applied_at - INTERVAL 1 HOUR WHERE 1 SETTINGS mutations_sync = 2"
    )
    put_in_force(ledger, (Sender("web", WEB, ("cobalt",)),))
    arrive_now(ledger, sent("cobalt", WEB, model="b"), sent("acme", WEB), sent("dune", JOBS))
    assert billed(ledger) == [
        ("acme", "", ["sender may not bill this client"]),
        ("cobalt", "cobalt", []),
        ("cobalt", "", ["sender may not bill this client"]),
        ("dune", "", ["sender unknown"]),
    ]
    applying.lift(ledger)
    arrive(ledger, sent("elm", ""), at=datetime.now(UTC) + timedelta(seconds=2))
    assert billed(ledger)[-1] == ("elm", "elm", [])


def test_an_apply_that_broke_off_is_not_seen_and_of_two_at_once_one_wins(ledger: Any) -> None:
    ledger.insert(
        "sender_rights",
        [["broken off", "web", WEB, True, ""]],
        column_names=["apply_id", "name", "stamp", "every_client", "client_id"],
    )
    arrive_now(ledger, sent("acme", ""))
    assert billed(ledger) == [("acme", "acme", [])]
    first, second = (applying.plan(ledger, SENDERS, content) for content in (b"1", b"2"))
    applying.carry_out(ledger, first)
    with pytest.raises(RefusedError, match="another apply became version 1 of the senders first"):
        applying.carry_out(ledger, second)
    assert tables.current(ledger) == tables.Version(1, SENDERS)


def test_refusals_are_counted_by_sender_and_reason_whatever_names_were_claimed(ledger: Any) -> None:
    put_in_force(ledger)
    arrive_now(
        ledger,
        *(sent(f"made up {n}", WEB) for n in range(3)),
        sent("acme", WEB),
        sent("acme", ""),
        sent("", WEB),
    )
    assert ledger.query(
        "SELECT sender_name, stamp, reason, calls, claimed_ids FROM sender_refusals ORDER BY reason"
    ).result_rows == [
        ("", "", "no sender", 1, 1),
        ("web", WEB, "sender may not bill this client", 3, 3),
    ]
