"""The file says exactly what the model holds; anything else is refused with its lines, never a traceback."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.attribution import Attribution
from spanledger_billing.clients.documents import MAX_BYTES
from spanledger_billing.clients.layout import json_schema
from spanledger_billing.clients.model import Basis, Budget, Override, PlanKind, Tax, Tier
from spanledger_billing.clients.reading import read
from spanledger_billing.clients.writing import write
from spanledger_billing.errors import InvalidInputError
from support.rosters import rosters, texts

HEAD = "agency: {name: Meridian}\nexchange_rates: [{currency: EUR, from: 2026-01-01, units_per_usd: 0.9, source: ECB}]\n"


def with_terms(terms: str, client: str = "") -> str:
    return (
        f"{HEAD}clients:\n  - id: acme\n    name: ACME\n    timezone: UTC\n    currency: USD\n"
        f"{client}    terms:\n{terms}"
    )


def terms_of(terms: str, client: str = ""):
    return read(with_terms(terms, client).encode()).clients[0].terms


def with_id(client_id: str) -> bytes:
    return (
        with_terms("      - {from: 2026-01-01, plan: {markup_percent: 30}}\n")
        .replace("acme", client_id)
        .encode()
    )


@given(rosters())
@settings(max_examples=60, deadline=None)
def test_a_roster_written_and_read_is_the_same_roster(roster):
    assert read(write(roster).encode()) == roster


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_bytes_of_any_kind_are_read_or_refused_by_line(content):
    refused_or_read(content)


STRUCTURES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | texts | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["agency", "clients", "terms", "plan", "from", "id", "tax"]) | texts, inner
        )
    ),
    max_leaves=20,
)


@given(STRUCTURES)
@settings(deadline=None)
def test_any_yaml_is_read_or_refused_by_line(structure):
    refused_or_read(yaml.safe_dump(structure, allow_unicode=True).encode())


ODD = st.none() | st.just([]) | st.just({}) | st.just("none") | st.integers() | texts


def of_schema(schema):
    """Values that are nearly what the schema allows: each place may hold something else instead."""
    if "anyOf" in schema:
        return st.one_of(ODD, *(of_schema(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | ODD
    if schema.get("type") == "array":
        return st.lists(of_schema(schema["items"]), max_size=3) | ODD
    if schema.get("type") == "object" and "properties" in schema:
        keys = {key: of_schema(one) for key, one in schema["properties"].items()}
        required = {key: keys.pop(key) for key in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=keys) | ODD
    if schema.get("format") == "date":
        return st.dates(date(2024, 1, 1), date(2028, 1, 1)) | st.just("2026-02-30") | ODD
    if schema.get("type") == "number":
        return st.integers(-2, 2000) | st.sampled_from([0.5, 1e20]) | ODD
    if schema.get("type") == "boolean":
        return st.booleans() | ODD
    return st.sampled_from(["acme", "UTC", "Europe/Berlin", "input", "gpt-5*"]) | ODD


@given(of_schema(json_schema()))
@settings(max_examples=200, deadline=None)
def test_a_file_with_the_right_keys_and_odd_values_is_read_or_refused_by_line(structure):
    refused_or_read(yaml.safe_dump(structure, allow_unicode=True).encode())


def refused_or_read(content: bytes) -> None:
    try:
        roster = read(content, "file.yaml")
    except InvalidInputError as refused:
        first, *problems, next_step = str(refused).splitlines()
        assert first.startswith(f"file.yaml has {len(problems)} problem")
        assert all(line.startswith("file.yaml:") for line in problems)
        assert next_step.startswith("next: mend")
    else:
        assert read(write(roster).encode()) == roster


def test_a_stretch_says_what_changes_and_all_else_stays():
    first, second, third = terms_of(
        "      - {from: 2026-01-01, plan: {markup_percent: 30}}\n"
        "      - {from: 2026-03-16, hide_cost: true}\n"
        "      - {from: 2026-05-01, plan: {flat_fee: 5}, tax: none, budget: none}\n",
        "    tax: {name: VAT, percent: 19}\n    budget: {amount: 10}\n",
    )
    assert (first.from_day, first.until_day) == (date(2026, 1, 1), date(2026, 3, 16))
    assert first.tax == second.tax == Tax("VAT", Decimal(19))
    assert first.budget == second.budget == Budget(Decimal(10), Basis.CHARGE, (Decimal(80), Decimal(100)))
    assert (first.hide_cost, second.hide_cost, third.hide_cost) == (False, True, True)
    assert second.plan == first.plan
    assert third.plan.kind is PlanKind.FLAT_FEE
    assert (third.tax, third.budget, third.until_day) == (None, None, None)


def test_every_plan_has_one_form():
    def plan(text):
        return terms_of(f"      - {{from: 2026-01-01, plan: {text}}}\n")[0].plan

    assert plan("{markup_percent: 30}").tiers == (Tier(Decimal(0), Decimal(30)),)
    assert plan("{flat_fee: 500}").tiers == ()
    allowance = plan("{flat_fee: 500, allowance_cost_usd: 300, overage_markup_percent: 25}")
    assert (allowance.fee, allowance.allowance_cost_usd) == (Decimal(500), Decimal(300))
    assert allowance.tiers == (Tier(Decimal(0), Decimal(25)),)
    beside = plan("{fixed_fee: 99.50, markup_percent: 20, minimum: 200}")
    assert (beside.fee, beside.minimum) == (Decimal("99.50"), Decimal(200))


def test_the_most_specific_override_wins():
    plan = terms_of(
        "      - from: 2026-01-01\n        plan:\n          markup_percent: 30\n          overrides:\n"
        + "".join(
            f"            - {{{names}, markup_percent: {markup}}}\n"
            for markup, names in enumerate(
                [
                    "provider: openai",
                    "unit: output",
                    "provider: openai, unit: output",
                    "model: gpt-*",
                    "model: gpt-5*",
                    "model: gpt-5-mini",
                    "model: gpt-5-mini, unit: output",
                ]
            )
        )
    )[0].plan

    def wins(provider, model, unit):
        override = plan.markup_override(provider, model, unit)
        return None if override is None else int(override.markup_percent)

    assert wins("anthropic", "claude", "input") is None
    assert wins("openai", "o4", "input") == 0
    assert wins("anthropic", "claude", "output") == 1
    assert wins("openai", "o4", "output") == 2
    assert wins("openai", "gpt-4o", "output") == 3
    assert wins("openai", "gpt-5", "output") == 4
    assert wins("azure", "gpt-5-mini", "input") == 5
    assert wins("azure", "gpt-5-mini", "output") == 6


def test_a_provider_breaks_the_tie_between_overrides_of_one_model():
    one, other = Override(Decimal(1), model="gpt-5"), Override(Decimal(2), provider="openai", model="gpt-5")
    assert other.rank > one.rank


def test_no_digit_of_a_number_is_lost():
    budget = terms_of(
        "      - {from: 2026-01-01, plan: {markup_percent: 30}}\n",
        "    budget: {amount: 99999999999.123456, basis: cost}\n",
    )[0].budget
    assert str(budget.amount) == "99999999999.123456"


def test_the_bounds_themselves_are_allowed():
    terms = terms_of(
        "      - {from: 2015-01-01, plan: {markup_percent: 1000, minimum: 100000000000}}\n"
        "      - {from: 2099-12-31, plan: {markup_percent: 0}}\n"
    )
    assert terms[0].plan.minimum == Decimal(10**11)


@pytest.mark.parametrize(
    "client_id",
    ["o'brien", 'say "hi"', "🦊", "👩\u200d💻", "日本語", "مكتبة", "a b", "a/b;DROP TABLE", "x" * 128],
)
def test_an_id_with_quotes_emoji_or_another_script_is_a_clients_id_as_in_the_app(client_id):
    roster = read(with_id(yaml.dump(client_id, allow_unicode=True).split("\n")[0]))
    assert roster.clients[0].id == client_id == Attribution.checked(client_id).client_id


@given(st.text(min_size=1, max_size=20))
@settings(deadline=None)
def test_every_id_that_the_file_takes_is_one_that_the_app_can_send(client_id):
    content = with_id(yaml.dump(client_id, allow_unicode=False, default_style='"', width=1000).strip())
    try:
        (client,) = read(content).clients
    except InvalidInputError:
        return
    assert Attribution.checked(client.id).client_id == client.id == client_id


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", ":1: the file is not UTF-8"),
        (b"agency: {name: x}\n# \xe9\n", ":2: the file is not UTF-8"),
        (b"agency: \x07", ":1: a character that YAML does not allow"),
        (b"[" * 5000, ":1: brackets are nested too deeply"),
        (b"- " * 60 + b"x", "nests too much"),
        (b"a: &a [*a]", "nests too much"),
        (b"x" * (MAX_BYTES + 1), "bytes; allowed: at most"),
        (b"a: 1\n---\nb: 2\n", "expected a single document"),
        (b"? [a]\n: b\n", "a list or mapping as a key"),
    ],
)
def test_a_file_made_to_break_the_reader_is_refused(content, says):
    with pytest.raises(InvalidInputError) as refused:
        read(content)
    assert says in str(refused.value)


def test_aliases_that_multiply_are_refused():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(InvalidInputError) as refused:
        read(bomb.encode())
    assert "repeats or nests too much" in str(refused.value)


def test_a_value_that_is_refused_is_shown_short():
    with pytest.raises(InvalidInputError) as refused:
        read(with_terms(f"      - {{from: {'9' * 5000}, plan: {{markup_percent: {'9' * 5000}}}}}\n").encode())
    assert max(map(len, str(refused.value).splitlines())) < 300
