"""The ledger's cost is genai-prices' cost, to the digit, where genai-prices prices every unit of the call."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import genai_prices
import pytest
from genai_prices import types as published
from genai_prices.data import providers
from genai_prices.data_units import unit_data

from spanledger_billing.prices.units import PUBLISHED
from support.arrivals import arrival, arrive

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SPAN_PROVIDERS = {
    "openai": "openai", "azure": "azure.ai.openai", "anthropic": "anthropic", "aws": "aws.bedrock",
    "google": "gcp.gemini", "mistral": "mistral_ai", "cohere": "cohere", "groq": "groq",
    "deepseek": "deepseek", "moonshotai": "moonshot_ai", "together": "together", "fireworks": "fireworks",
    "cerebras": "cerebras", "voyageai": "voyageai", "zai": "zai",
}  # fmt: skip
# genai-prices' key of each quantity as the ledger receives it: wholes hold their parts in both.
KEYS = {
    "input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens", "cache_write_1h": "cache_write_1h_tokens",
    "cache_write_5m": "cache_write_5m_tokens", "audio_in": "input_audio_tokens",
    "image_in": "input_image_tokens", "audio_out": "output_audio_tokens", "image_out": "output_image_tokens",
    "cache_read_audio": "cache_audio_read_tokens", "cache_read_image": "cache_image_read_tokens",
    "reasoning": "output_reasoning_tokens", "seconds": "input_audio_seconds", "characters": "input_characters",
    "pages": "input_document_pages", "tool:web_search": "web_searches", "tool:file_search": "storage_searches",
}  # fmt: skip
CONTEXTS: list[dict[str, str]] = [
    {},
    {"service_tier": "priority"},
    {"service_tier": "flex"},
    {"processing": "batch"},
    {"speed": "fast"},
]


def usages(dice: random.Random) -> dict[str, int]:
    """Quantities that fit into each other, on both sides of the sizes at which prices change."""
    size = dice.choice([1, 900, 100_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001, 900_000])
    kinds = {
        "plain": {"input": size, "output": dice.randrange(1, 50_000)},
        "cached": {"input": size, "output": 7, "cache_read": size // 3, "cache_write": size // 5},
        "lasting": {"input": size, "output": 7, "cache_write": size // 2, "cache_write_1h": size // 4,
                    "cache_write_5m": size // 2 - size // 4},
        "audio": {"input": size, "output": 900, "audio_in": size // 2, "audio_out": 300},
        "image": {"input": size, "output": 2000, "image_in": size // 2, "image_out": 1290, "cache_read": size // 4,
                  "cache_read_image": size // 4},
        "reasoning": {"input": size, "output": 900, "reasoning": 600},
        "searches": {"input": size, "output": 9, "tool:web_search": dice.randrange(1, 9), "tool:file_search": 1},
        "seconds": {"seconds": dice.choice([36, 360, 3600])},
        "characters": {"characters": dice.randrange(1, 5000)},
        "pages": {"pages": dice.randrange(1, 300)},
    }  # fmt: skip
    return dice.choice([*[kinds["plain"]] * 9, *[kinds["cached"]] * 4, *kinds.values()])


def contexts(dice: random.Random, model: published.ModelInfo) -> dict[str, str]:
    """None, one of the model's own or any other."""
    own = [
        variant.when
        for variant in model.price_variants or ()
        if not {"route", "search_type"} & variant.when.keys()
    ]
    return dice.choice([{}, {}, dice.choice([*own, {}]), dice.choice(CONTEXTS)])


def names(dice: random.Random, model: published.ModelInfo) -> str:
    """A name by which the model, or another one, or none may be meant."""
    stamp = f"{dice.choice(['2025', '2026'])}{dice.choice(['0601', '1103', '1231'])}"
    return dice.choice(
        [
            *[model.id] * 12,
            model.id.upper(),
            f"{model.id}-{stamp}",
            f"{model.id}-{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}",
            f"{model.id}-latest",
            f"us.{model.id}-v1:0",
            model.id + dice.choice(string.ascii_lowercase),
        ]
    )


def covered(prices: published.ModelPrice, quantities: dict[str, int]) -> bool:
    """Whether genai-prices has a price that each unit falls under; else it charges nothing for it."""
    priced = [
        unit["dimensions"].items()
        for unit in unit_data.values()
        if vars(prices).get(unit["price_key"]) is not None
    ]
    wholes_left = dict(quantities)
    for part, whole in (("reasoning", "output"), ("audio_out", "output"), ("image_out", "output")):
        if part in wholes_left:
            wholes_left[whole] -= wholes_left[part]
    inputs = [name for name in ("cache_read", "cache_write", "audio_in", "image_in") if name in wholes_left]
    if inputs:
        overlap = wholes_left.get("cache_read_image", 0)
        wholes_left["input"] -= sum(wholes_left[name] for name in inputs) - overlap
    return all(
        any(each <= unit_data[KEYS[name]]["dimensions"].items() for each in priced)
        for name, amount in wholes_left.items()
        if amount > 0
    )


def known(model: published.ModelInfo, context: dict[str, str], at: datetime) -> bool:
    """Whether the model has a price for the circumstance; else genai-prices charges as if it were not there."""
    return all(
        any(
            variant.when == {key: value} and (variant.constraint is None or variant.constraint.active(at))
            for variant in model.price_variants or ()
        )
        for key, value in context.items()
    )


def expected(
    provider: str, name: str, quantities: dict[str, int], context: dict[str, str], at: datetime
) -> Any:
    """genai-prices' total; None where it has no price for the model, a unit or the circumstance."""
    stated = {KEYS[unit]: amount for unit, amount in quantities.items()}
    if "seconds" in quantities:
        stated["audio_seconds"] = quantities["seconds"]
    usage = genai_prices.Usage(**stated)
    try:
        result = genai_prices.calc_price(
            usage, name, provider_id=provider, genai_request_timestamp=at, price_context=context or None
        )
    except LookupError:
        return None
    own = any(result.model is model for model in result.provider.models)
    if not covered(result.model_price, quantities) or (
        context and not (own and known(result.model, context, at))
    ):
        return None
    return result.total_price


@pytest.mark.parametrize("seed", range(4))
def test_every_model_costs_what_genai_prices_says(ledger: Client, seed: int) -> None:
    dice = random.Random(seed)
    calls, totals = [], []
    sold = [(provider.id, model) for provider in providers for model in provider.models]
    for provider, model in sold * 2:
        if provider not in SPAN_PROVIDERS:
            continue
        name, quantities, context = names(dice, model), usages(dice), contexts(dice, model)
        at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(60 * 24 * 690))
        total = expected(provider, name, quantities, context, at)
        # Prices with the noise of a float have more digits than the ledger keeps.
        if total is not None and total != total.quantize(Decimal("1e-18")):
            continue
        calls.append(
            arrival(
                quantities,
                at=at,
                provider=SPAN_PROVIDERS[provider],
                response_model=name,
                service_tier="batch" if context.get("processing") else context.get("service_tier", ""),
                speed=context.get("speed", ""),
            )
        )
        totals.append(total)
    arrive(ledger, calls)
    costs = dict(ledger.query("SELECT trace_id, cost_usd FROM calls").result_rows)
    wrong = [
        (call["provider"], call["response_model"], call["quantities"], call["service_tier"], total, cost)
        for call, total in zip(calls, totals, strict=True)
        if (cost := costs[call["trace_id"]]) != total
    ]
    assert wrong == []
    assert sum(total is not None for total in totals) > 400


def test_our_units_are_all_known_to_genai_prices() -> None:
    assert set(PUBLISHED.values()) <= unit_data.keys()
