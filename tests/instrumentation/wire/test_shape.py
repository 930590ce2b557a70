"""Answers of unknown hosts: by the shape of their root, or not at all."""

import pytest

from support.wire import EVENT_STREAM, post, read, request, sse, stream

CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ASKED = {"model": "m", "messages": []}


@pytest.mark.parametrize(
    ("answer", "operation", "counts"),
    [
        (
            {"id": "c", "object": "chat.completion", "model": "m1", "choices": [{}], "usage": CHAT_USAGE},
            "chat",
            (7, 3),
        ),
        ({"object": "text_completion", "choices": [{}], "usage": CHAT_USAGE}, "text_completion", (7, 3)),
        (
            {"object": "list", "data": [{}], "usage": {"prompt_tokens": 7, "total_tokens": 7}},
            "embeddings",
            (7, None),
        ),
        ({"object": "list", "data": [{}], "usage": {"total_tokens": 7}}, "embeddings", (7, None)),
        (
            {"object": "response", "status": "completed", "usage": {"input_tokens": 7, "output_tokens": 3}},
            "chat",
            (7, 3),
        ),
        (
            {
                "type": "message",
                "usage": {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 5},
            },
            "chat",
            (12, 3),
        ),
        (
            {"candidates": [], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3}},
            "generate_content",
            (7, 3),
        ),
        ({"usage": {"billed_units": {"input_tokens": 7, "output_tokens": 3}}}, "chat", (7, 3)),
        ({"model": "m", "done": True, "prompt_eval_count": 7, "eval_count": 3}, "chat", (7, 3)),
    ],
)
def test_an_unlisted_path_is_a_call_if_its_answer_has_a_known_shape(answer, operation, counts):
    reading = post("https://llm.example.com/v9/ask", ASKED, answer)
    assert reading.operation == operation
    assert (reading.usage.input, reading.usage.output) == counts
    assert (reading.found, reading.complete, reading.billable) == (True, True, "yes")
    assert reading.provider == ("ollama" if "done" in answer else "_OTHER")


@pytest.mark.parametrize(
    "answer",
    [
        b'{"ok": true}',
        b'{"usage": {"cpu": 3}}',
        b'{"usage": {"input_tokens": 3, "output_tokens": 4}, "type": "session"}',
        b'{"choices": [{"label": "a"}]}',
        b'{"data": {"object": "chat.completion", "usage": {"prompt_tokens": 1}}}',
        b'[{"usage": {"prompt_tokens": 1}}]',
        b"<html></html>",
        b"",
        b"data: {}\n\n",
    ],
)
def test_an_unlisted_path_with_any_other_answer_is_no_call(answer):
    assert read(request("POST", "https://shop.example.com/ask", ASKED), answer) == []


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([{"choices": [{"delta": {}}], "model": "m"}, {"choices": [], "usage": CHAT_USAGE}], (7, 3)),
        (
            [
                {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
                {
                    "type": "response.completed",
                    "response": {"status": "completed", "usage": {"input_tokens": 7, "output_tokens": 3}},
                },
            ],
            (7, 3),
        ),
        (
            [
                {
                    "type": "message_start",
                    "message": {"id": "m", "usage": {"input_tokens": 7, "output_tokens": 1}},
                },
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 3},
                },
                {"type": "message_stop"},
            ],
            (7, 3),
        ),
        (
            [
                {
                    "candidates": [{"finishReason": "STOP"}],
                    "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3},
                }
            ],
            (7, 3),
        ),
    ],
)
@pytest.mark.parametrize("size", [None, 1])
def test_a_strangers_stream_is_read_by_the_shape_of_its_events(events, counts, size):
    reading = stream("http://127.0.0.1:8000/v1/chat/completions", ASKED, *events, size=size)
    assert (reading.usage.input, reading.usage.output) == counts
    assert (reading.complete, reading.stream, reading.provider) == (True, True, "_OTHER")


def test_a_sure_call_to_a_stranger_that_is_cut_before_its_shape_shows_is_kept_as_unknown():
    asked = request("POST", "http://127.0.0.1:8000/v1/chat/completions", ASKED)
    (reading,) = read(asked, b'data: {"cho', headers=EVENT_STREAM, ended=False)
    assert (reading.found, reading.complete, reading.billable) == (False, False, "unknown")


def test_a_strangers_whole_answer_without_a_known_shape_is_no_call_even_at_a_sure_path():
    asked = request("POST", "http://127.0.0.1:8000/v1/chat/completions", ASKED)
    assert read(asked, b'{"detail": "not here"}') == []
    assert read(asked, sse({"detail": "not here"}), headers=EVENT_STREAM) == []


@pytest.mark.parametrize(
    ("url", "usage", "expected"),
    [
        # Hugging Face: cached tokens beside the prompt's
        (
            "https://router.huggingface.co/v1/chat/completions",
            {**CHAT_USAGE, "cached_tokens": 5},
            {"cache_read": 5},
        ),
        # writer.com: details in the singular
        (
            "https://api.writer.com/v1/chat/completions",
            {
                **CHAT_USAGE,
                "prompt_token_details": {"cached_tokens": 4},
                "completion_token_details": {"reasoning_tokens": 2},
            },
            {"cache_read": 4, "reasoning": 2},
        ),
    ],
)
def test_dialects_of_further_hosts_are_read(url, usage, expected):
    answer = {"object": "chat.completion", "choices": [{}], "usage": usage}
    reading = post(url, ASKED, answer)
    assert (reading.usage.input, reading.usage.output) == (7, 3)
    assert {name: getattr(reading.usage, name) for name in expected} == expected


@pytest.mark.parametrize("path", ["embeddings", "rerank", "multimodalembeddings"])
def test_voyage_states_its_total_alone(path):
    asked = {"model": "voyage-3", "input": ["a"], "query": "q", "documents": ["a"]}
    answer = {"object": "list", "data": [{}], "model": "voyage-3", "usage": {"total_tokens": 12}}
    reading = post(f"https://api.voyageai.com/v1/{path}", asked, answer)
    assert (reading.usage.input, reading.usage.output, reading.found) == (12, None, True)
    assert reading.operation == ("rerank" if path == "rerank" else "embeddings")


def test_a_serving_endpoint_that_names_its_model_nowhere_is_a_call_by_its_messages():
    url = "https://acme.cloud.databricks.com/serving-endpoints/mine/invocations"
    answer = {"object": "chat.completion", "model": "llama", "choices": [{}], "usage": CHAT_USAGE}
    reading = post(url, {"messages": []}, answer)
    assert (reading.request_model, reading.response_model, reading.usage.input) == (None, "llama", 7)


def test_ollama_is_known_by_its_path_and_shape_on_any_host():
    answer = {"model": "nomic", "embeddings": [[0.1]], "prompt_eval_count": 9}
    reading = post("http://gpu.lan:11434/api/embed", {"model": "nomic", "input": "x"}, answer)
    assert (reading.provider, reading.operation, reading.usage.input) == ("ollama", "embeddings", 9)


def test_a_chat_page_of_somebodys_app_is_no_ollama():
    asked = request("POST", "https://app.example.com/api/chat", {"message": "hi"})
    assert read(asked, b'{"reply": "hello"}') == []
