"""What a name costs with overrides on top of a list, told from the cards that the ledger prices by."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from genai_prices import types as types_
from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from spanledger_billing.errors import InvalidInputError
from spanledger_billing.prices import published
from spanledger_billing.prices.overrides_reading import read
from spanledger_billing.prices.units import Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger_billing.prices.published import PriceList

FACTS = [
    ("provider", "openai", "openai"),
    ("authority", "openai", "its own figure"),
    ("free", "openai/tool:look", "no charge"),
    ("multiplier", "openai/inference_geo/us", "1.1"),
]


def a_market(overrides: str) -> PriceList:
    """One provider: gpt-4o (batch at half price, dearer above 100 tokens of input) and all that begins so."""
    return listed(overrides, [OPENAI], FACTS)


def listed(
    overrides: str, providers: Sequence[types_.Provider], facts: Sequence[tuple[str, str, str]]
) -> PriceList:
    stated = read(overrides.encode(), {provider.id: provider.id for provider in providers})
    return published.read(list(providers), UnitRegistry(unit_data), "1", facts, stated)


OPENAI = types_.Provider(
    id="openai",
    name="",
    api_pattern="",
    models=[
        types_.ModelInfo(
            id="gpt-4o",
            match=types_.ClauseOr(
                or_=[
                    types_.ClauseEquals(equals="gpt-4o-2024"),
                    types_.ClauseStartsWith(starts_with="gpt-4o"),
                ]
            ),
            prices=types_.ModelPrice(
                input_mtok=types_.TieredPrices(
                    base=Decimal(10), tiers=[types_.Tier(start=100, price=Decimal(20))]
                ),
                output_mtok=Decimal(40),
            ),
            price_variants=[
                types_.PriceVariant(
                    when={"processing": "batch"},
                    prices=types_.ModelPrice(input_mtok=Decimal(5), output_mtok=Decimal(20)),
                )
            ],
        )
    ],
)

AZURE = types_.Provider(
    id="azure",
    name="",
    api_pattern="",
    models=[
        types_.ModelInfo(
            id=name,
            match=types_.ClauseStartsWith(starts_with=name),
            prices=types_.ModelPrice(output_mtok=price),
        )
        for name, price in (("gpt-4", Decimal(44)), ("phi", Decimal(2)))
    ],
)


def model_of(prices: PriceList, seller: str, name: str) -> str:
    """The model that the ledger finds: by name, else by the first pattern that fits."""
    for provider, each, model in prices.names:
        if (provider, each) == (seller, name):
            return model
    for provider, rules in prices.rules:
        for rule in rules if provider == seller else ():
            if all(re.search(p, name) for p in rule.must) and not any(
                re.search(p, name) for p in rule.must_not
            ):
                return rule.model
    return ""


def rate(
    prices: PriceList,
    name: str,
    unit: str,
    *,
    seller: str = "openai",
    day: date = date(2026, 10, 5),
    tokens: int = 0,
    **wanted: str,
) -> Rate | None:
    """What a unit costs: by the last of the cards that apply."""
    key = model_of(prices, seller, name)
    cards = next((each.cards for each in prices.models if (each.provider, each.key) == (seller, key)), [])
    found = None
    for card in cards:
        circumstances = {
            "processing": card.processing,
            "service_tier": card.service_tier,
            "speed": card.speed,
        }
        if (
            card.valid_from <= day < card.valid_until
            and all(not value or wanted.get(word) == value for word, value in circumstances.items())
            and (card.input_tokens_above == 0 or tokens > card.input_tokens_above)
        ):
            found = card
    return found.rates.get(unit) if found else None


def usd(prices: PriceList, name: str, unit: str, **about: object) -> Decimal | None:
    found = rate(prices, name, unit, **about)  # type: ignore[arg-type]
    return found.price_usd if found else None


def entry(model: str, text: str, begins: str = "2026-10-01", whose: str = "provider: openai") -> str:
    return f"  - {{{whose}, model: '{model}', from: {begins}, source: contract, {text}}}\n"


def test_a_negotiated_rate_holds_on_its_days_for_the_units_it_names() -> None:
    prices = a_market("prices:\n" + entry("gpt-4o", "until: 2026-11-01, usd_per_million: {output: 30}"))
    assert usd(prices, "gpt-4o", "output", day=date(2026, 9, 30)) == 40
    assert usd(prices, "gpt-4o", "output", day=date(2026, 10, 1)) == 30
    assert usd(prices, "gpt-4o-anything", "output", day=date(2026, 10, 31)) == 30
    assert usd(prices, "gpt-4o", "output", day=date(2026, 11, 1)) == 40
    assert usd(prices, "gpt-4o", "input") == 10


def test_units_without_a_price_of_their_own_follow_the_wider_one_that_is_overridden() -> None:
    prices = a_market("prices:\n" + entry("gpt-4o", "usd_per_million: {input: 8, cache_write_1h: 9}"))
    assert usd(prices, "gpt-4o", "cache_read") == 8
    assert usd(prices, "gpt-4o", "cache_write_1h") == 9
    assert usd(prices, "gpt-4o", "cache_write_5m") == 8


def test_a_rate_is_stated_at_every_size_of_the_prompt() -> None:
    flat = a_market("prices:\n" + entry("gpt-4o", "usd_per_million: {input: 8}"))
    assert [usd(flat, "gpt-4o", "input", tokens=n) for n in (100, 101)] == [8, 8]
    tiered = "usd_per_million: {input: 8}, above_input_tokens: [{tokens: 50, usd_per_million: {input: 16}}]"
    prices = a_market("prices:\n" + entry("gpt-4o", tiered))
    assert [usd(prices, "gpt-4o", "input", tokens=n) for n in (50, 51, 101)] == [8, 16, 16]


def test_prices_of_circumstances_are_apart_from_the_usual_ones() -> None:
    usual = a_market("prices:\n" + entry("gpt-4o", "usd_per_million: {output: 30}"))
    assert usd(usual, "gpt-4o", "output", processing="batch") == 20
    text = entry("gpt-4o", "processing: batch, usd_per_million: {output: 15}")
    text += entry("gpt-4o", "service_tier: priority, usd_per_million: {output: 60}")
    prices = a_market("prices:\n" + text)
    assert usd(prices, "gpt-4o", "output", processing="batch") == 15
    assert usd(prices, "gpt-4o", "input", processing="batch") == 5
    assert usd(prices, "gpt-4o", "output", service_tier="priority") == 60
    assert usd(prices, "gpt-4o", "output") == 40
    # Nobody says what input costs with priority: it is not the usual price.
    assert usd(prices, "gpt-4o", "input", service_tier="priority") is None


def test_a_discount_is_off_every_published_price_and_not_off_those_stated() -> None:
    text = entry("gpt-*", "discount_percent: 12.5") + entry("gpt-4o", "usd_per_million: {output: 30}")
    prices = a_market("prices:\n" + text)
    assert [usd(prices, "gpt-4o", "input", tokens=n) for n in (100, 101)] == [
        Decimal("8.75"),
        Decimal("17.5"),
    ]
    assert usd(prices, "gpt-4o", "input", processing="batch") == Decimal("4.375")
    assert usd(prices, "gpt-4o", "output") == 30


def test_what_is_about_one_model_wins_over_what_is_about_many_then_the_later_one() -> None:
    text = entry("gpt-4o", "usd_per_million: {output: 30}")
    text += entry("gpt-*", "usd_per_million: {input: 7, output: 35}", "2026-10-03")
    text += entry("gpt-4o", "usd_per_million: {output: 29}", "2026-10-05")
    prices = a_market("prices:\n" + text)
    assert usd(prices, "gpt-4o", "output", day=date(2026, 10, 4)) == 30
    assert usd(prices, "gpt-4o", "output", day=date(2026, 10, 5)) == 29
    assert usd(prices, "gpt-4o", "input", day=date(2026, 10, 5)) == 7


def test_an_entry_for_some_names_of_a_model_leaves_the_others_alone() -> None:
    text = entry("gpt-4o-2024", "usd_per_million: {output: 30}")
    text += entry("gpt-4o-audio-*", "usd_per_million: {output: 31}")
    prices = a_market("prices:\n" + text)
    outputs = {
        name: usd(prices, name, "output")
        for name in ("gpt-4o", "gpt-4o-2024", "gpt-4o-2025", "gpt-4o-audio-1", "gpt-4o-audi")
    }
    assert outputs == {
        "gpt-4o": 40,
        "gpt-4o-2024": 30,
        "gpt-4o-2025": 40,
        "gpt-4o-audio-1": 31,
        "gpt-4o-audi": 40,
    }
    assert usd(prices, "gpt-4o-audio-1", "input") == 10


def test_models_that_the_list_does_not_know_have_the_prices_stated_and_no_others() -> None:
    text = entry("o9", "usd_per_million: {input: 1}") + entry("o9-*", "usd_per_million: {input: 2}")
    prices = a_market("prices:\n" + text)
    assert (usd(prices, "o9", "input"), usd(prices, "o9-mini", "input")) == (1, 2)
    assert usd(prices, "o9", "output") is None
    assert usd(prices, "o9", "input", day=date(2026, 9, 30)) is None
    assert model_of(prices, "openai", "o8") == ""


def test_a_host_is_priced_as_a_provider_on_its_days_with_that_providers_overrides_and_its_own() -> None:
    host = "host:a.example"
    text = "priced_as:\n  - {host: A.example, as: openai, from: 2026-10-02, until: 2026-12-01, source: s}\n"
    text += "prices:\n" + entry("gpt-4o", "usd_per_million: {output: 30}")
    text += entry("gpt-4o", "usd_each: {request: 0.5}", "2026-01-01", "host: a.example")
    prices = a_market(text)
    days = [date(2026, 10, 1), date(2026, 10, 2), date(2026, 11, 30), date(2026, 12, 1)]
    assert [usd(prices, "gpt-4o-x", "output", seller=host, day=day) for day in days] == [None, 30, 30, None]
    assert [usd(prices, "gpt-4o", "request", seller=host, day=day) for day in days] == [Decimal("0.5")] * 4
    assert usd(prices, "gpt-4o", "request") is None
    # What holds of the provider's calls beside prices holds of the host's.
    assert set(prices.facts) - set(FACTS) == {
        ("provider", host, host),
        ("authority", host, "its own figure"),
        ("free", f"{host}/tool:look", "no charge"),
        ("multiplier", f"{host}/inference_geo/us", "1.1"),
    }


def test_a_host_or_provider_of_its_own_has_the_prices_stated_whatever_the_model() -> None:
    text = "priced_as:\n  - {provider: kestrel, as: own, from: 2026-01-01, source: s}\nprices:\n"
    text += entry("*", "usd_per_hour: {seconds: 0.36}", whose="host: gpu.example")
    text += entry(
        "k", "usd_per_thousand: {'tool:dig': 4}, usd_each: {images: 0.02}", whose="provider: kestrel"
    )
    prices = a_market(text)
    assert rate(prices, "any", "seconds", seller="host:gpu.example") == Rate(Decimal("0.36"), 3600)
    assert rate(prices, "k", "tool:dig", seller="provider:kestrel") == Rate(Decimal(4), 1000)
    assert rate(prices, "k", "images", seller="provider:kestrel") == Rate(Decimal("0.02"), 1)
    assert ("provider", "kestrel", "provider:kestrel") in prices.facts


def test_the_version_tells_other_prices_and_sources_apart_and_no_others() -> None:
    text = "prices:\n" + entry("gpt-4o", "usd_per_million: {output: 30}")
    assert a_market(text).version == a_market(text + "# a comment\n").version
    others = {a_market(text.replace(*change)).version for change in (("30", "31"), ("contract", "annex"))}
    assert len({*others, a_market(text).version, a_market("prices: []").version}) == 4


HOST = "host:a.example"
TWO_LISTS = """
priced_as:
  - {host: a.example, as: openai, from: 2026-01-01, until: 2026-07-01, source: s}
  - {host: a.example, as: azure, from: 2026-07-01, until: 2026-09-01, source: s}
  - {host: a.example, as: openai, from: 2026-10-01, source: s}
