"""What a model costs, as the list in force has it, for people and scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spanledger_billing.prices.overrides import BEGINNING, END

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from clickhouse_connect.driver.client import Client

# A unit that costs what the next wider one costs is not worth a line.
_WIDER = {
    "cache_read": "input",
    "cache_read_audio": "cache_read",
    "cache_read_image": "cache_read",
    "cache_read_video": "cache_read",
    "cache_write": "input",
    "cache_write_5m": "cache_write",
    "cache_write_30m": "cache_write",
    "cache_write_1h": "cache_write",
    "cache_write_12h": "cache_write",
    "audio_input": "input",
    "image_input": "input",
    "video_input": "input",
    "reasoning": "output",
    "citation": "output",
    "audio_output": "output",
    "image_output": "output",
}

# By each provider: the model that lists the name, else the first whose pattern the name fits.
_CARDS = """
WITH
    (SELECT version FROM price_list_in_force) AS in_force,
    listed AS (SELECT provider, model FROM price_names WHERE version = in_force AND name = %(name)s),
    fitting AS (
        SELECT provider, arrayFirst(
            r -> arrayAll(p -> match(%(name)s, p), r.must)
                AND NOT arrayExists(p -> match(%(name)s, p), r.must_not),
            rules
        ).model AS model
        FROM price_rules
        WHERE version = in_force AND provider NOT IN (SELECT provider FROM listed)
    )
SELECT *
FROM price_cards FINAL
WHERE version = in_force
    AND (%(provider)s = '' OR provider = %(provider)s)
    AND (provider, model) IN (SELECT * FROM listed UNION ALL SELECT * FROM fitting)
ORDER BY provider, model, card
"""


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of a model costs under one set of circumstances."""

    provider: str
    model: str
    circumstances: str
    """In words; empty where the price holds always."""
    valid_from: date | None
    """None where it always did."""
    valid_until: date | None
    unit: str
    price_usd: Decimal
    per: int
    version: str
    source: str
    """Where it was agreed, as an override says; empty where it is the published one."""


def prices(client: Client, name: str, provider: str | None = None) -> list[Price]:
    """The dated prices of the models that a name means, by provider.

    Args:
        client: of the ledger's database.
        name: as an answer gives it, or as the list calls the model; case does not matter.
        provider: only this one, as the list calls it (`openai`, `google`, `aws`).

    """
    rows = client.query(_CARDS, parameters={"name": name.lower(), "provider": provider or ""})
    return [price for row in rows.named_results() for price in _of_card(row)]


def _of_card(row: Mapping[str, object]) -> list[Price]:
    rates, sources = row["rates"], row["sources"]
    assert isinstance(rates, dict) and isinstance(sources, dict)  # noqa: S101, PT018 - the columns are Maps
    return [
        Price(
            provider=str(row["provider"]),
            model=str(row["model"]),
            circumstances=_in_words(row),
            valid_from=None if row["valid_from"] == BEGINNING else row["valid_from"],  # type: ignore[arg-type]
            valid_until=None if row["valid_until"] == END else row["valid_until"],  # type: ignore[arg-type]
            unit=unit,
            price_usd=rate["price_usd"],
            per=rate["per"],
            version=str(row["version"]),
            source=str(sources.get(unit, "")),
        )
        for unit, rate in rates.items()
        if (rates.get(_WIDER.get(unit, "")), sources.get(_WIDER.get(unit, ""))) != (rate, sources.get(unit))
    ]


def _in_words(row: Mapping[str, object]) -> str:
    words = [str(row[key]) for key in ("processing", "service_tier", "speed") if row[key]]
    if row["input_tokens_above"]:
        words.append(f"prompt above {row['input_tokens_above']:,} tokens")
    start, end = int(str(row["minute_from"])), int(str(row["minute_until"]))
    if (start, end) != (0, 1440):
        words.append(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} UTC")
    return ", ".join(words)
