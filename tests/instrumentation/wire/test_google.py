"""Google's formats beyond the vectors."""

import json

import pytest

from spanledger.wire import read_websocket_event
from support.wire import post, read, request, stream

BASE = "https://generativelanguage.googleapis.com/v1beta"
URL = f"{BASE}/models/gemini-x:generateContent"
STREAM = f"{BASE}/models/gemini-x:streamGenerateContent?alt=sse"
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}


def chunk(usage=None, finish=None, **more):
    candidate = {"content": {"parts": [{"text": "x"}]}} | ({"finishReason": finish} if finish else {})
    return {"candidates": [candidate | more], "modelVersion": "gemini-x-1", "responseId": "r1"} | (
        {"usageMetadata": usage} if usage else {}
    )


def test_a_stream_that_is_cut_states_what_it_had_stated():
    grown = USAGE | {"candidatesTokenCount": 9, "totalTokenCount": 19}
    cut = stream(STREAM, {}, chunk(USAGE), chunk(grown), ended=False)
    assert (cut.usage.output, cut.complete, cut.billable) == (9, False, "unknown")
    whole = stream(STREAM, {}, chunk(USAGE), chunk(grown, "STOP"), ended=False)
    assert (whole.complete, whole.billable, whole.finish_reasons) == (True, "yes", ("STOP",))


def test_a_chunk_without_usage_does_not_undo_it():
    reading = stream(STREAM, {}, chunk(USAGE), chunk(None, "STOP"))
    assert (reading.usage.input, reading.usage.output, reading.complete) == (10, 4, True)


def test_a_blocked_prompt_is_complete_and_its_output_unknown():
    blocked = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10},
    }
    reading = stream(STREAM, {}, blocked)
    assert (reading.usage.input, reading.usage.output, reading.complete) == (10, None, True)


@pytest.mark.parametrize("array", [False, True])
def test_an_error_inside_a_stream_is_named_by_its_status(array):
    error = {"error": {"code": 503, "message": "the prompt", "status": "UNAVAILABLE"}}
    if array:
        asked = request("POST", STREAM.removesuffix("?alt=sse"), {})
        (reading,) = read(asked, json.dumps([chunk(USAGE), error]).encode())
    else:
        reading = stream(STREAM, {}, chunk(USAGE), error)
    assert (reading.error_type, reading.usage.output) == ("UNAVAILABLE", 4)


def test_searches_that_grounded_an_answer_are_counted_once():
    grounded = {"groundingMetadata": {"webSearchQueries": ["a", "b"]}}
    reading = stream(STREAM, {}, chunk(USAGE, **grounded), chunk(USAGE, "STOP", **grounded))
    assert reading.usage.server_tools == {"google_search": 2}
    assert post(URL, {}, chunk(USAGE, "STOP")).usage.server_tools == {}


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"serviceTier": "priority"}, ("priority", None)),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, (None, "PROVISIONED_THROUGHPUT")),
    ],
)
def test_the_tier_stands_in_the_usage(fields, value):
    reading = post(URL, {}, chunk(USAGE | fields, "STOP"))
    assert (reading.service_tier, reading.traffic_type) == value


def test_embeddings_may_state_nothing():
    reading = post(
        f"{BASE}/models/e:batchEmbedContents", {"requests": []}, {"embeddings": [{"values": [0.1]}]}
    )
    assert (reading.operation, reading.found, reading.complete, reading.billable) == (
        "embeddings",
        False,
        True,
        "yes",
    )


def test_images_of_predict_are_counted():
    url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/imagen-4:predict"
    answer = {"predictions": [{"bytesBase64Encoded": "AA", "mimeType": "image/png"}] * 2}
    reading = post(url, {"instances": [{"prompt": "x"}]}, answer)
    assert (reading.operation, reading.usage.images, reading.usage.input) == ("image_generation", 2, None)


def test_a_prediction_that_states_no_count_makes_their_sum_unknown():
    url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/e:predict"
    stated = {"embeddings": {"statistics": {"token_count": 6.0}}}
    assert post(url, {}, {"predictions": [stated, stated]}).usage.input == 12
    assert post(url, {}, {"predictions": [stated, {"embeddings": {}}]}).usage.input is None


# Interactions -------------------------------------------------------------------------------------

