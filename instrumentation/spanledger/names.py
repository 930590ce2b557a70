"""The vocabulary: every attribute a billing span can carry.

One module holds all the names. The schema reads the same names in SQL; a test compares the two, so a
name that is added here and nowhere else fails it.

`gen_ai.*`, `error.type`, `server.*` and `http.*` are OpenTelemetry's. The GenAI conventions are still
in development (home: open-telemetry/semantic-conventions-genai), so the names are written out here and
not imported. `spanledger.*` is ours, for what the conventions lack.
"""

from typing import Final

SCOPE: Final = "spanledger"
"""Instrumentation scope of every span that bills. The ledger takes no other, unless told to."""

# Who pays ---------------------------------------------------------------------------------------
CLIENT_ID: Final = "client_id"
PROJECT: Final = "spanledger.project"
LABEL_PREFIX: Final = "spanledger.label."
SENDER: Final = "spanledger.sender"
"""Stamped by the collector from the sender's token; what an app writes here is deleted."""

# What was asked ---------------------------------------------------------------------------------
PROVIDER: Final = "gen_ai.provider.name"
OPERATION: Final = "gen_ai.operation.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
RESEND_COUNT: Final = "http.request.resend_count"

# What was answered ------------------------------------------------------------------------------
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
HTTP_STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
PROVIDER_REQUEST_ID: Final = "spanledger.provider_request_id"
"""The provider's own id of the exchange (`x-request-id`, `request-id`): what its support asks for."""

# Whether and how it bills -----------------------------------------------------------------------
BILLABLE: Final = "spanledger.billable"
BILLING_KEY: Final = "spanledger.billing_key"
LINE: Final = "spanledger.line"
"""On a child span only: what the line is (an iteration's type or a tool), with an ordinal from the
second of its kind on (`advisor_message`, `advisor_message.2`)."""
METERED_BY: Final = "spanledger.metered_by"
"""The hop nearer to the provider that already metered this call; such a call is not billed again."""
METERING_ERROR: Final = "spanledger.metering_error"
"""What metering failed at in this call (a code such as `reader`), so that a gap is seen and not guessed."""
USAGE_FOUND: Final = "spanledger.usage.found"
USAGE_COMPLETE: Final = "spanledger.usage.complete"
SERVICE_TIER: Final = "spanledger.service_tier"
SERVICE_TIER_REQUESTED: Final = "spanledger.service_tier_requested"
INFERENCE_GEO: Final = "spanledger.inference_geo"
SPEED: Final = "spanledger.speed"
TRAFFIC_TYPE: Final = "spanledger.traffic_type"
IMAGE_SIZE: Final = "spanledger.image.size"
IMAGE_QUALITY: Final = "spanledger.image.quality"

# Quantities: field of `wire.reading.Usage` -> attribute -------------------------------------------
USAGE: Final[dict[str, str]] = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_write.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
    "text_in": "gen_ai.usage.text.input_tokens",
    "audio_in": "gen_ai.usage.audio.input_tokens",
    "image_in": "gen_ai.usage.image.input_tokens",
    "text_out": "gen_ai.usage.text.output_tokens",
    "audio_out": "gen_ai.usage.audio.output_tokens",
    "image_out": "gen_ai.usage.image.output_tokens",
    "cache_read_text": "gen_ai.usage.text.cache_read.input_tokens",
    "cache_read_audio": "gen_ai.usage.audio.cache_read.input_tokens",
    "cache_read_image": "gen_ai.usage.image.cache_read.input_tokens",
    "cache_write_5m": "spanledger.usage.cache_write_5m.input_tokens",
    "cache_write_1h": "spanledger.usage.cache_write_1h.input_tokens",
    "cache_write_30m": "spanledger.usage.cache_write_30m.input_tokens",
    "cache_write_12h": "spanledger.usage.cache_write_12h.input_tokens",
    "video_in": "spanledger.usage.video.input_tokens",
    "cache_read_video": "spanledger.usage.video.cache_read.input_tokens",
    "tool_in": "spanledger.usage.tool.input_tokens",
    "accepted_prediction": "spanledger.usage.accepted_prediction.output_tokens",
    "rejected_prediction": "spanledger.usage.rejected_prediction.output_tokens",
    "citation": "spanledger.usage.citation.output_tokens",
    "seconds": "spanledger.usage.seconds",
    "characters": "spanledger.usage.characters",
    "pages": "spanledger.usage.pages",
    "search_units": "spanledger.usage.search_units",
    "images": "spanledger.usage.images",
}
SERVER_TOOL_PREFIX: Final = "spanledger.usage.server_tool."
PROVIDER_COST_USD: Final = "spanledger.usage.provider_cost_usd"
"""What the provider says it charged: a decimal as text, never a float."""
