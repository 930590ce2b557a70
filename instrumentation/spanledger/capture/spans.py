"""From a reading to its spans: one for the call, a child for each line that bills on its own."""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from spanledger import names
from spanledger.attribution import Attribution
from spanledger.capture.tracing import Finished, Recurring, ids
from spanledger.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from spanledger.capture.tracing import Value
    from spanledger.wire.reading import Line, Reading, Usage


class CallFacts:
    """What the exchange itself tells, beside what its body says. An object holds of it what is known."""

    attribution: Attribution
    parent: SpanContext | None
    started_ns: int
    host: str
    port: int | None
    resend_count: int | None
    ended_ns: int = 0
    first_chunk_ns: int | None = None
    status: int | None = None
    provider_request_id: str | None = None
    metered_by: str | None = None
    metering_error: str | None = None


_READING = {
    "request_model": names.REQUEST_MODEL,
    "response_model": names.RESPONSE_MODEL,
    "stream": names.REQUEST_STREAM,
    "service_tier": names.SERVICE_TIER,
    "service_tier_requested": names.SERVICE_TIER_REQUESTED,
    "inference_geo": names.INFERENCE_GEO,
    "speed": names.SPEED,
    "traffic_type": names.TRAFFIC_TYPE,
    "image_size": names.IMAGE_SIZE,
    "image_quality": names.IMAGE_QUALITY,
    "error_type": names.ERROR_TYPE,
}


_said = attrgetter("provider", "operation", "found", "complete", "billable", *_READING)
_SAID_NAMES = (
    names.PROVIDER,
    names.OPERATION,
    names.USAGE_FOUND,
    names.USAGE_COMPLETE,
    names.BILLABLE,
    *_READING.values(),
)


def _recur(key: tuple[Any, ...]) -> Recurring:
    """What a call has in common with others of its client, host and models."""
    who = Attribution(*key[:3])
    attributes = {
        name: value
        for name, value in zip(_RECURRING_NAMES, key[3:], strict=True)
        if value is not None and value != ()
    }
    attributes.update(_attribution(who))
    if names.METERED_BY in attributes:
        attributes[names.BILLABLE] = "no"
    model = attributes.get(names.REQUEST_MODEL) or attributes.get(names.RESPONSE_MODEL) or ""
    name = f"{attributes[names.OPERATION]} {model}".rstrip()
    return Recurring(name, attributes, failed=names.ERROR_TYPE in attributes)


_recurring: Final = Remembered(_recur)
_EXCHANGE_NAMES = (
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
    names.METERED_BY,
    names.RESEND_COUNT,
    names.HTTP_STATUS,
    names.FINISH_REASONS,
)
_RECURRING_NAMES = (*_EXCHANGE_NAMES, *_SAID_NAMES)


def emit(record: Callable[[Finished], None], facts: CallFacts, reading: Reading) -> None:
    """Make the spans of one reading: the call, then a child for each of its lines."""
    who, parent = facts.attribution, facts.parent
    trace_id, span_id = ids(parent)
    recurring = _recurring[
        who.client_id,
        who.project,
        who.labels,
        facts.host,
        facts.port,
        facts.metered_by,
        facts.resend_count,
        facts.status,
        tuple(reading.finish_reasons),
        *_said(reading),
    ]
    started, ended = facts.started_ns, facts.ended_ns
    attributes = _usage_attributes(reading.usage)
    if reading.response_id is not None:
        attributes[names.RESPONSE_ID] = reading.response_id
    if reading.billing_key is not None:
        attributes[names.BILLING_KEY] = reading.billing_key
    if facts.provider_request_id is not None:
        attributes[names.PROVIDER_REQUEST_ID] = facts.provider_request_id
    if facts.metering_error is not None:
        attributes[names.METERING_ERROR] = facts.metering_error
    if reading.stream and facts.first_chunk_ns is not None:
        attributes[names.TIME_TO_FIRST_CHUNK] = (facts.first_chunk_ns - started) / 1e9
    span = Finished(trace_id, span_id, parent, started, ended, attributes, recurring)
    record(span)
    if not reading.lines:
        return
    context = span.context()
    seen: dict[str, int] = {}
    for line in reading.lines:
        seen[line.kind] = ordinal = seen.get(line.kind, 0) + 1
        name = f"{reading.operation} {line.model or ''}".rstrip()
        attributes = _line_attributes(facts, reading, line, ordinal)
        record(Finished(*ids(context), context, started, ended, attributes, Recurring(name, {})))


def _attribution(who: Attribution) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    if who.client_id is not None:
        attributes[names.CLIENT_ID] = who.client_id
    if who.project is not None:
        attributes[names.PROJECT] = who.project
    for key, value in who.labels:
        attributes[names.LABEL_PREFIX + key] = value
    return attributes


def _line_attributes(facts: CallFacts, reading: Reading, line: Line, ordinal: int) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        names.PROVIDER: reading.provider,
        names.OPERATION: reading.operation,
        names.SERVER_ADDRESS: facts.host,
        names.USAGE_FOUND: reading.found,
        names.USAGE_COMPLETE: reading.complete,
        **_attribution(facts.attribution),
    }
    if facts.port is not None:
        attributes[names.SERVER_PORT] = facts.port
    if facts.metered_by is not None:
        attributes[names.METERED_BY] = facts.metered_by
    attributes[names.LINE] = line.kind if ordinal == 1 else f"{line.kind}.{ordinal}"
    if facts.metered_by is not None or reading.billable == "no":
        attributes[names.BILLABLE] = "no"
    elif reading.billable == "no_lines_follow":
        attributes[names.BILLABLE] = "yes" if reading.billing_key is None else "once_per_response_id"
    else:
        attributes[names.BILLABLE] = reading.billable
    if line.model is not None:
        attributes[names.REQUEST_MODEL] = line.model
        attributes[names.RESPONSE_MODEL] = line.model
    said = (
        (names.BILLING_KEY, reading.billing_key),
        (names.RESPONSE_ID, reading.response_id),
        (names.SERVICE_TIER, reading.service_tier),
        (names.INFERENCE_GEO, reading.inference_geo),
        (names.SPEED, reading.speed),
    )
    attributes |= {name: value for name, value in said if value is not None}
    attributes.update(_usage_attributes(line.usage))
    return attributes


def _usage_attributes(usage: Usage) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    for field, value in vars(usage).items():
        if value is not None and (name := names.USAGE.get(field)) is not None:
            attributes[name] = _quantity(value)
    for tool, count in usage.server_tools.items():
        attributes[names.SERVER_TOOL_PREFIX + tool] = count
    if usage.provider_cost_usd is not None:
        attributes[names.PROVIDER_COST_USD] = usage.provider_cost_usd
    return attributes


def _quantity(value: int | Decimal) -> int | str:
    if isinstance(value, Decimal):
        # A whole number goes as one; else as text, since a float would lose what was stated.
        if value != value.to_integral_value():
            return format(value, "f")
        value = int(value)
    # OTLP has no larger integer; as text the ledger can still see it, and flags it.
    return value if value <= _INT64_MAX else str(value)


_INT64_MAX = 2**63 - 1
