"""Random rosters, each one that `clients.yaml` can say."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from spanledger_billing.clients.kinds import zones
from spanledger_billing.clients.layout import UNITS
from spanledger_billing.clients.model import (
    Agency,
    Basis,
    Budget,
    Client,
    Contact,
    ExchangeRate,
    Override,
    Plan,
    PlanKind,
    Roster,
    Tax,
    Terms,
    Tier,
)
from spanledger_billing.money import EXPONENTS

FIRST = date(2025, 1, 1)
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
ZERO = Decimal(0)

printable = st.text(
    st.characters(exclude_categories=("C", "Z")) | st.sampled_from(" '\"#:-{}[]&*!|>%@`,"),
    min_size=1,
    max_size=30,
)
texts = printable.map(str.strip).filter(bool)
client_ids = (
    st.sampled_from(["acme", "o'brien", 'say "hi"', "日本", "🦊", "a: b", "- x", "true", "0x1F", "~"]) | texts
)


def decimals(highest: int, places: int) -> Any:
    return st.integers(0, highest * 10**places).map(lambda number: Decimal(number).scaleb(-places))


markups = decimals(1000, 4)
usd = decimals(10**11, 6)


@st.composite
def overrides(draw: Any) -> tuple[Override, ...]:
    keys = draw(
        st.sets(
            st.tuples(
                st.sampled_from(["", "openai", "gcp.vertex_ai"]),
                st.sampled_from(["", "gpt-5-mini", "gpt-5*", "claude-*"]),
                st.sampled_from(["", *UNITS, "tool:maps"]),
            ).filter(any),
            max_size=4,
        )
    )
    made = [Override(draw(markups), *key) for key in keys]
    return tuple(sorted(made, key=lambda one: (*(-int(part) for part in one.rank), one.key)))


@st.composite
def plans(draw: Any, currency: str) -> Plan:
    money = decimals(10**11, EXPONENTS[currency])
    kind = draw(st.sampled_from(PlanKind))
    if kind is PlanKind.FLAT_FEE:
        return Plan(kind, fee=draw(money))
    common = {"fee": draw(money), "minimum": draw(money), "overrides": draw(overrides())}
    if kind is PlanKind.TIERS:
        starts = sorted({ZERO, *draw(st.sets(usd, max_size=4))})
        return Plan(kind, tuple(Tier(start, draw(markups)) for start in starts), **common)
    allowance = draw(usd) if kind is PlanKind.ALLOWANCE else ZERO
    return Plan(kind, (Tier(ZERO, draw(markups)),), allowance_cost_usd=allowance, **common)


@st.composite
def budgets(draw: Any, currency: str) -> Budget | None:
    if draw(st.booleans()):
        return None
    basis = draw(st.sampled_from(Basis))
    places = 6 if basis is Basis.COST else EXPONENTS[currency]
    amount = max(draw(decimals(10**11, places)), Decimal(1))
    thresholds = draw(st.sets(decimals(999, 4).map(lambda number: number + 1), min_size=1, max_size=4))
    return Budget(amount, basis, tuple(sorted(thresholds)))


@st.composite
def stretches(draw: Any) -> tuple[Terms, ...]:
    """Up to four stretches; zone and currency change on a month's first day only."""
    begins = sorted(draw(st.sets(st.integers(0, 700), min_size=1, max_size=4)))
    first_days = [FIRST + timedelta(days=days) for days in begins]
    made: list[Terms] = []
    for position, day in enumerate(first_days):
        changes = not made or day.day == 1
        zone = draw(st.sampled_from(sorted(zones()))) if changes else made[-1].timezone
        currency = draw(st.sampled_from(CURRENCIES)) if changes else made[-1].currency
        following = first_days[position + 1] if position + 1 < len(first_days) else None
        ends = draw(st.booleans())
        gap = draw(st.integers(1, 5))
        until = day + timedelta(days=gap) if ends else following
        if until is not None and following is not None:
            until = min(until, following)
        made.append(
            Terms(
                from_day=day,
                until_day=until,
                timezone=zone,
                currency=currency,
                plan=draw(plans(currency)),
                tax=draw(st.none() | st.builds(Tax, texts, decimals(100, 4))),
                budget=draw(budgets(currency)),
                hide_cost=draw(st.booleans()),
                incomplete_tolerance_percent=draw(decimals(100, 4)),
            )
        )
    return tuple(made)


contacts = st.builds(
    Contact,
    name=st.just("") | texts,
    email=st.sampled_from(["", "ap@acme.example"]),
    address=st.lists(texts, max_size=3).map(tuple),
)
clients = st.builds(
    Client,
    id=client_ids,
    name=texts,
    terms=stretches(),
    contact=contacts,
    tax_id=st.just("") | texts,
    reference=st.just("") | texts,
)
agencies = st.builds(
    Agency,
    name=texts,
    timezone=st.just("") | st.sampled_from(["UTC", "Asia/Kolkata"]),
    address=st.lists(texts, max_size=3).map(tuple),
    email=st.sampled_from(["", "a@b.example"]),
    tax_id=st.just("") | texts,
    logo=st.just("") | texts,
    colour=st.sampled_from(["", "#1f4e79"]),
    texts=st.dictionaries(st.sampled_from(["payment", "footer_2"]), texts | st.just("two\nlines")),
)


@st.composite
def rosters(draw: Any) -> Roster:
    drawn = draw(st.lists(clients, max_size=3, unique_by=lambda client: client.id))
    rates = {
        (currency, FIRST): draw(decimals(10**7 - 1, 10)) + 1 for currency in CURRENCIES if currency != "USD"
    }
    rates[("EUR", date(2026, 2, 28))] = Decimal("0.9123456789")
    return Roster(
        agency=draw(agencies),
        clients=tuple(sorted(drawn, key=lambda client: client.id)),
        exchange_rates=tuple(
            ExchangeRate(currency, day, rate, "European Central Bank")
            for (currency, day), rate in sorted(rates.items())
        ),
    )
