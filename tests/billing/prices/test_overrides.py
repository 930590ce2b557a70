"""A file of overrides is read whole or refused, with every problem in it by line."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from spanledger_billing.errors import InvalidInputError
from spanledger_billing.prices.overrides import END, Overrides, Stated, reached
from spanledger_billing.prices.overrides_layout import json_schema
from spanledger_billing.prices.overrides_reading import read

KNOWN = {"openai": "openai", "anthropic": "anthropic", "google": "google", "gcp.gemini": "google"}
SCHEMA = Path("schema/overrides.schema.json")
EXAMPLE = Path("schema/overrides.example.yaml")


def reads(text: str) -> Overrides:
    return read(text.encode(), KNOWN)


def entry(text: str) -> str:
    return f"prices:\n  - {{provider: openai, model: m, from: 2026-01-01, source: s, {text}}}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidInputError) as refused:
        reads(text)
    assert "nothing was changed" in str(refused.value)
    assert "spanledger prices apply overrides.yaml --dry-run" in str(refused.value)
    return [line for line in str(refused.value).splitlines() if line.startswith("overrides.yaml:")]


def test_the_example_is_read_whole() -> None:
    found = read(EXAMPLE.read_bytes(), KNOWN | {"azure": "azure"})
    assert [(one.seller, one.provider) for one in found.mappings] == [
        ("host:llm-proxy.meridian.example", "openai"),
        ("host:llm-proxy.meridian.example", "azure"),
        ("kestrel", ""),
    ]
    large = next(one for one in found.prices if one.seller == "google")
    assert large.prices["input"] == Stated(
        Decimal("1.10"), 1_000_000, ((200_000, Decimal("2.20"), 1_000_000),)
    )
    batch = next(one for one in found.prices if one.circumstances == (("processing", "batch"),))
    assert (batch.from_day, batch.until_day, batch.model) == (date(2026, 7, 1), END, "gpt-4o")
    assert found.sellers == ("host:llm-proxy.meridian.example", "kestrel", "host:gpu-1.meridian.example")


def test_the_schema_file_is_what_the_layout_makes_and_takes_the_example() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), "run `make docs`"
    Draft7Validator.check_schema(json_schema())
    # As text, as editors read days.
    Draft7Validator(json_schema()).validate(
        json.loads(json.dumps(yaml.safe_load(EXAMPLE.read_text()), default=str))
    )
    assert EXAMPLE.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")


def test_the_example_shows_every_key_there_is() -> None:
    def keys(schema: dict[str, Any]) -> set[str]:
        inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
        return set(schema.get("properties", ())).union(*map(keys, inner))

    assert {key for key in keys(json_schema()) if f"{key}:" not in EXAMPLE.read_text()} == set()


REFUSED = {
    "an unknown provider": (
        "prices:\n  - {provider: opnai, model: m, from: 2026-01-01, source: s, usd_each: {request: 1}}\n",
        (
            "2: provider is opnai, which the price list does not have; allowed: anthropic, google, openai; "
            "next: write openai, if that is meant"
        ),
    ),
    "no seller": (
        "prices:\n  - {model: m, from: 2026-01-01, source: s, usd_each: {request: 1}}\n",
        (
            "2: this entry names neither a host nor a provider; allowed: one of host and provider; "
            "next: name one of them"
        ),
    ),
    "two sellers": (
        entry("host: a.example, usd_each: {request: 1}"),
        (
            "2: this entry names both a host and a provider; allowed: one of host and provider; "
            "next: name one of them"
        ),
    ),
    "no price": (
        entry("processing: batch"),
        (
            "2: this entry states no price; allowed: usd_per_million, usd_per_thousand, usd_per_hour, usd_each or "
            "discount_percent; next: state what it costs, such as usd_per_million: {input: 2, output: 8}"
        ),
    ),
    "a price and a discount": (
        entry("usd_each: {request: 1}, discount_percent: 5"),
        (
            "2: prices and a discount in one entry; allowed: either prices or discount_percent; "
            "next: make two entries of it"
        ),
    ),
    "two prices of a unit": (
        entry("usd_each: {request: 1}, usd_per_thousand: {request: 1}"),
        "2: request has two prices; allowed: each unit once; next: remove one of them",
    ),
    "a price for large prompts alone": (
        entry("usd_each: {request: 1}, above_input_tokens: [{tokens: 9, usd_per_million: {input: 1}}]"),
        (
            "2: input has a price above 9 tokens and none below; allowed: both in one entry; "
            "next: state the price of input for smaller prompts beside from"
        ),
    ),
    "an end before the beginning": (
        entry("until: 2026-01-01, usd_each: {request: 1}"),
        (
            "2: until is 2026-01-01, and from is 2026-01-01; allowed: the first day on which it no longer holds, "
            "after from; next: correct one of them"
        ),
    ),
    "a mapping of what the list knows": (
        "priced_as:\n  - {provider: gcp.gemini, as: openai, from: 2026-01-01, source: s}\n",
        (
            "2: the price list has the provider gcp.gemini; allowed: a provider that no list knows, or a host; "
            "next: state its prices under prices, without priced_as"
        ),
    ),
    "a host twice at a time": (
        (
            "priced_as:\n  - {host: a.example, as: openai, from: 2026-01-01, source: s}\n"
            "  - {host: A.example, as: google, from: 2027-01-01, source: s}\n"
        ),
        (
            "3: host:a.example stands here and on line 2, and some days are in both; allowed: each host and provider "
            "once at a time; next: let one end (until) on the day on which the other begins, or remove one of them"
        ),
    ),
    "three lists for a host": (
        (
            "priced_as:\n  - {host: a.example, as: openai, from: 2026-01-01, until: 2026-02-01, source: s}\n"
            "  - {host: a.example, as: google, from: 2026-02-01, until: 2026-03-01, source: s}\n"
            "  - {host: a.example, as: anthropic, from: 2026-03-01, source: s}\n"
        ),
        (
            "4: host:a.example is priced by the lists of openai, google, anthropic; allowed: 2 lists one after the "
            "other, and own; next: map it to own for these days, and state its prices under prices"
        ),
    ),
    "a discount on nothing": (
        "prices:\n  - {host: a.example, model: m, from: 2026-01-01, source: s, discount_percent: 5}\n",
        (
            "2: a discount on host:a.example, for which no list has prices; allowed: a provider of the price list, "
            "or a host that is priced as one; next: state its prices"
        ),
    ),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_allowed_is_refused_with_its_line(text: str, problem: str) -> None:
    assert problems(text) == [f"overrides.yaml:{problem}"]


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        (entry("usd_per_million: {input: -1}"), "2: input is -1; allowed: a number from 0 to 1000000"),
        (entry("usd_per_million: {input: 1000001}"), "2: input is 1000001; allowed: a number from 0"),
        (entry("usd_per_million: {input: 1e3}"), "2: input is '1e3'; allowed: a number from 0"),
        (entry("usd_per_million: {input: .nan}"), "2: input is '.nan'; allowed: a number from 0"),
        (entry("usd_per_million: {tokens: 1}"), "2: 'tokens' is no key of usd_per_million"),
        (entry("usd_per_hour: {input: 1}"), "2: 'input' is no key of usd_per_hour"),
        (entry("usd_each: {request: 1}, service_tier: slow"), "2: service_tier is 'slow'; allowed: flex or"),
        (entry("usd_each: {request: 1}, discount: 1"), "2: 'discount' is no key of a price"),
        (entry("discount_percent: 101"), "2: discount_percent is 101; allowed: a number from 0 to 100"),
        ("prices:\n  - {provider: openai, model: 'a*b', source: s, usd_each: {request: 1}}", "2: "),
        ("- 1", "1: the file is no mapping"),
        ("", "1: the file is empty; allowed: priced_as or prices; next: begin with schema/overrides"),
    ],
)
def test_what_no_price_can_be_is_refused_with_its_line(text: str, begins: str) -> None:
    assert problems(text)[0].startswith(f"overrides.yaml:{begins}")


def test_two_entries_for_one_day_are_refused_and_a_later_one_is_not() -> None:
    one = "  - {provider: openai, model: M, from: %s, source: s, usd_each: {request: 1}}\n"
    twice = "prices:\n" + one % "2026-01-01" + one % "2026-01-01"
    assert problems(twice)[0].startswith(
        "overrides.yaml:3: request of openai m from 2026-01-01 stands here and on line 2"
    )
    assert len(reads("prices:\n" + one % "2026-01-01" + one % "2026-02-01").prices) == 2


def test_a_change_reaches_the_months_of_which_it_says_something_else() -> None:
    before = reads(entry("usd_each: {request: 1}"))
    assert not reached(
        before, reads(entry("usd_each: {request: 1}").replace("source: s", "source: t")), "2026-10"
    )
    assert reached(before, reads(entry("usd_each: {request: 2}")), "2026-10")
    ended = reads(entry("until: 2026-11-01, usd_each: {request: 1}"))
    assert not reached(before, ended, "2026-10")
    assert reached(before, ended, "2026-11")
    assert reached(Overrides(), before, "2026-01")
    assert not reached(Overrides(), before, "2025-12")
