"""An agency's two months behind a real embedded endpoint, with one of everything that a dashboard has to show.

Calls state what they cost (`priced_calls`), but for those of Glade, whose cached tokens have list prices.

| client | what is odd about it |
|---|---|
| acme | USD by New York's clock, 30 %, a budget of 1,000 USD used to 80 % and more; two projects, two models |
| cobalt | a flat fee of 50 USD that costs 200: a loss of 150 |
| dune | EUR, 20 %, a budget on cost; less than the month before |
| fjord | a flat fee of 100 USD and no call |
| glade | cached tokens, a minimum; calls without a price, without usage, cut short, refused |
| ghost | calls that name a client without terms; others name nobody |
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing import migrate, rollup
from spanledger_billing.prices import sync
from support import endpoint
from support.applied import ACME_ALONE, apply, with_budget
from support.priced_calls import arrive, call
from support.rolled_up import by_hand, checked_once
from support.spans import deliver, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MONTH: Final = "2026-10"
BEFORE: Final = "2026-09"

CLIENTS: Final = (
    with_budget(ACME_ALONE, "{amount: 1000, alert_at_percent: [80, 100]}")
    + """\
  - id: cobalt
    name: Cobalt Legal
    timezone: UTC
    currency: USD
    terms:
      - {from: 2026-01-01, plan: {flat_fee: 50}}
  - id: dune
    name: "Dune, O'Hara & Söhne"
    timezone: Europe/Berlin
    currency: EUR
    budget: {amount: 500, basis: cost}
    terms:
      - {from: 2026-01-01, plan: {markup_percent: 20}}
  - id: fjord
    name: Fjord
    timezone: UTC
    currency: USD
    terms:
      - {from: 2026-01-01, plan: {flat_fee: 100}}
  - id: glade
    name: Glade
    timezone: UTC
    currency: USD
    terms:
      - {from: 2026-01-01, plan: {markup_percent: 25, minimum: 20}}
"""
)


def fill(ledger: Any) -> None:
    """Clients, terms and calls of both months, and of the last minutes."""
    apply(ledger, CLIENTS)
    arrive(
        ledger,
        # The first counts for September in New York, and would not in UTC.
        call("100", client="acme", at="2026-10-01 02:00", extra={"spanledger.project": "seo-bot"}),
        call("150.25", client="acme", at="2026-09-12 12:00"),
        call("400.123456", client="acme", at="2026-10-05 12:00", extra={"spanledger.project": "seo-bot"}),
        call(
            "230.5", client="acme", model="b", at="2026-10-06 12:00", extra={"spanledger.project": "support"}
        ),
        call("0.000001", client="acme", model="b", at="2026-10-20 12:00"),
        call("200", client="cobalt", at="2026-10-09 12:00"),
        call("10", client="cobalt", at="2026-09-09 12:00"),
        call("90", client="dune", at="2026-10-09 12:00"),
        call("300", client="dune", at="2026-09-09 12:00"),
        call("7", client="ghost", at="2026-10-11 12:00"),
        call("3.5", client="", at="2026-10-12 12:00"),
        call("", client="glade", at="2026-10-13 12:00", provider="openai", model="no-such-model"),
        call("", client="glade", at="2026-10-13 13:00", usage={}, extra={"spanledger.usage.found": "false"}),
        call("1", client="glade", at="2026-10-14 12:00", extra={"spanledger.usage.complete": "false"}),
        call(
            "0",
            client="glade",
            at="2026-10-14 13:00",
            usage={"input": 7},
            extra={"spanledger.billable": "no_if_refused_before_output"},
        ),
        *(
            call(
                "",
                client="glade",
                at=f"2026-10-{day} 12:00",
                provider="openai",
                model="gpt-4o-2024-08-06",
                usage={"input": 1_000_000, "cache_read": 600_000, "output": 50_000},
            )
            for day in (15, 16)
        ),
    )
    now = datetime.now(UTC)
    twice = span(at=now - timedelta(minutes=4), client_id="acme", service="shop")
    deliver(
        ledger,
        [
            twice,
            span(at=now - timedelta(minutes=3), client_id="", service="cron"),
            span(
                {"input": "many", "output": 1},
                at=now - timedelta(minutes=2),
                client_id="acme",
                service="shop",
            ),
        ],
    )
    deliver(ledger, [twice])
    rollup.refresh(ledger)


BALLAST: Final = 200_000


def burden(ledger: Any) -> None:
    """Rows of the roll-up in years that no panel of these months shows; a query that reads them reads too much."""
    ledger.command(
        "INSERT INTO usage_15m (quarter, client_id, model, calls) SELECT toDateTime('2023-01-01', 'UTC') "
        f"+ number % 500 * 900, 'acme', concat('ballast ', toString(number)), 1 FROM numbers({BALLAST})"
    )
    ledger.command(
        "INSERT INTO usage_day (month, client_id, day, client_state, model, calls) "
        "SELECT formatDateTime(toDate('2023-01-01') + number % 700 AS on, '%Y-%m'), 'acme', on, 'known', "
        f"concat('ballast ', toString(number)), 1 FROM numbers({BALLAST})"
    )


@contextmanager
def running(folder: Path) -> Iterator[endpoint.Endpoint]:
    """The endpoint with this world in its database `test`."""
    with endpoint.running(folder) as started:
        owner = started.client(tz_mode="aware")
        migrate.apply(owner, timezone="UTC")
        sync.sync(owner)
        by_hand(owner)
        checked_once(owner)  # the next check would find the ballast
        fill(owner)
        burden(owner)
        owner.close()
        yield started
