"""Price lists of one model, put together by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from genai_prices import types as types_
from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from spanledger_billing.prices import published

if TYPE_CHECKING:
    from spanledger_billing.prices.overrides import Overrides


def a_list(
    price: str, model: str = "gpt-4o", version: str = "1", overrides: Overrides | None = None
) -> published.PriceList:
    """One model of OpenAI's at one price for tokens in and out."""
    prices = types_.ModelPrice(input_mtok=Decimal(price), output_mtok=Decimal(price))
    sold = types_.ModelInfo(id=model, match=types_.ClauseStartsWith(starts_with=model), prices=prices)
    provider = types_.Provider(id="openai", name="", api_pattern="", models=[sold])
    return published.read(
        [provider], UnitRegistry(unit_data), version, [("provider", "openai", "openai")], overrides
    )
