"""The JSON Schema that editors use says what `clients apply` takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from spanledger_billing.clients.layout import json_schema
from spanledger_billing.clients.reading import read
from spanledger_billing.errors import InvalidInputError

SCHEMA = Path("schema/clients.schema.json")
EXAMPLE = Path("schema/clients.example.yaml")


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: a day is text."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def in_editor(text: str) -> Any:
    return yaml.load(text, Loader=EditorLoader)


def test_the_schema_file_is_what_the_layout_makes():
    assert json.loads(SCHEMA.read_text()) == json_schema(), (
        "run: .venv/bin/python tools/clients_schema.py > schema/clients.schema.json"
    )


def test_the_schema_is_one_that_validators_accept():
    Draft7Validator.check_schema(json_schema())


def test_the_example_is_valid_in_an_editor_and_for_apply():
    Draft7Validator(json_schema()).validate(in_editor(EXAMPLE.read_text()))
    assert len(read(EXAMPLE.read_bytes()).clients) == 5


def test_the_example_names_its_schema_for_editors():
    first_line = EXAMPLE.read_text().splitlines()[0]
    assert first_line == f"# yaml-language-server: $schema={SCHEMA.name}"


def test_the_example_shows_every_key_there_is():
    def keys(schema: Any) -> set[str]:
        found = set(schema.get("properties", ()))
        for inner in [
            *schema.get("properties", {}).values(),
            *([schema["items"]] if "items" in schema else []),
            *schema.get("anyOf", ()),
        ]:
            found |= keys(inner)
        return found

    used = {key for key in keys(json_schema()) if f"{key}:" in EXAMPLE.read_text()}
    assert used == keys(json_schema())


PLANS = {
    "no plan at all": "{}",
    "two plans": "{markup_percent: 1, flat_fee: 1}",
    "an allowance without a fee": "{markup_percent: 1, allowance_cost_usd: 1}",
    "an allowance without its overage": "{flat_fee: 1, allowance_cost_usd: 1}",
    "an overage without its allowance": "{flat_fee: 1, overage_markup_percent: 1}",
    "two fees": "{flat_fee: 1, fixed_fee: 1}",
    "a minimum on top of a fee for all usage": "{flat_fee: 1, minimum: 2}",
    "overrides where all usage is included": "{flat_fee: 1, overrides: [{unit: output, markup_percent: 1}]}",
    "a negative markup": "{markup_percent: -1}",
    "an absurd markup": "{markup_percent: 1001}",
    "an absurd fee": "{flat_fee: 100000000001}",
    "no tiers": "{tiers: []}",
    "a tier without its markup": "{tiers: [{from_cost_usd: 0}]}",
    "an override of everything": "{markup_percent: 1, overrides: [{markup_percent: 2}]}",
    "an unknown unit": "{markup_percent: 1, overrides: [{unit: tokens, markup_percent: 2}]}",
    "a star inside a model's name": "{markup_percent: 1, overrides: [{model: 'gpt-*-mini', markup_percent: 2}]}",
    "an unknown key": "{markup: 1}",
}


def with_plan(plan: str) -> str:
    return (
        "agency: {name: Meridian}\nclients:\n  - id: acme\n    name: ACME\n    timezone: UTC\n    currency: USD\n"
        f"    terms: [{{from: 2026-01-01, plan: {plan}}}]\n"
    )


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_an_editor_marks_the_plans_that_apply_refuses(plan):
    assert list(Draft7Validator(json_schema()).iter_errors(in_editor(with_plan(plan))))
    with pytest.raises(InvalidInputError):
        read(with_plan(plan).encode())


GOOD_PLANS = {
    "markup": "{markup_percent: 30.5}",
    "tiers": "{tiers: [{from_cost_usd: 0, markup_percent: 40}, {from_cost_usd: 1000, markup_percent: 0}]}",
    "flat fee": "{flat_fee: 500}",
    "allowance": "{flat_fee: 500, allowance_cost_usd: 300, overage_markup_percent: 25, minimum: 600}",
    "fixed fee": "{fixed_fee: 20, markup_percent: 0, minimum: 50}",
    "override": "{markup_percent: 1, overrides: [{provider: openai, model: 'gpt-*', unit: 'tool:x', markup_percent: 2}]}",
}


@pytest.mark.parametrize("plan", GOOD_PLANS.values(), ids=GOOD_PLANS)
def test_an_editor_accepts_the_plans_that_apply_takes(plan):
    assert not list(Draft7Validator(json_schema()).iter_errors(in_editor(with_plan(plan))))
    assert read(with_plan(plan).encode()).clients[0].id == "acme"
