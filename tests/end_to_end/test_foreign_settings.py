"""What the app sets for its own telemetry neither stops metering nor adds to it."""

from datetime import UTC, datetime

import pytest

from support import demo_world

ATTRIBUTE_LIMITS = {
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "2",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "2",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "2",
}

SETTINGS = {
    "the SDK disabled": {"OTEL_SDK_DISABLED": "true"},
    "a sampler that takes a tenth": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    },
    "a sampler that takes nothing": {"OTEL_TRACES_SAMPLER": "always_off"},
    "two attributes of two characters a span": ATTRIBUTE_LIMITS,
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_ledger_is_the_same_to_the_token_with(running, settings):
    began = datetime.now(UTC)
    with demo_world.running_providers(seed=15) as providers:
        demo_world.run_traced_app(providers, running.endpoint, environment=settings)
        books = providers.books()
    assert len(books) > 10
    assert running.differences(books, began) == []


def test_gen_ai_spans_of_another_instrumentation_arrive_and_bill_nothing(running):
    began = datetime.now(UTC)
    with demo_world.running_providers(seed=16) as providers:
        demo_world.run_traced_app(providers, running.endpoint)
        books = providers.books()
    assert running.differences(books, began) == []
    scopes = running.rows(
        "SELECT DISTINCT ScopeName FROM otel_traces WHERE mapContains(SpanAttributes, 'gen_ai.usage.input_tokens')"
    )
    assert {"spanledger", "com.anthropic.sdk.python"} <= {scope for (scope,) in scopes}
