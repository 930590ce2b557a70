"""Statements for tests: one with known figures, and random ones whose total is reckoned in whole minor units."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from spanledger_billing.money import EXPONENTS, Money
from spanledger_billing.statements.lines import Adjustment, FeeLine, Gap, GapKind, ModelLine, Tax
from spanledger_billing.statements.model import (
    Agency,
    Client,
    Day,
    Period,
    Previous,
    Rate,
    Statement,
    Status,
)


def eur(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def october(zone: str = "Europe/Berlin") -> Period:
    clock = ZoneInfo(zone)
    return Period("2026-10", datetime(2026, 10, 1, tzinfo=clock), datetime(2026, 11, 1, tzinfo=clock), zone)


def statement(**changes) -> Statement:
    """ACME's October: 650.00 + 12.34 of usage, 100.00 fee, 20.00 minimum, -41.07 adjusted, 19 % tax."""
    known = Statement(
        agency=Agency(
            "Nordlicht Digital",
            ("Hafenstraße 12", "20457 Hamburg"),
            email="billing@nordlicht.example",
            tax_id="DE 123456789",
            texts={"footer": "IBAN DE02 1203 0000 0000 2020 51"},
        ),
        client=Client(
            "acme", "ACME GmbH", "Jane Doe", "jane@acme.example", ("1 Market Street",), reference="PO-7"
        ),
        number="R-2026-0042",
        period=october(),
        status=Status.CLOSED,
        currency="EUR",
        total=eur("882.11"),
        models=(
            ModelLine(
                "openai",
                "gpt-5.2",
                1234,
                {"input": Decimal(1_234_567), "cache_read": Decimal(89_012), "output": Decimal(34_567)},
                charge=eur("650.00"),
                cost=eur("500.00"),
                cost_usd=Decimal("543.478260869565217391"),
                markup_percent=Decimal(30),
            ),
            ModelLine(
                "anthropic",
                "claude-opus-4-5",
                9,
                {"input": Decimal(70), "web_search": Decimal(3)},
                charge=eur("12.34"),
                cost=eur("13.37"),
                cost_usd=Decimal("14.532608695652"),
            ),
        ),
        fees=(FeeLine("Platform fee", eur("100.00"), "fixed beside usage; margin 87.13"),),
        minimum=FeeLine("Monthly minimum", eur("20.00"), "782.34 less charge, cost 513.37"),
        adjustments=(
            Adjustment("2026-09", "12 late calls", eur("-41.07"), "computed again: cost 31.59, markup 9.48"),
        ),
        taxes=(Tax("VAT", Decimal(19), eur("741.27"), eur("140.84")),),
        rate=Rate(Decimal("0.92"), date(2026, 10, 30), "European Central Bank"),
        gaps=(
            Gap(GapKind.INCOMPLETE, 3, {"cut short": 3}),
            Gap(GapKind.UNATTRIBUTED, 41, {"nobody named": 41}),
        ),
        previous=Previous("2026-09", eur("800.00"), 1111),
        days=(Day(date(2026, 10, 1), eur("700.00")), Day(date(2026, 10, 31), eur("82.34"))),
    )
    return replace(known, **changes)


def bare(**changes) -> Statement:
    """A month without anything, in USD."""
    nothing = Statement(
        agency=Agency("Nordlicht Digital"),
        client=Client("acme", "ACME GmbH"),
        number="R-1",
        period=october("America/New_York"),
        status=Status.DRAFT,
        currency="USD",
        total=Money.zero("USD"),
    )
    return replace(nothing, **changes)


_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
_minor = st.integers(0, 10**13)


