"""Cohere, Mistral, Ollama, DeepSeek and batches: their formats beyond the vectors."""

import json

import pytest

from support.wire import EVENT_STREAM, post, read, request, stream

ASKED = {"model": "m", "messages": []}
BILLED = {"billed_units": {"input_tokens": 7.0, "output_tokens": 3.0}, "tokens": {"input_tokens": 900}}


def test_cohere_streams_what_it_bills_with_the_end_of_the_message():
    events = [
        {"type": "message-start", "id": "c1", "delta": {"message": {}}},
        {"type": "content-delta", "delta": {"message": {"content": {"text": "usage"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": BILLED}},
    ]
    reading = stream("https://api.cohere.com/v2/chat", ASKED, *events)
    assert (reading.usage.input, reading.usage.output, reading.response_id) == (7, 3, "c1")
    assert (reading.complete, reading.finish_reasons) == (True, ("COMPLETE",))
    cut = stream("https://api.cohere.com/v2/chat", ASKED, *events[:2], ended=False)
    assert (cut.found, cut.complete, cut.billable) == (False, False, "unknown")


def test_coheres_first_version_streams_lines_of_json():
    lines = [
        {"event_type": "stream-start", "generation_id": "g1"},
        {"event_type": "text-generation", "text": "x"},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"meta": BILLED}},
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    asked = request("POST", "https://api.cohere.com/v1/chat", {"model": "m", "message": "x"})
    (reading,) = read(asked, data, headers={"content-type": "application/stream+json"})
    assert (reading.usage.input, reading.usage.output, reading.complete) == (7, 3, True)


def test_cohere_bills_reranking_by_the_search_and_images_beside_text():
    answer = {"id": "r", "results": [], "meta": {"billed_units": {"search_units": 2}}}
    ranked = post("https://api.cohere.com/v2/rerank", {"model": "rerank-v4", "query": "q"}, answer)
    assert (ranked.operation, ranked.usage.search_units, ranked.usage.input) == ("rerank", 2, None)
    assert (ranked.found, ranked.billable) == (True, "yes")
    answer = {"id": "e", "embeddings": {}, "meta": {"billed_units": {"input_tokens": 4, "image_tokens": 250}}}
    used = post("https://api.cohere.com/v2/embed", {"model": "embed-v4"}, answer).usage
    assert (used.input, used.image_in) == (254, 250)


def test_mistral_bills_scans_by_the_page():
    answer = {"pages": [{"markdown": "usage"}], "model": "mistral-ocr", "usage_info": {"pages_processed": 3}}
    reading = post("https://api.mistral.ai/v1/ocr", {"model": "mistral-ocr-latest", "document": {}}, answer)
    assert (reading.operation, reading.usage.pages, reading.usage.input) == ("ocr", 3, None)
    assert (reading.found, reading.response_model, reading.billable) == (True, "mistral-ocr", "yes")


CONNECTED = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "connector_tokens": 300,
    "total_tokens": 420,
    "connectors": {"web_search": 2},
}


@pytest.mark.parametrize("path", ["", "/conv_1", "/conv_1/restart"])
def test_mistrals_connectors_lie_outside_the_prompt(path):
    url = "https://api.mistral.ai/v1/conversations" + path
    answer = {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": [],
        "usage": CONNECTED,
    }
    whole = post(url, {"model": "mistral-medium", "inputs": "x"}, answer)
    events = [
        {"type": "conversation.response.started", "conversation_id": "conv_1"},
        {"type": "message.output.delta", "content": "x"},
        {"type": "conversation.response.done", "usage": CONNECTED},
    ]
    streamed = stream(url, {"model": "mistral-medium", "inputs": "x", "stream": True}, *events)
    for reading in (whole, streamed):
        assert (reading.usage.input, reading.usage.tool_in, reading.usage.output) == (400, 300, 20)
        assert (reading.usage.server_tools, reading.usage.reasoning) == ({"web_search": 2}, None)
        assert (reading.complete, reading.billable) == (True, "yes")


def test_mistral_states_cached_tokens_in_either_place():
    url = "https://api.mistral.ai/v1/chat/completions"
    usage = {"prompt_tokens": 70, "completion_tokens": 1, "total_tokens": 71}
    for extra in (
        {"num_cached_tokens": 69},
        {"prompt_tokens_details": {"cached_tokens": 69}, "num_cached_tokens": 69},
    ):
        assert post(url, ASKED, {"choices": [{}], "usage": usage | extra}).usage.cache_read == 69


def test_deepseeks_hits_and_misses_make_a_missing_prompt():
    usage = {"prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 1, "completion_tokens": 9}
    used = post("https://api.deepseek.com/chat/completions", ASKED, {"choices": [{}], "usage": usage}).usage
    assert (used.input, used.cache_read, used.output) == (17, 16, 9)


def test_ollamas_stream_that_is_cut_or_fails_states_nothing():
    asked = request("POST", "http://localhost:11434/api/chat", ASKED)
    headers = {"content-type": "application/x-ndjson"}
    line = b'{"model": "llama", "message": {"content": "done\\": true"}, "done": false}\n'
    (cut,) = read(asked, line, headers=headers, ended=False)
    assert (cut.provider, cut.found, cut.complete, cut.billable) == ("ollama", False, False, "unknown")
    (failed,) = read(asked, line + b'{"error": "the prompt"}\n', headers=headers)
    assert (failed.error_type, failed.billable) == ("error", "unknown")


def test_watsonx_counts_in_its_results_and_its_streams_counts_grow():
    base = "https://us-south.ml.cloud.ibm.com/ml/v1/text/"
    asked = {"model_id": "ibm/granite", "input": "x"}
    result = {
        "generated_text": "x",
        "generated_token_count": 3,
        "input_token_count": 7,
        "stop_reason": "eos_token",
    }
    whole = post(base + "generation", asked, {"model_id": "ibm/granite", "results": [result]})
    growing = [
        {
            "model_id": "ibm/granite",
            "results": [result | {"generated_token_count": 1, "stop_reason": "not_finished"}],
        },
        {"model_id": "ibm/granite", "results": [result | {"input_token_count": 0}]},
    ]
    streamed = stream(base + "generation_stream", asked, *growing)
    for reading in (whole, streamed):
        assert (reading.usage.input, reading.usage.output, reading.complete) == (7, 3, True)
        assert (reading.provider, reading.request_model) == ("ibm.watsonx.ai", "ibm/granite")
    cut = stream(base + "generation_stream", asked, growing[0], ended=False)
    assert (cut.usage.output, cut.complete, cut.billable) == (1, False, "unknown")
    embedded = post(
        base + "embeddings", asked, {"model_id": "ibm/slate", "results": [], "input_token_count": 9}
    )
    assert (embedded.operation, embedded.usage.input, embedded.usage.output) == ("embeddings", 9, None)
    chat = post(
        base + "chat", asked, {"choices": [{}], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    )
    assert (chat.operation, chat.usage.input, chat.request_model) == ("chat", 7, "ibm/granite")


# Batches ------------------------------------------------------------------------------------------


def item(body, number=1, **more):
    return {
        "id": f"batch_req_{number}",
        "custom_id": "same",
        "response": {"status_code": 200, "body": body},
    } | more


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def test_a_batch_file_may_hold_answers_of_any_shape():
    bodies = [
        {"id": "c1", "object": "chat.completion", "choices": [{}], "usage": USAGE},
        {
            "id": "r1",
            "object": "response",
            "status": "completed",
            "usage": {"input_tokens": 7, "output_tokens": 3},
        },
        {"object": "list", "data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}},
        {"error": {"message": "bad"}},
    ]
    data = "\n".join(json.dumps(item(body, number)) for number, body in enumerate(bodies)).encode()
    asked = request("GET", "https://api.openai.com/v1/files/file-1/content")
    readings = read(asked, data, headers={"content-type": "application/octet-stream"}, size=100)
    # An embedding has no id of its own, so the provider's id of the item stands in.
    assert [reading.billing_key for reading in readings] == ["openai:c1", "openai:r1", "openai:batch_req_2"]
    assert [(r.usage.input, r.usage.output) for r in readings] == [(7, 3), (7, 3), (7, None)]
    assert {(r.billable, r.service_tier) for r in readings} == {("once_per_response_id", "batch")}


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        b"%PDF-1.7 " + b'"usage"' * 10,
        b'{"messages": [{"content": "usage"}]}\n' * 3,
        b'{"usage": {"prompt_tokens": 5}}\n{"response": {"body": null}}\n[]\n',
        b'{"response": {"body": {"text": {"usage": {"prompt_tokens": 5}}}}}\n',
        b"",
    ],
)
def test_any_other_file_is_no_call(data):
    assert read(request("GET", "https://api.openai.com/v1/files/file-1/content"), data, headers={}) == []
    missing = request("GET", "https://api.openai.com/v1/files/file-1/content")
    assert read(missing, b"{}", status=404) == []


def test_a_line_of_a_batch_file_that_is_broken_spoils_no_other():
    good = json.dumps(item({"id": "c1", "choices": [{}], "usage": USAGE})).encode()
    data = good[:-9] + b"\n" + b'{"response": {"body": {"usage"\n' + good + b"\n"
    (reading,) = read(request("GET", "https://api.openai.com/v1/files/f/content"), data, headers={})
    assert reading.billing_key == "openai:c1"


def test_an_azure_batch_is_read_like_openais():
    data = json.dumps(item({"id": "c1", "choices": [{}], "usage": USAGE})).encode()
    (reading,) = read(request("GET", "https://a.openai.azure.com/openai/files/f/content"), data, headers={})
    assert reading.billing_key == "azure.ai.openai:c1"


def test_the_total_of_a_batch_is_a_check_and_nothing_until_there_is_one():
    url = "https://api.openai.com/v1/batches/b1"
    waiting = {"id": "b1", "object": "batch", "status": "in_progress", "usage": None}
    assert read(request("GET", url), json.dumps(waiting).encode()) == []
    done = waiting | {"usage": {"input_tokens": 9, "output_tokens": 1}}
    (reading,) = read(request("GET", url), json.dumps(done).encode())
    assert (reading.billable, reading.billing_key, reading.usage.input) == ("check_only", "openai:b1", 9)


# Framing by what arrives --------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["", "application/json", "text/html", "application/octet-stream"])
def test_a_stream_is_told_by_its_first_byte_where_the_header_misleads(content_type):
    events = [{"choices": [{"delta": {}}], "model": "m1"}, {"choices": [], "usage": USAGE}]
    url = "https://api.openai.com/v1/chat/completions"
    reading = stream(url, ASKED, *events, done=True, headers={"content-type": content_type}, size=3)
    assert (reading.usage.output, reading.stream, reading.complete) == (3, True, True)


def test_an_answer_in_one_piece_is_read_whatever_its_header_says():
    answer = {"choices": [{}], "usage": USAGE}
    url = "https://api.openai.com/v1/chat/completions"
    for headers in ({}, {"content-type": "text/plain"}):
        assert post(url, ASKED, answer, headers=headers).usage.output == 3
    data = b"\xef\xbb\xbf \r\n" + json.dumps(answer).encode()
    for size in (None, 1):
        (reading,) = read(request("POST", url, ASKED), data, size=size)
        assert (reading.usage.output, reading.stream) == (3, False)


def test_an_empty_success_is_no_complete_answer():
    (reading,) = read(
        request("POST", "https://api.openai.com/v1/chat/completions", ASKED), b"", headers=EVENT_STREAM
    )
    assert (reading.found, reading.complete, reading.billable) == (False, False, "unknown")