prices:
"""
DAYS = [date(2025, 12, 31), date(2026, 6, 30), date(2026, 7, 1), date(2026, 9, 1), date(2026, 10, 1)]


def test_a_host_is_priced_by_one_list_after_the_other_each_on_its_days() -> None:
    text = TWO_LISTS + entry("gpt-4o", "usd_each: {request: 0.5}", "2026-01-01", "host: a.example")
    prices = listed(text, [OPENAI, AZURE], [])

    def on_each_day(name: str, unit: str) -> list[Decimal | None]:
        return [usd(prices, name, unit, seller=HOST, day=day) for day in DAYS]

    # By name and by pattern, by one list and by the other.
    for name in ("gpt-4o", "gpt-4o-2024", "gpt-4o-mini"):
        assert on_each_day(name, "output") == [None, 40, 44, None, 40]
    assert on_each_day("gpt-4-turbo", "output") == [None, None, 44, None, None]
    assert on_each_day("phi-3", "output") == [None, None, 2, None, None]
    assert on_each_day("gpt-4o", "input") == [None, 10, None, None, 10]
    assert on_each_day("gpt-4o", "request") == [None, *[Decimal("0.5")] * 4]
    assert model_of(prices, HOST, "gpt-5") == ""
    assert usd(prices, "gpt-4o", "output", seller=HOST, day=DAYS[1], processing="batch") == 20


def test_between_two_stretches_of_one_list_a_hosts_own_prices_are_the_only_ones() -> None:
    text = TWO_LISTS.replace("as: azure", "as: own")
    text += entry("*", "until: 2026-10-01, usd_per_million: {output: 3}", "2026-07-15", "host: a.example")
    prices = listed(text, [OPENAI, AZURE], FACTS)
    days = [*DAYS, date(2026, 8, 1)]
    assert [usd(prices, "gpt-4o", "output", seller=HOST, day=day) for day in days] == [
        None,
        40,
        None,
        3,
        40,
        3,
    ]
    assert [usd(prices, "llama", "output", seller=HOST, day=day) for day in days] == [
        None,
        None,
        None,
        3,
        None,
        3,
    ]
    assert ("multiplier", f"{HOST}/inference_geo/us", "1.1") in prices.facts


def test_two_lists_for_whose_calls_other_things_hold_beside_prices_are_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"host:a\.example is priced as openai and as azure, for whose"
    ):
        listed(TWO_LISTS.removesuffix("prices:\n"), [OPENAI, AZURE], [*FACTS, ("provider", "azure", "azure")])
