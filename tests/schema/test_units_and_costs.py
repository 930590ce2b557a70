"""Units never overlap, and each costs what hand arithmetic says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing.prices import published, stretches, sync, units
from support.arrivals import arrival, arrive

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

AT = datetime(2026, 11, 3, 12, tzinfo=UTC)
M = Decimal(1_000_000)


def priced(ledger: Client, quantities: dict[str, object], **columns: Any) -> Any:
    """(units, costs, total, why unpriced, reasons) of one call."""
    call = arrival(quantities, **{"at": AT, "response_model": "gpt-4o"} | columns)
    arrive(ledger, [call])
    stated, costs, total, unpriced, reasons = ledger.query(
        "SELECT units, costs, cost_usd, unpriced_reason, reasons FROM calls WHERE trace_id = %(id)s",
        parameters={"id": call["trace_id"]},
    ).result_rows[0]
    return stated, costs, total, unpriced, reasons


def test_cached_and_lasting_tokens_are_told_apart_and_priced_each(ledger: Client) -> None:
    # claude-opus-5: USD 5 in, 0.50 cache read, 6.25 cache write, 10 one-hour write, 25 out per million.
    stated, costs, total, _, _ = priced(
        ledger,
        {"input": 4404, "cache_read": 1000, "cache_write": 3000, "cache_write_5m": 2000, "cache_write_1h": 900, "output": 503},
        provider="anthropic", response_model="claude-opus-5",
    )  # fmt: skip
    assert stated == {
        "input": 404, "cache_read": 1000, "cache_write": 100, "cache_write_5m": 2000, "cache_write_1h": 900, "output": 503,
    }  # fmt: skip
    assert costs == {
        "input": 404 * 5 / M, "cache_read": 1000 * Decimal("0.50") / M, "cache_write": 100 * Decimal("6.25") / M,
        "cache_write_5m": 2000 * Decimal("6.25") / M, "cache_write_1h": 900 * 10 / M, "output": 503 * 25 / M,
    }  # fmt: skip
    # 0.002020 + 0.000500 + 0.000625 + 0.012500 + 0.009000 + 0.012575
    assert total == Decimal("0.037220")


@pytest.mark.parametrize(
    ("prompt", "per_million"),
    [
        (199_999, Decimal("1.25")),
        (200_000, Decimal("1.25")),
        (200_001, Decimal("2.50")),
        (900_000, Decimal("2.50")),
    ],
)
def test_a_prompt_above_the_size_pays_the_higher_price_for_every_token(
    ledger: Client, prompt: int, per_million: Decimal
) -> None:
    # gemini-2.5-pro: USD 1.25 per million in up to 200,000 tokens, 2.50 above.
    _, costs, _, _, _ = priced(
        ledger, {"input": prompt, "output": 1}, provider="gcp.gemini", response_model="gemini-2.5-pro"
    )
    assert costs["input"] == prompt * per_million / M


@pytest.mark.parametrize(
    ("at", "per_million"),
    [
        (datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC), Decimal(10)),
        (datetime(2025, 6, 10, 0, 0, 0, tzinfo=UTC), Decimal(2)),
    ],
)
def test_a_price_holds_from_midnight_utc_of_its_date(
    ledger: Client, at: datetime, per_million: Decimal
) -> None:
    _, costs, _, _, _ = priced(ledger, {"input": 1000, "output": 0}, at=at, response_model="o3")
    assert costs["input"] == 1000 * per_million / M


@pytest.mark.parametrize(
    ("hour", "minute", "per_million"),
    [(0, 59, "0.15"), (1, 0, "0.3"), (3, 59, "0.3"), (4, 0, "0.15"), (6, 0, "0.3"), (10, 0, "0.15")],
)
def test_a_price_by_time_of_day_holds_from_its_minute_to_its_minute(
    ledger: Client, hour: int, minute: int, per_million: str
) -> None:
    # deepseek-flash: USD 0.30 per million in from 01:00 to 04:00 and 06:00 to 10:00 UTC, else 0.15.
    _, costs, _, _, _ = priced(
        ledger, {"input": 1000, "output": 0}, at=AT.replace(hour=hour, minute=minute), provider="deepseek",
        response_model="deepseek-flash",
    )  # fmt: skip
    assert costs["input"] == 1000 * Decimal(per_million) / M


@pytest.mark.parametrize(
    ("tier", "columns", "factor"),
    [
        ("default", {}, Decimal(1)),
        ("batch", {}, Decimal("0.5")),
        ("flex", {}, Decimal("0.5")),
    ],
)
def test_a_service_tier_has_its_own_price(
    ledger: Client, tier: str, columns: dict[str, str], factor: Decimal
) -> None:
    # gpt-5: USD 1.25 in and 10 out per million; half of that in batches and flex processing.
    _, _, total, unpriced, _ = priced(
        ledger, {"input": 1000, "output": 100}, response_model="gpt-5", service_tier=tier, **columns
    )
    assert (total, unpriced) == ((1000 * Decimal("1.25") + 100 * 10) * factor / M, "")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"provider": "anthropic", "response_model": "claude-opus-5", "service_tier": "priority"}, "service tier priority"),
        ({"provider": "azure.ai.openai", "service_tier": "batch"}, "processing batch"),
        ({"service_tier": "scale"}, "service tier scale"),
        ({"provider": "gcp.vertex_ai", "response_model": "gemini-2.5-pro", "traffic_type": "provisioned_throughput"},
         "traffic type provisioned_throughput"),
        ({"speed": "fast"}, "speed fast"),
    ],
)  # fmt: skip
def test_a_circumstance_that_has_no_price_is_not_charged_as_usual(
    ledger: Client, columns: dict[str, str], reason: str
) -> None:
    _, costs, total, unpriced, _ = priced(ledger, {"input": 1000, "output": 100}, **columns)
    assert (costs, total, unpriced) == ({}, None, f"no price for {reason}")


@pytest.mark.parametrize(
    ("quantities", "columns", "reason"),
    [
        ({"input": 5, "output": 5}, {"response_model": "no-such-model"}, "model unknown: no-such-model"),
        ({"input": 5, "output": 5}, {"provider": "_OTHER", "host": "llm.example"}, "host unknown: llm.example"),
        ({"input": 5, "output": 5}, {"provider": "ollama"}, "provider unknown: ollama"),
        ({"input": 5, "output": 5}, {"response_model": "text-embedding-3-small"}, "no price for unit output"),
        ({"images": 1}, {"response_model": "dall-e-3"}, "model unknown: dall-e-3"),
        ({"input": 5, "output": 5, "tool:computer": 2}, {}, "no price for unit tool:computer"),
        ({"input": 5, "output": 5}, {"provider": "mistral_ai", "response_model": "mistral-nemo:free"},
         "no price for unit input"),
    ],
)  # fmt: skip
def test_what_has_no_price_is_null_with_its_reason_and_counted(
    ledger: Client, quantities: dict[str, object], columns: dict[str, str], reason: str
) -> None:
    _, _, total, unpriced, _ = priced(ledger, quantities, **columns)
    assert (total, unpriced) == (None, reason)
    assert ledger.query("SELECT unpriced_reason, calls FROM unpriced").result_rows == [(reason, 1)]


def test_tools_are_priced_by_the_thousand_and_what_is_free_costs_nothing(ledger: Client) -> None:
    # Web searches cost USD 10 per thousand at Anthropic; its web fetches cost nothing beyond tokens.
    stated, costs, total, unpriced, _ = priced(
        ledger, {"input": 0, "output": 0, "tool:web_search": 3, "tool:web_fetch": 2},
        provider="anthropic", response_model="claude-opus-5",
    )  # fmt: skip
    assert stated == {"web_search": 3, "tool:web_fetch": 2}
    assert costs == {"web_search": Decimal("0.03"), "tool:web_fetch": 0}
    assert (total, unpriced) == (Decimal("0.03"), "")


def test_geography_makes_tokens_dearer_and_searches_not(ledger: Client) -> None:
    _, costs, _, _, _ = priced(
        ledger, {"input": 1000, "output": 0, "tool:web_search": 1}, provider="anthropic",
        response_model="claude-opus-5", inference_geo="us",
    )  # fmt: skip
    assert costs == {"input": 1000 * 5 * Decimal("1.1") / M, "web_search": Decimal("0.01")}


@pytest.mark.parametrize(("seconds", "billed"), [("0.5", 10), ("9.99", 10), (10, 10), (11, 11), (3600, 3600)])
def test_groq_bills_speech_by_the_hour_from_ten_seconds_on(
    ledger: Client, seconds: object, billed: int
) -> None:
    # whisper-large-v3: USD 0.111 per hour; what an hour does not divide is cut after 18 decimals.
    _, costs, _, _, _ = priced(
        ledger, {"seconds": seconds}, provider="groq", response_model="whisper-large-v3"
    )
    exact = Decimal("0.111") * billed * 10**18 / 3600
    assert costs["seconds"] == Decimal(int(exact)) / 10**18


def test_audio_images_and_reasoning_are_units_of_their_own(ledger: Client) -> None:
    stated, _, _, _, _ = priced(
        ledger,
        {"input": 1000, "audio_in": 300, "image_in": 200, "cache_read": 150, "cache_read_audio": 100, "text_in": 500,
         "output": 500, "audio_out": 50, "image_out": 60, "reasoning": 200, "text_out": 190},
    )  # fmt: skip
    # 1000 = 450 + 50 + 100 + 200 + 200 and 500 = 190 + 200 + 50 + 60
    assert stated == {
        "input": 450, "cache_read": 50, "cache_read_audio": 100, "audio_input": 200, "image_input": 200,
        "output": 190, "reasoning": 200, "audio_output": 50, "image_output": 60,
    }  # fmt: skip
    assert sum(stated.values()) == 1500


def test_characters_beside_tokens_and_images_beside_output_are_second_measures(ledger: Client) -> None:
    stated, _, _, _, _ = priced(ledger, {"input": 11, "characters": 40, "output": 5, "images": 1})
    assert stated == {"input": 11, "output": 5}


def test_parts_that_overlap_are_priced_only_where_it_makes_no_difference(ledger: Client) -> None:
    # 80 cached and 50 image tokens of 100: some images were cached, nobody said how many. gpt-4o prices images as text.
    stated, costs, _, unpriced, reasons = priced(
        ledger, {"input": 100, "cache_read": 80, "image_in": 50, "output": 0}
    )
    assert (stated, reasons, unpriced) == ({"input": 20, "cache_read": 80}, ["parts overlap"], "")
    assert costs["input"] == 20 * Decimal("2.5") / M
    # More cached than asked for: nothing says which of the two is true, and they differ in price.
    stated, _, total, unpriced, reasons = priced(ledger, {"input": 10, "cache_read": 50, "output": 0})
    assert (stated, total, unpriced, reasons) == ({"input": 10}, None, "parts overlap", ["parts overlap"])
    stated, _, total, unpriced, _ = priced(ledger, {"input": 0, "output": 10, "reasoning": 50})
    assert (stated, total, unpriced) == ({"output": 10}, Decimal("0.0001"), "")


@pytest.mark.parametrize("provider", ["openrouter", "x_ai", "perplexity"])
def test_the_providers_own_figure_wins_where_it_is_what_it_bills(ledger: Client, provider: str) -> None:
    _, costs, total, unpriced, _ = priced(
        ledger,
        {"input": 900, "output": 69},
        provider=provider,
        response_model="x",
        provider_cost_usd="0.0160614",
    )
    assert (costs, total, unpriced) == (
        {"stated_by_provider": Decimal("0.0160614")},
        Decimal("0.0160614"),
        "",
    )
    _, costs, _, _, _ = priced(ledger, {"input": 1000, "output": 0}, provider_cost_usd="0.0160614")
    assert costs == {"input": Decimal("0.0025")}


@pytest.mark.parametrize(
    ("quantities", "columns", "reason", "cost"),
    [
        ({"input": 1000, "output": 0}, {"usage_complete": False}, "cut short", Decimal("0.0025")),
        ({"input": 1000, "output": 0}, {"billable": "unknown"}, "cut short", Decimal("0.0025")),
        ({}, {"usage_found": False}, "usage missing", None),
        ({"input": 1000}, {}, "output not stated", Decimal("0.0025")),
        ({"input": 1000}, {"operation": "embeddings"}, "", Decimal("0.0025")),
    ],
)
def test_usage_cut_short_is_a_lower_bound_and_missing_usage_is_unknown(
    ledger: Client, quantities: dict[str, object], columns: dict[str, Any], reason: str, cost: Decimal | None
) -> None:
    _, _, total, unpriced, _ = priced(ledger, quantities, **columns)
    assert (total, unpriced) == (cost, "")
    assert [row[0] for row in ledger.query("SELECT incomplete_reason FROM incomplete").result_rows] == [
        reason
    ] * bool(reason)


def dearest(ledger: Client, price: str) -> None:
    """A list in which everything costs as much as it can."""
    from genai_prices import types
    from genai_prices.data_units import unit_data
    from genai_prices.units import UnitRegistry

    prices = types.ModelPrice(
        requests_kcount=Decimal(price), input_mtok=Decimal(price), output_mtok=Decimal(price)
    )
    model = types.ModelInfo(id="gpt-4o", match=types.ClauseEquals(equals="gpt-4o"), prices=prices)
    provider = types.Provider(id="openai", name="", api_pattern="", models=[model])
    taken = published.read([provider], UnitRegistry(unit_data), price, [("provider", "openai", "openai")])
    sync.put_in_force(ledger, taken)


def test_no_product_leaves_its_decimal_at_the_bounds(own_ledger: Client) -> None:
    dearest(own_ledger, str(units.HIGHEST_PRICE_USD))
    # The most of the dearest: (10^12 - 1) * 10^6 / 10^6, far above what a call may cost.
    most = 10**12 - 1
    _, costs, total, unpriced, _ = priced(own_ledger, {"input": most, "output": most, "reasoning": 1})
    assert (costs, total, unpriced) == ({}, None, "cost above USD 10^9")
    # 999,998,999 tokens and one request at USD 1,000: 10^9 - 1 dollars less nothing.
    _, costs, total, unpriced, _ = priced(own_ledger, {"input": 999_998_999, "output": 0})
    assert (costs, total, unpriced) == ({"input": 999_998_999, "request": 1000}, Decimal(999_999_999), "")
    _, _, total, unpriced, _ = priced(own_ledger, {"input": 999_999_001, "output": 0})
    assert (total, unpriced) == (None, "cost above USD 10^9")


def test_the_sum_of_as_many_calls_as_are_promised_fits() -> None:
    most_calls, most_a_call = 10**11, 10**9
    assert most_calls * most_a_call * 10**18 < 2**127


def test_the_smallest_price_of_the_list_keeps_all_its_digits(own_ledger: Client) -> None:
    dearest(own_ledger, "0.000001")
    _, costs, _, _, _ = priced(own_ledger, {"input": 1, "output": 0})
    assert costs == {"input": Decimal("0.000000000001"), "request": Decimal("0.000000001")}


def test_a_models_cards_go_from_the_general_to_the_particular() -> None:
    taken = published.installed([])
    for model in taken.models:
        named = [sum(bool(getattr(card, key)) for key in stretches.CIRCUMSTANCES) for card in model.cards]
        assert named == sorted(named), model.key
