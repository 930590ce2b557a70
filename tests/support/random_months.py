"""Random clients, each with terms of every kind and a month's usage, many at once: one query judges them all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from spanledger_billing.clients import calendars, tables
from spanledger_billing.clients.days import ZoneFrom, days
from spanledger_billing.clients.model import (
    Agency,
    Client,
    ExchangeRate,
    Override,
    Plan,
    PlanKind,
    Roster,
    Terms,
    Tier,
)
from spanledger_billing.money import EXACT, EXPONENTS, exact_sum
from support.charging import Used

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

ZONES = (
    "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Berlin",
    "Pacific/Apia", "Pacific/Kiritimati", "UTC",
)  # fmt: skip
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
MODELS = (
    ("openai", "gpt-5"), ("openai", "gpt-5-mini"), ("anthropic", "claude-opus-4"), ("openrouter", "gpt-5"),
    ("gcp.gemini", "gemini-3-flash"),
)  # fmt: skip
UNITS = ("input", "output", "cache_read", "web_search", "stated_by_provider")


def decimal(random: Random, highest: int, places: int) -> Decimal:
    """Often round, often small, sometimes as large as it may be."""
    digits = random.choice([0, 2, places])
    top = random.choice([1, 10, 1000, highest])
    return Decimal(random.randint(0, top * 10**digits)).scaleb(-digits)


def markup(random: Random) -> Decimal:
    return random.choice([Decimal(0), Decimal(30), Decimal(1000), decimal(random, 1000, 4)])


def plan(random: Random, currency: str) -> Plan:
    places = EXPONENTS[currency]
    kind = random.choice(list(PlanKind))
    fee, minimum = (decimal(random, 10**11, places) * random.choice([0, 1]) for _ in range(2))
    if kind is PlanKind.FLAT_FEE:
        return Plan(kind, fee=fee)
    starts = {Decimal(0)}
    if kind is PlanKind.TIERS:
        starts |= {decimal(random, 10**6, 6) for _ in range(random.randint(0, 3))}
    keys = {
        (
            random.choice(["", "openai"]),
            random.choice(["", "gpt-5", "gpt-5*", "g*"]),
            random.choice(["", *UNITS]),
        )
        for _ in range(random.choice([0, 0, 1, 3]))
    } - {("", "", "")}
    found = [Override(markup(random), *key) for key in sorted(keys)]
    return Plan(
        kind,
        tuple(Tier(start, markup(random)) for start in sorted(starts)),
        fee=fee,
        allowance_cost_usd=decimal(random, 10**6, 6) if kind is PlanKind.ALLOWANCE else Decimal(0),
        minimum=minimum,
        overrides=tuple(sorted(found, key=lambda one: (*(-int(part) for part in one.rank), one.key))),
    )


def client(random: Random, client_id: str, month: str) -> Client:
    """Under terms on some or all days of the month; up to three stretches."""
    zone, currency = random.choice(ZONES), random.choice(CURRENCIES)
    first = date.fromisoformat(f"{month}-01")
    begins = sorted(
        {random.choice([date(2025, 1, 1), first.replace(day=random.randint(1, 28))]) for _ in range(3)}
    )
    ends = random.choice([None, None, first.replace(day=28)])
    stretches = []
    for position, day in enumerate(begins):
        until = begins[position + 1] if position + 1 < len(begins) else ends
        if until is None or day < until:
            stretches.append(Terms(day, until, zone, currency, plan(random, currency)))
    return Client(
        client_id, client_id, tuple(stretches or [Terms(first, None, zone, currency, plan(random, currency))])
    )


def usage(random: Random, of: Client, local_days: Sequence[date]) -> list[Used]:
    under_terms = [day for day in local_days if of.terms_on(day)]
    return [
        Used(
            random.choice(under_terms),
            *random.choice(MODELS),
            random.choice(UNITS),
            decimal(random, 10**9, 18),
        )
        for _ in range(random.choice([0, 1, 2, 5, 20]))
        if under_terms
    ]


def rates(random: Random) -> tuple[ExchangeRate, ...]:
    return tuple(
        ExchangeRate(currency, date(2025, 1, 1), rate, "test")
        for currency, rate in (
            ("EUR", Decimal("0.9143")),
            ("JPY", decimal(random, 1000, 10) + Decimal("0.0001")),
            ("KWD", random.choice([Decimal("0.3071"), Decimal(10**7), Decimal("0.0001")])),
        )
    )


def local_days(of: Client, month: str) -> list[date]:
    first = date.fromisoformat(f"{month}-01")
    last = (first.replace(day=28) + (date(2025, 1, 5) - date(2025, 1, 1))).replace(day=1)
    return [each.day for each in days(of.zones, first, last) if each.month == month]


def put_in_force(ledger: Any, clients: Iterable[Client], exchange_rates: Sequence[ExchangeRate]) -> None:
    """Make these the ledger's clients, as `clients apply` would."""
    roster = Roster(Agency("Meridian"), tuple(sorted(clients, key=lambda one: one.id)), tuple(exchange_rates))
    calendars.extend(ledger, [[ZoneFrom(zone, date(2025, 1, 1))] for zone in ZONES])
    calendars.extend(ledger, {calendars.calendar_id(one.zones): one.zones for one in roster}.values())
    version = ledger.query("SELECT max(version) FROM client_versions").first_row[0] + 1
    tables.write(ledger, roster, version=version, file_sha256="")


def use(ledger: Any, usage_of: Mapping[str, Sequence[Used]]) -> None:
    """Put usage where the roll-up would; a day's cost of a model in two projects where it is of several units."""
    written = datetime.now(UTC)
    rows = []
    for client_id, used in usage_of.items():
        by_row: dict[tuple[date, str, str, str], dict[str, Decimal]] = {}
        for position, one in enumerate(used):
            key = (one.day, one.provider, one.model, f"project {position % 2}")
            costs = by_row.setdefault(key, {})
            costs[one.unit] = EXACT.add(costs.get(one.unit, Decimal(0)), one.cost_usd)
        rows += [
            (
                *(f"{day:%Y-%m}", client_id, day, "known", project, provider, model),
                *(dict.fromkeys(costs, Decimal(1)), costs, exact_sum(costs.values()), 1, written),
            )
            for (day, provider, model, project), costs in by_row.items()
        ]
    columns = (
        "month client_id day client_state project provider model units costs cost_usd calls refreshed_at"
    )
    if rows:
        # The driver multiplies by the scale in the present context, which would round to 28 digits.
        with localcontext(EXACT):
            ledger.insert("usage_day", rows, column_names=columns.split())
