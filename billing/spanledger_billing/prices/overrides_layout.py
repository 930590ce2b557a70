"""The layout of `overrides.yaml`: its keys, what may stand at each, and what each is for.

`schema/overrides.schema.json` is written from this, and `overrides` reads by it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from spanledger_billing.clients.kinds import Choice, Day, Number, Text
from spanledger_billing.clients.shapes import Field, ListOf, MapOf, Record
from spanledger_billing.prices.overrides import OWN
from spanledger_billing.prices.units import HIGHEST_PRICE_USD, LASTING, PUBLISHED

if TYPE_CHECKING:
    from spanledger_billing.clients.kinds import Schema

UNITS: Final = (*PUBLISHED, *LASTING, "images")

_PRICE: Final = Number(Decimal(0), HIGHEST_PRICE_USD, 18)
_UNIT: Final = rf"{'|'.join(UNITS)}|tool:\S{{1,64}}"

BLOCKS: Final = {"usd_per_million": 1_000_000, "usd_per_thousand": 1000, "usd_per_hour": 3600, "usd_each": 1}
"""Key -> for how many of a unit its prices are; an hour is 3,600 seconds."""

_PRICES: Final = {
    "usd_per_million": Field(MapOf(_UNIT, _PRICE), "USD for a million of each unit: {input: 2, output: 8}"),
    "usd_per_thousand": Field(MapOf(_UNIT, _PRICE), "USD for a thousand: {web_search: 10, pages: 1.5}"),
    "usd_per_hour": Field(MapOf("seconds", _PRICE), "USD for an hour of audio: {seconds: 0.36}"),
    "usd_each": Field(MapOf(_UNIT, _PRICE), "USD for one: {request: 0.005}, {seconds: 0.0001}"),
}

_HOST: Final = Text(
    253,
    pattern=r"[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?",
    says="a host such as llm.example.com, without port",
)
_PROVIDER: Final = Text(
    64, pattern=r"[A-Za-z0-9_][A-Za-z0-9._-]*", says="a provider such as openai or gcp.vertex_ai"
)
_SOURCE: Final = Field(
    Text(200), "where this was agreed or published, and when; prices show prints it", required=True
)
_FROM: Final = Field(Day(), "the first day (UTC) on which it holds", required=True)
_UNTIL: Final = Field(Day(), "the first day on which it no longer holds; without it, it goes on")

_TIER: Final = Record(
    {
        "tokens": Field(
            Number(Decimal(1), Decimal(1_000_000_000), 0),
            "a prompt of more input tokens than this pays these prices for all of its tokens",
            required=True,
        ),
        **_PRICES,
    }
)

_OVERRIDE: Final = Record(
    {
        "provider": Field(_PROVIDER, "whose models, as spanledger prices show or the calls name it"),
        "host": Field(_HOST, "whose models, for a host that no list knows"),
        "model": Field(
            Text(
                256,
                pattern=r"[^\s*]+\*?|\*",
                says="a model such as gpt-4o, what names begin with such as llama-*, or * for all",
            ),
            "which model: as the price list calls it (then all of its names), or another name; with a star "
            "at the end all that begin so",
            required=True,
        ),
        "from": _FROM,
        "until": _UNTIL,
        "source": _SOURCE,
        "processing": Field(Choice(("batch",)), "only for calls processed so"),
        "service_tier": Field(Choice(("flex", "priority", "fast")), "only for calls of this tier"),
        "speed": Field(Choice(("fast",)), "only for calls of this speed"),
        **_PRICES,
        "above_input_tokens": Field(
            ListOf(_TIER, "a size", fewest=1, most=20), "other prices for large prompts"
        ),
        "discount_percent": Field(
            Number(Decimal(0), Decimal(100), 4), "percent off every published price, in place of prices"
        ),
    },
    rules={"oneOf": [{"required": ["provider"]}, {"required": ["host"]}]},
)

_MAPPING: Final = Record(
    {
        "host": Field(_HOST, "a host that no list knows, as calls name it"),
        "provider": Field(_PROVIDER, "a provider that no list knows, as calls name it"),
        "as": Field(
            _PROVIDER, f"the provider whose list prices it, or {OWN}: prices below only", required=True
        ),
        "from": _FROM,
        "until": _UNTIL,
        "source": _SOURCE,
    },
    rules={"oneOf": [{"required": ["provider"]}, {"required": ["host"]}]},
)

FILE: Final[Record] = Record(
    {
        "priced_as": Field(
            ListOf(_MAPPING, "a mapping", most=200),
            "whose list prices the calls of hosts and providers unknown",
        ),
        "prices": Field(
            ListOf(_OVERRIDE, "a price", most=5000),
            "prices on top of the published list; of several the later",
        ),
    }
)


def json_schema() -> Schema:
    """The layout as JSON Schema, draft 7, which every editor's YAML support knows."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "spanledger: price overrides",
        **FILE.schema(),
    }
