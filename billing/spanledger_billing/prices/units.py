"""Our units and genai-prices' units.

genai-prices prices a tree: what has no price of its own is charged as the next wider unit that has one
(cached tokens as input where a model has no price for cached tokens). A unit of ours therefore costs what
the most specific priced unit costs whose dimensions it has. One that has none is unpriced: genai-prices
would charge nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genai_prices.units import UnitDef

_CACHE_WRITE = {"family": "tokens", "direction": "input", "token_type": "cache_write"}

PUBLISHED: dict[str, str] = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_read_audio": "cache_audio_read_tokens",
    "cache_read_image": "cache_image_read_tokens",
    "cache_read_video": "cache_video_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "audio_input": "input_audio_tokens",
    "image_input": "input_image_tokens",
    "video_input": "input_video_tokens",
    "output": "output_tokens",
    "reasoning": "output_reasoning_tokens",
    "citation": "output_citation_tokens",
    "audio_output": "output_audio_tokens",
    "image_output": "output_image_tokens",
    "seconds": "input_audio_seconds",
    "characters": "input_characters",
    "pages": "input_document_pages",
    "rerank": "rerank_searches",
    "request": "requests",
    "web_search": "web_searches",
    "social_search": "social_searches",
    "storage_search": "storage_searches",
    "code_execution": "code_executions",
}
"""Unit -> genai-prices' usage key."""

LASTING: dict[str, dict[str, str]] = {
    "cache_write_30m": _CACHE_WRITE | {"cache_ttl": "30m"},
    "cache_write_12h": _CACHE_WRITE | {"cache_ttl": "12h"},
}
"""Units that genai-prices has no key for: their dimensions in its tree."""

HIGHEST_PRICE_USD = Decimal(1_000_000)
"""The bound that the ledger's arithmetic relies on, with quantities below 10^12."""
_DECIMALS = 18


class Rate(NamedTuple):
    """`price_usd` for `per` of a unit, charged as at least `at_least` of it."""

    price_usd: Decimal
    per: int
    at_least: int = 0


def dimensions(registry: Mapping[str, UnitDef]) -> dict[str, Mapping[str, str]]:
    """Our units with their places in genai-prices' tree.

    Raises:
        LookupError: the installed genai-prices does not know one of them.

    """
    missing = sorted(set(PUBLISHED.values()) - registry.keys())
    if missing:
        raise LookupError(f"genai-prices does not know the unit {missing[0]}")
    return {unit: registry[key].dimensions for unit, key in PUBLISHED.items()} | LASTING


def checked_price(price: object) -> Decimal:
    """A published price, if it is one that the ledger can reckon with.

    Raises:
        ValueError: it is not a decimal from 0 to 10^6.

    """
    if not isinstance(price, Decimal) or not price.is_finite() or not 0 <= price <= HIGHEST_PRICE_USD:
        raise ValueError(f"{price!r} is no price: a Decimal from 0 to {HIGHEST_PRICE_USD} is")
    exponent = price.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _DECIMALS:
        raise ValueError(f"{price!r} has more than {_DECIMALS} decimals")
    return price
