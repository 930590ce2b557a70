"""The layout of `clients.yaml`: its keys, what may stand at each, and what each is for.

`schema/clients.schema.json` is written from this, and `reading` reads by it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from spanledger_billing.clients.kinds import Choice, ClientId, Currency, Day, Flag, Number, Text, Zone
from spanledger_billing.clients.shapes import Field, ListOf, MapOf, OrNone, Record
from spanledger_billing.prices.units import LASTING, PUBLISHED

if TYPE_CHECKING:
    from spanledger_billing.clients.kinds import Schema

# The bounds are what the ledger's columns and products are proven for; see `tables` and schema/README.md.
MAX_MONEY: Final = Decimal(100_000_000_000)
MAX_PERCENT: Final = Decimal(1000)
MAX_UNITS_PER_USD: Final = Decimal(10_000_000)
MIN_UNITS_PER_USD: Final = Decimal("0.0001")
MONEY_DECIMALS: Final = 6
PERCENT_DECIMALS: Final = 4
RATE_DECIMALS: Final = 10

MONEY: Final = Number(Decimal(0), MAX_MONEY, MONEY_DECIMALS)
BUDGET: Final = Number(Decimal("0.01"), MAX_MONEY, MONEY_DECIMALS)
MARKUP: Final = Number(Decimal(0), MAX_PERCENT, PERCENT_DECIMALS)
SHARE: Final = Number(Decimal(0), Decimal(100), PERCENT_DECIMALS)
THRESHOLD: Final = Number(Decimal(1), MAX_PERCENT, PERCENT_DECIMALS)
EMAIL: Final = Text(
    254, pattern=r"[^@\s<>,;:\"]{1,64}@[^@\s<>,;:\"]{1,189}", says="an address such as billing@example.com"
)
COLOUR: Final = Text(7, pattern=r"#[0-9a-fA-F]{6}", says='a colour such as "#1f4e79", in quotes')
NAME: Final = Text(200)
ADDRESS: Final = ListOf(Text(200), "a line of address", most=10)

UNITS: Final = (*PUBLISHED, *LASTING, "images", "stated_by_provider")
"""Billable units, as the ledger's costs name them; a server tool of another name is `tool:<name>`. Where a
provider's own figure wins, the cost of the whole call stands under `stated_by_provider`."""

_TIER: Final = Record(
    {
        "from_cost_usd": Field(MONEY, "USD of the month's cost from which this markup holds", required=True),
        "markup_percent": Field(MARKUP, "percent on top of that part of the cost", required=True),
    }
)

_OVERRIDE: Final = Record(
    {
        "provider": Field(
            Text(60, pattern=r"[a-z0-9][a-z0-9._-]*", says="a provider such as openai or gcp.vertex_ai"),
            "as the ledger names it",
        ),
        "model": Field(
            Text(
                200,
                pattern=r"[^\s*]+\*?",
                says="a model such as gpt-5-mini, or the beginning of one such as claude-*",
            ),
            "the model that answered, or what its name begins with and a star",
        ),
        "unit": Field(
            Text(60, pattern=rf"{'|'.join(UNITS)}|tool:\S+", says=f"{', '.join(UNITS)} or tool:<name>"),
            "a billable unit, or stated_by_provider where the provider states a call's cost as a whole",
        ),
        "markup_percent": Field(MARKUP, "percent on top of the cost of this usage", required=True),
    },
    rules={"minProperties": 2},
)

_PLAN_RULES: Final[Schema] = {
    "oneOf": [{"required": ["markup_percent"]}, {"required": ["tiers"]}, {"required": ["flat_fee"]}],
    "dependencies": {
        "allowance_cost_usd": ["flat_fee", "overage_markup_percent"],
        "overage_markup_percent": ["flat_fee", "allowance_cost_usd"],
        "fixed_fee": {"not": {"required": ["flat_fee"]}},
        "minimum": {"anyOf": [{"not": {"required": ["flat_fee"]}}, {"required": ["allowance_cost_usd"]}]},
        "overrides": {"anyOf": [{"not": {"required": ["flat_fee"]}}, {"required": ["allowance_cost_usd"]}]},
    },
}

PLAN: Final = Record(
    {
        "markup_percent": Field(MARKUP, "usage at its cost and this percentage"),
        "tiers": Field(
            ListOf(_TIER, "a tier", fewest=1, most=20),
            "usage at its cost and a percentage by the month's cost, each part of the cost by its own tier; "
            "the first begins at 0",
        ),
        "flat_fee": Field(
            MONEY,
            "a monthly fee that includes all usage, or as much as the allowance; in the client's currency",
        ),
        "allowance_cost_usd": Field(MONEY, "USD of cost that the flat fee includes"),
        "overage_markup_percent": Field(MARKUP, "percent on top of the cost beyond the allowance"),
        "fixed_fee": Field(MONEY, "a monthly fee beside usage; in the client's currency"),
        "minimum": Field(MONEY, "what a month is charged at least; in the client's currency"),
        "overrides": Field(
            ListOf(_OVERRIDE, "an override"),
            "other markups for some usage, which counts neither toward tiers nor the allowance then. "
            "The most specific wins: an exact model, then the longest beginning of one, a unit, a provider",
        ),
    },
    rules=_PLAN_RULES,
)

