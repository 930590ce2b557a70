"""Events of the providers' websockets: OpenAI's realtime, live and responses, Google's live.

Nothing here sees a connection; whoever does hands over one server event after another. Each event that
states billed usage gives its own Reading, since a connection has no end by which to tell a call. Totals
that grow during a session (`session.usage.updated`) are left alone until the session is closed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from spanledger.wire.call import OTHER, Asked, Call
from spanledger.wire.gemini import gemini_usage
from spanledger.wire.hosts import provider_of
from spanledger.wire.openai_responses import ResponsesParser
from spanledger.wire.openai_usage import openai_usage
from spanledger.wire.parser import stated
from spanledger.wire.reading import Reading, Usage
from spanledger.wire.skim import KEEP, skim
from spanledger.wire.values import error_code, mapping, quantity, text

_RESPONSE: dict[str, Any] = {**ResponsesParser.SPEC["response"], "status_details": {"error": KEEP}}
_EVENT: dict[str, Any] = {
    "type": KEEP,
    "item_id": KEEP,
    "usage": KEEP,
    "session": {"id": KEEP, "model": KEEP},
    "response": _RESPONSE,
    "decision": {"id": KEEP, "model": KEEP, "usage": KEEP},
    "usageMetadata": KEEP,
}
_SPEC: dict[str, Any] = {**_EVENT, "event": _EVENT}
_FINISHED = ("response.completed", "response.incomplete", "response.failed")
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def read_websocket_event(url: str, event: str | bytes) -> list[Reading]:
    """What one event from the server at `url` says was used; empty for most events."""
    data = event.encode("utf-8", "replace") if isinstance(event, str) else event
    if b'"usage' not in data:
        return []
    root = mapping(skim(data, _SPEC))
    # Live sessions wrap the events of the responses and decisions that they delegate to.
    if root.get("type") in ("response.event", "decision.event"):
        root = mapping(root.get("event"))
    reading = _reading(_call(url), root)
    if reading is None or not (stated(reading.usage) or reading.error_type):
        return []
    reading.found = stated(reading.usage)
    reading.complete = True
    reading.stream = True
    return [reading]


def _call(url: str) -> Call:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    named = next(iter(query.get("model") or query.get("deployment") or ()), None)
    provider = provider_of(parts.hostname or "")
    return Call(
        provider=provider or OTHER,
        operation="realtime_inference",
        family="websocket",
        request_model=text(named),
        asked=Asked(),
        known=provider is not None,
        certain=True,
    )


def _reading(call: Call, event: dict[str, Any]) -> Reading | None:
    kind = text(event.get("type")) or ""
    reading = call.reading()
    if kind == "response.done":
        response = mapping(event.get("response"))
        reading.response_id = text(response.get("id"))
        reading.response_model = text(response.get("model"))
        reading.usage = openai_usage(mapping(response.get("usage")), provider=call.provider)
        if response.get("status") == "failed":
            reading.error_type = error_code(mapping(response.get("status_details")).get("error"))
            reading.billable = "yes" if stated(reading.usage) else "no"
    elif kind == _TRANSCRIBED:
        # Billed at the transcribing model, which the session's configuration names, not the event.
        reading.operation = "transcription"
        reading.request_model = None
        reading.response_id = text(event.get("item_id"))
        reading.usage = openai_usage(mapping(event.get("usage")), provider=call.provider)
    elif kind in _FINISHED:
        parser = ResponsesParser(call, {})
        parser.event(event)
        (reading,) = parser.finish()
        reading.operation = "chat"
    elif kind == "decision.completed":
        decision = mapping(event.get("decision"))
        reading.operation = "chat"
        reading.response_id = text(decision.get("id"))
        reading.response_model = text(decision.get("model"))
        reading.usage = openai_usage(mapping(decision.get("usage")), provider=call.provider)
    elif kind == "session.closed":
        session = mapping(event.get("session"))
        reading.response_id = text(session.get("id"))
        reading.response_model = text(session.get("model"))
        reading.usage = Usage(seconds=quantity(mapping(event.get("usage")).get("seconds")))
    elif "usageMetadata" in event:
        reading.usage = gemini_usage(mapping(event.get("usageMetadata")))
    else:
        return None
    return reading
