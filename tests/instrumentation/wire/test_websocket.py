"""Events of websockets."""

import json
from decimal import Decimal

import pytest

from spanledger.wire import read_websocket_event

R_USAGE = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}

REALTIME = "wss://api.openai.com/v1/realtime?model=gpt-realtime"


def test_a_realtime_response_states_its_tokens_by_modality():
    usage = {
        "total_tokens": 300,
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 120,
            "audio_tokens": 80,
            "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
    }
    done = {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "usage": usage}}
    (reading,) = read_websocket_event(REALTIME, json.dumps(done))
    used = reading.usage
    assert (used.input, used.output, used.cache_read, used.cache_read_text) == (200, 100, 64, 64)
    assert (used.audio_in, used.audio_out, used.text_in, used.text_out) == (80, 70, 120, 30)
    assert (reading.request_model, reading.response_id, reading.billable) == ("gpt-realtime", "resp_1", "yes")


def test_a_live_session_counts_its_seconds_once_at_its_end():
    growing = {"type": "session.usage.updated", "usage": {"seconds": 10.5}}
    closed = {
        "type": "session.closed",
        "usage": {"seconds": 21.25},
        "session": {"id": "s", "model": "live-1"},
    }
    url = "wss://api.openai.com/v1/live?model=live-1"
    assert read_websocket_event(url, json.dumps(growing)) == []
    (reading,) = read_websocket_event(url, json.dumps(closed))
    assert reading.usage.seconds == Decimal("21.25")


def test_responses_over_a_websocket_and_inside_a_live_session_are_read():
    response = {"id": "resp_1", "status": "completed", "background": False, "usage": R_USAGE}
    plain = {"type": "response.completed", "response": response}
    wrapped = {"type": "response.event", "event": plain}
    for message in (plain, wrapped):
        (reading,) = read_websocket_event("wss://api.openai.com/v1/responses", json.dumps(message))
        assert (reading.usage.input, reading.response_id, reading.billable) == (20, "resp_1", "yes")
    decided = {
        "type": "decision.event",
        "event": {"type": "decision.completed", "decision": {"usage": R_USAGE}},
    }
    (reading,) = read_websocket_event("wss://api.openai.com/v1/live", json.dumps(decided))
    assert reading.usage.output == 5


@pytest.mark.parametrize(
    "message",
    ["", "x", "[]", '{"type": "response.created", "response": {"usage": null}}', '{"type": "x", "usage": 1}'],
)
def test_other_websocket_events_are_nothing(message):
    assert read_websocket_event(REALTIME, message) == []