INTERACTIONS = f"{BASE}/interactions"
I_USAGE = {
    "total_input_tokens": 11,
    "total_output_tokens": 90,
    "total_thought_tokens": 245,
    "total_tokens": 346,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 11}],
}


def test_an_interactions_stream_states_its_usage_when_it_is_completed():
    events = [
        {
            "event_type": "interaction.created",
            "interaction": {"id": "i1", "model": "g", "status": "in_progress"},
        },
        {"event_type": "step.delta", "delta": {"text": "x"}},
        {
            "event_type": "interaction.completed",
            "interaction": {"id": "i1", "model": "g", "status": "completed", "usage": I_USAGE},
        },
    ]
    reading = stream(INTERACTIONS, {"model": "g", "input": "x"}, *events)
    assert (reading.usage.input, reading.usage.output, reading.usage.reasoning) == (11, 335, 245)
    assert (reading.usage.text_in, reading.response_id, reading.complete) == (11, "i1", True)
    assert reading.billable == "yes"
    cut = stream(INTERACTIONS, {"model": "g", "input": "x"}, *events[:2], ended=False)
    assert (cut.found, cut.complete, cut.billable) == (False, False, "unknown")


def test_an_interaction_in_the_background_bills_once_by_its_id():
    asked = {"agent": "deep-research", "input": "x", "background": True}
    begun = post(INTERACTIONS, asked, {"id": "i1", "object": "interaction", "status": "in_progress"})
    assert (begun.billable, begun.billing_key, begun.request_model) == (
        "pending",
        "gcp.gemini:i1",
        "deep-research",
    )
    done = {"id": "i1", "object": "interaction", "status": "completed", "background": True, "usage": I_USAGE}
    (looked,) = read(request("GET", INTERACTIONS + "/i1"), json.dumps(done).encode())
    assert (looked.billable, looked.billing_key) == ("once_per_response_id", "gcp.gemini:i1")
    (stored,) = read(request("GET", INTERACTIONS + "/i1"), json.dumps(done | {"background": False}).encode())
    assert (stored.billable, stored.billing_key) == ("no", None)


def test_each_exchange_of_a_continued_interaction_is_a_call():
    answer = {"id": "i1", "object": "interaction", "status": "requires_continuation", "usage": I_USAGE}
    reading = post(INTERACTIONS, {"model": "g", "input": "x"}, answer)
    assert (reading.complete, reading.billable, reading.usage.output) == (True, "yes", 335)


# Batches, live ------------------------------------------------------------------------------------


def test_batches_bill_their_answers_by_their_own_ids_inlined_or_as_a_file():
    answers = [chunk(USAGE, "STOP"), chunk(USAGE, "STOP") | {"responseId": "r2"}]
    inlined = {
        "name": "batches/b",
        "done": True,
        "response": {"inlinedResponses": {"inlinedResponses": [{"response": a} for a in answers]}},
    }
    lines = "\n".join(json.dumps({"key": "same", "response": answer}) for answer in answers).encode()
    for url, data in (
        (f"{BASE}/batches/b", json.dumps(inlined).encode()),
        ("https://generativelanguage.googleapis.com/download/v1beta/files/f:download?alt=media", lines),
    ):
        readings = read(request("GET", url), data)
        assert [r.billing_key for r in readings] == ["gcp.gemini:r1", "gcp.gemini:r2"]
        assert {(r.usage.input, r.usage.output, r.service_tier, r.billable) for r in readings} == {
            (10, 4, "batch", "once_per_response_id")
        }
    waiting = json.dumps({"name": "batches/b", "metadata": {"state": "RUNNING"}}).encode()
    assert read(request("GET", f"{BASE}/batches/b"), waiting) == []


def test_a_live_message_states_its_usage():
    usage = {"promptTokenCount": 5, "responseTokenCount": 7, "totalTokenCount": 12}
    usage["responseTokensDetails"] = [{"modality": "AUDIO", "tokenCount": 7}]
    url = "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    (reading,) = read_websocket_event(url, json.dumps({"serverContent": {}, "usageMetadata": usage}))
    assert (reading.provider, reading.usage.input, reading.usage.output) == ("gcp.gemini", 5, 7)
    assert reading.usage.audio_out == 7