@st.composite
def statements(draw, names=_names, currencies=tuple(EXPONENTS)) -> Statement:
    """Any month: every kind of line, any currency; sums in `int`, independent of what is tested."""
    currency = draw(st.sampled_from(currencies))

    def money(minor: int) -> Money:
        return Money(Decimal(minor).scaleb(-EXPONENTS[currency]), currency)

    def quantities():
        units = st.sampled_from(["input", "cache_read", "output", "reasoning", "web_search", "tool:odd name"])
        return draw(st.dictionaries(units, st.decimals(0, 10**12, places=2), max_size=4))

    charge = 0
    models = []
    for _ in range(draw(st.integers(0, 5))):
        known = draw(st.booleans())
        minor = draw(_minor)
        charge += minor if known else 0
        models.append(
            ModelLine(
                draw(names),
                draw(names),
                draw(st.integers(1, 10**9)),
                quantities(),
                charge=money(minor) if known else None,
                cost=money(draw(_minor)) if known else None,
                cost_usd=draw(st.decimals(0, 10**12, places=18)) if known else None,
                markup_percent=draw(st.none() | st.decimals(0, 500, places=3)),
                unpriced_calls=0 if known else 1,
            )
        )
    fees = draw(st.lists(_minor, max_size=2))
    minimum = draw(st.none() | _minor)
    charge += sum(fees) + (minimum or 0)
    adjusted = draw(st.lists(st.integers(-(10**13), 10**13), max_size=3))
    net = charge + sum(adjusted)
    # Percent in hundredths: half-up in whole numbers, away from zero.
    percent = draw(st.none() | st.integers(0, 5000))
    tax = 0 if percent is None else (abs(net) * percent * 2 + 10_000) // 20_000 * (1 if net >= 0 else -1)
    cut = draw(st.integers(0, charge))
    return Statement(
        agency=Agency(draw(names)),
        client=Client(draw(names), draw(names), draw(names)),
        number=draw(names),
        period=october(
            draw(st.sampled_from(["Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "UTC"]))
        ),
        status=draw(st.sampled_from(Status)),
        currency=currency,
        total=money(net + tax),
        models=tuple(models),
        fees=tuple(FeeLine(draw(names), money(fee), draw(names)) for fee in fees),
        minimum=None if minimum is None else FeeLine(draw(names), money(minimum)),
        adjustments=tuple(
            Adjustment("2026-09", draw(names), money(amount), draw(names)) for amount in adjusted
        ),
        taxes=()
        if percent is None
        else (Tax(draw(names), Decimal(percent).scaleb(-2), money(net), money(tax)),),
        rate=None if currency == "USD" else Rate(Decimal("1.234567"), date(2026, 10, 31), draw(names)),
        gaps=tuple(draw(st.lists(st.builds(Gap, st.sampled_from(GapKind), st.integers(1, 99)), max_size=3))),
        previous=draw(
            st.none() | st.builds(Previous, st.just("2026-09"), _minor.map(money), st.integers(0, 9))
        ),
        days=(Day(date(2026, 10, 3), money(cut)), Day(date(2026, 10, 30), money(charge - cut))),
    )


def at_random(random: Random) -> Statement:
    """Any month likewise, made quickly: thousands of them in seconds."""
    currency = random.choice(("USD", "EUR", "JPY", "KWD"))

    def amount(lowest: int = 0) -> int:
        return random.randint(lowest * 10**13, random.choice((1, 100, 10**5, 10**13)))

    def money(minor: int) -> Money:
        return Money(Decimal(minor).scaleb(-EXPONENTS[currency]), currency)

    charges = [amount() for _ in range(random.randint(0, 6))]
    fees = [amount() for _ in range(random.randint(0, 2))]
    minimum = random.choice((None, amount()))
    adjusted = [amount(-1) for _ in range(random.choice((0, 0, 1, 4)))]
    charge = sum(charges) + sum(fees) + (minimum or 0)
    net = charge + sum(adjusted)
    percent = random.choice((None, 1900, random.randint(0, 5000)))
    tax = 0 if percent is None else (abs(net) * percent * 2 + 10_000) // 20_000 * (1 if net >= 0 else -1)
    cuts = sorted(random.randint(0, charge) for _ in range(random.randint(0, 30)))
    days = [end - start for start, end in pairwise([0, *cuts, charge])]
    return bare(
        currency=currency,
        total=money(net + tax),
        models=tuple(
            ModelLine(
                random.choice(("openai", "anthropic")),
                f"model {number}",
                random.randint(1, 10**6),
                {"input": Decimal(random.randint(0, 10**9))},
                charge=money(minor),
                cost=money(amount()),
                cost_usd=Decimal(amount()).scaleb(-9),
            )
            for number, minor in enumerate(charges)
        ),
        fees=tuple(FeeLine("Fee", money(fee)) for fee in fees),
        minimum=None if minimum is None else FeeLine("Monthly minimum", money(minimum)),
        adjustments=tuple(Adjustment("2026-09", "late calls", money(each)) for each in adjusted),
        taxes=() if percent is None else (Tax("VAT", Decimal(percent).scaleb(-2), money(net), money(tax)),),
        rate=None if currency == "USD" else Rate(Decimal("1.234567"), date(2026, 10, 31), "ECB"),
        days=tuple(Day(date(2026, 10, n), money(each)) for n, each in enumerate(days, start=1)),
    )