_TAX: Final = Record(
    {
        "name": Field(Text(60), "as the statement prints it", required=True),
        "percent": Field(SHARE, "percent of the charge", required=True),
    }
)

_BUDGET: Final = Record(
    {
        "amount": Field(BUDGET, "for a month; in the client's currency, or in USD on cost", required=True),
        "basis": Field(Choice(("charge", "cost")), "what is measured against it; charge unless said"),
        "alert_at_percent": Field(
            ListOf(THRESHOLD, "alert_at_percent", fewest=1, most=20, ascending=True),
            "shares of it that are alerted at; 80 and 100 unless said",
        ),
    }
)

DATED: Final = {
    "timezone": Field(
        Zone(), "where the client's days and months begin; changes on a month's first day only"
    ),
    "currency": Field(Currency(), "what it is charged in; changes on a month's first day only"),
    "tax": Field(OrNone(_TAX), "a percentage on top of the charge, or none"),
    "budget": Field(OrNone(_BUDGET), "the limit for a month, never divided by days, or none"),
    "hide_cost": Field(Flag(), "whether its statements leave out cost and markup; false unless said"),
    "incomplete_tolerance_percent": Field(
        SHARE, "share of a month's calls that may be incomplete when it is closed; 1 unless said"
    ),
}
"""What a client begins with, and a later stretch of terms may change."""

TERMS: Final = Record(
    {
        "from": Field(Day(), "the first day, by the client's clock", required=True),
        "until": Field(
            Day(), "the first day no longer under these terms; without it, they hold until the next"
        ),
        "plan": Field(PLAN, "how usage is charged; needed in the first stretch, whole where it changes"),
        **DATED,
    }
)

_CONTACT: Final = Record(
    {
        "name": Field(NAME, "a person or department"),
        "email": Field(EMAIL, "where statements go"),
        "address": Field(ADDRESS, "postal address, line by line"),
    }
)

_CLIENT: Final = Record(
    {
        "id": Field(ClientId(), "its stable key: what the apps pass to bill_to", required=True),
        "name": Field(NAME, "as statements print it", required=True),
        "contact": Field(_CONTACT, "whom statements are for"),
        "tax_id": Field(Text(60), "the client's tax number, printed on statements"),
        "reference": Field(Text(100), "what the client wants to read on them, such as an order's number"),
        "timezone": Field(DATED["timezone"].kind, DATED["timezone"].text, required=True),
        "currency": Field(DATED["currency"].kind, DATED["currency"].text, required=True),
        **{key: one for key, one in DATED.items() if key not in {"timezone", "currency"}},
        "terms": Field(
            ListOf(TERMS, "a stretch of terms", fewest=1, most=200),
            "stretches of terms; each says what changes on its first day, all else stays as it was",
            required=True,
        ),
    }
)

_AGENCY: Final = Record(
    {
        "name": Field(NAME, "as statements print it", required=True),
        "timezone": Field(
            Zone(), "the same as SPANLEDGER_TIMEZONE: days of calls that no client's terms cover"
        ),
        "address": Field(ADDRESS, "postal address, line by line"),
        "email": Field(EMAIL, "printed on statements"),
        "tax_id": Field(Text(60), "the agency's tax number, printed on statements"),
        "logo": Field(Text(400), "a picture for statements; a path as seen from this file's folder"),
        "colour": Field(COLOUR, "the statements' colour"),
        "texts": Field(
            MapOf(r"[a-z][a-z0-9_]{0,39}", Text(2000, lines=True)),
            "words of the statement's template, by its keys",
        ),
    }
)

_RATE: Final = Record(
    {
        "currency": Field(Currency(), "any but USD", required=True),
        "from": Field(
            Day(), "the first day on which it holds, until the currency's next rate", required=True
        ),
        "units_per_usd": Field(
            Number(MIN_UNITS_PER_USD, MAX_UNITS_PER_USD, RATE_DECIMALS),
            "what one USD is in this currency: 0.92 where USD 1.00 is EUR 0.92",
            required=True,
        ),
        "source": Field(Text(200), "where the rate was published, and when", required=True),
    }
)

FILE: Final[Record] = Record(
    {
        "agency": Field(_AGENCY, "who bills", required=True),
        "exchange_rates": Field(
            ListOf(_RATE, "an exchange rate", most=10_000),
            "dated rates; a statement takes the one in force on its month's last day",
        ),
        "clients": Field(ListOf(_CLIENT, "a client", most=10_000), "whom the agency bills", required=True),
    }
)


def json_schema() -> Schema:
    """The layout as JSON Schema, draft 7, which every editor's YAML support knows."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "spanledger: clients and terms",
        **FILE.schema(),
    }
