"""The usage object of OpenAI's shape, which two dozen providers speak with dialects of their own.

One function for both spellings (`prompt_tokens`/`completion_tokens` of chat, `input_tokens`/
`output_tokens` of the rest): the containments are the same. Cached and cache-written tokens lie inside
the prompt, reasoning and predictions inside the completion. What differs by dialect is noted beside it.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.wire.reading import Usage
from spanledger.wire.values import count, mapping, money, quantity, tool_counts, total

# writer.com and OpenAI's own audio endpoints say `token_details`, the others `tokens_details`.
_OF_INPUT: Final = (
    "prompt_tokens_details",
    "input_tokens_details",
    "prompt_token_details",
    "input_token_details",
)
_OF_OUTPUT: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "completion_token_details",
    "output_token_details",
)
_PARTS_OF_INPUT: Final = {
    "cached_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "text_tokens": "text_in",
    "audio_tokens": "audio_in",
    "image_tokens": "image_in",
    "video_tokens": "video_in",
}
_PARTS_OF_CACHED: Final = {
    "text_tokens": "cache_read_text",
    "audio_tokens": "cache_read_audio",
    "image_tokens": "cache_read_image",
}
_PARTS_OF_WRITTEN: Final = {
    "ttl_30m_tokens": "cache_write_30m",
    "ttl_12h_tokens": "cache_write_12h",
}
_PARTS_OF_OUTPUT: Final = {
    "reasoning_tokens": "reasoning",
    "accepted_prediction_tokens": "accepted_prediction",
    "rejected_prediction_tokens": "rejected_prediction",
    "text_tokens": "text_out",
    "audio_tokens": "audio_out",
    "image_tokens": "image_out",
}


def openai_usage(raw: dict[str, Any], *, provider: str = "", generates: bool = True) -> Usage:
    """`generates` is False for embeddings and reranking, where all tokens are input."""
    usage = Usage(
        input=_first(raw, "prompt_tokens", "input_tokens"),
        output=_first(raw, "completion_tokens", "output_tokens"),
    )
    details = _details(usage, raw, _OF_INPUT, _PARTS_OF_INPUT)
    if usage.cache_read is None:
        # Hugging Face and Moonshot, Mistral, DeepSeek: beside the prompt's count
        usage.cache_read = _first(raw, "cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens")
    if details:
        _details(usage, details, ("cached_tokens_details",), _PARTS_OF_CACHED)
        if _details(usage, details, ("cache_write_tokens_details",), _PARTS_OF_WRITTEN) and (
            usage.cache_write is None
        ):
            usage.cache_write = total(usage.cache_write_30m, usage.cache_write_12h)
    if usage.input is None:
        usage.input = total(
            count(raw.get("prompt_cache_hit_tokens")), count(raw.get("prompt_cache_miss_tokens"))
        )
    _details(usage, raw, _OF_OUTPUT, _PARTS_OF_OUTPUT)
    if usage.reasoning is None:
        usage.reasoning = _first(raw, "reasoning_tokens")
    _totals(usage, raw, provider, generates=generates)
    _other_units(usage, raw, provider)
    return usage


def _first(raw: dict[str, Any], *names: str) -> int | None:
    """The first of these members that is a count."""
    for name in names:
        if (known := count(raw.get(name))) is not None:
            return known
    return None


def _details(
    usage: Usage, raw: dict[str, Any], names: tuple[str, ...], fields: dict[str, str]
) -> dict[str, Any]:
    """The first object under one of `names`; of `fields` those are noted that are there: few of many."""
    for name in names:
        found = raw.get(name)
        if found and isinstance(found, dict):
            for part, value in found.items():
                if (field := fields.get(part)) is not None:
                    setattr(usage, field, count(value))
            return found
    return {}


def _totals(usage: Usage, raw: dict[str, Any], provider: str, *, generates: bool) -> None:
    stated = _first(raw, "total_tokens")
    if "connector_tokens" in raw:
        usage.tool_in = count(raw["connector_tokens"])
    if not generates:
        # Voyage states the total alone; a completion of embeddings is 0 or nonsense.
        usage.input = usage.input if usage.input is not None else stated
        usage.output = usage.output or None
        return
    if usage.input is not None and stated is not None:
        # xAI's chat and Gemini's compatible path leave reasoning out of the completion, not of the total.
        beyond = stated - usage.input - (usage.tool_in or 0)
        if beyond > (usage.output or 0):
            if usage.output is not None and not usage.reasoning:
                usage.reasoning = beyond - usage.output
            usage.output = beyond
    if usage.tool_in is not None:
        # Mistral's connectors: outside the prompt, inside the total.
        usage.input = total(usage.input, usage.tool_in)
    if provider == "perplexity":
        # Deep research thinks outside the completion and outside the total.
        usage.citation = count(raw.get("citation_tokens"))
        outside = count(raw.get("reasoning_tokens"))
        if outside and usage.output is not None and not mapping(raw.get("completion_tokens_details")):
            usage.output = total(usage.output, outside)


def _other_units(usage: Usage, raw: dict[str, Any], provider: str) -> None:
    if "prompt_audio_seconds" in raw:
        usage.seconds = quantity(raw["prompt_audio_seconds"])
    if usage.seconds is None and raw.get("type") == "duration":
        usage.seconds = quantity(raw.get("seconds"))
    if "connectors" in raw:
        usage.server_tools.update(tool_counts(raw["connectors"]))
    cost = raw.get("cost")
    if provider == "openrouter":
        usage.provider_cost_usd = money(cost)
    elif provider == "perplexity":
        usage.provider_cost_usd = money(mapping(cost).get("total_cost"))
        queries = count(raw.get("num_search_queries"))
        if queries is not None:
            usage.server_tools["search_queries"] = queries
    elif provider == "x_ai":
        usage.provider_cost_usd = money(raw.get("cost_in_usd_ticks"), exponent=-10)
