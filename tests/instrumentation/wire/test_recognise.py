"""Which requests are calls, of whom, and what that costs the others."""

import sys

import pytest

from spanledger.wire import recognise
from support.wire import request

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("url", "provider", "operation"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai", "chat"),
        ("https://jp.api.openai.com/v1/responses", "openai", "chat"),
        ("https://acme.openai.azure.com/openai/deployments/d/chat/completions", "azure.ai.openai", "chat"),
        ("https://acme.openai.azure.com/openai/v1/responses", "azure.ai.openai", "chat"),
        ("https://acme.openai.azure.com/openai/responses", "azure.ai.openai", "chat"),
        ("https://acme.services.ai.azure.com/openai/v1/chat/completions", "azure.ai.openai", "chat"),
        ("https://acme.services.ai.azure.com/models/chat/completions", "azure.ai.inference", "chat"),
        ("https://acme.services.ai.azure.com/anthropic/v1/messages", "azure.ai.inference", "chat"),
        ("https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses", "aws.bedrock", "chat"),
        ("https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages", "aws.bedrock", "chat"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions", "aws.bedrock", "chat"),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com/model/m/invoke", "aws.bedrock", "chat"),
        (
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/openai/v1/responses",
            "gcp.vertex_ai",
            "chat",
        ),
        (
            "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/anthropic/models/c:rawPredict",
            "gcp.vertex_ai",
            "chat",
        ),
        (
            "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/l/endpoints/openapi/chat/completions",
            "gcp.vertex_ai",
            "chat",
        ),
        ("https://generativelanguage.googleapis.com/v1beta/openai/embeddings", "gcp.gemini", "embeddings"),
        ("https://api.fireworks.ai/inference/v1/completions", "fireworks", "text_completion"),
        ("https://api.perplexity.ai/chat/completions", "perplexity", "chat"),
        ("https://openrouter.ai/api/v1/chat/completions", "openrouter", "chat"),
        ("https://us-east-1.api.x.ai/v1/chat/completions", "x_ai", "chat"),
        ("https://api.mistral.ai/v1/fim/completions", "mistral_ai", "text_completion"),
        ("https://api.mistral.ai/v1/agents/completions", "mistral_ai", "chat"),
        ("https://api.cohere.com/v2/rerank", "cohere", "rerank"),
        ("https://api.cerebras.ai/v1/chat/completions", "_OTHER", "chat"),
        ("https://acme.snowflakecomputing.com/api/v2/cortex/v1/chat/completions", "_OTHER", "chat"),
        ("http://127.0.0.1:4000/v1/messages", "_OTHER", "chat"),
        ("http://127.0.0.1:4000/v1beta/models/g:generateContent", "_OTHER", "generate_content"),
    ],
)
def test_a_provider_is_known_by_host_and_path(url, provider, operation):
    recognised = recognise(request("POST", url, CHAT))
    assert (recognised.provider, recognised.operation) == (provider, operation)


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com.evil.example",
        "notapi.openai.com.example",
        "evil-openai.azure.com.example",
        "bedrock-runtime.example.com",
        "xapi.anthropic.com",
    ],
)
def test_a_host_that_only_resembles_a_provider_is_unknown(host):
    assert recognise(request("POST", f"https://{host}/v1/chat/completions", CHAT)).provider == "_OTHER"


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "https://api.openai.com/v1/models", None),
        ("GET", "https://api.openai.com/v1/models/gpt-4o", None),
        ("POST", "https://api.openai.com/v1/files", b"--x\r\n"),
        ("GET", "https://api.openai.com/v1/files/file-1", None),
        ("GET", "https://api.openai.com/v1/batches", None),
        ("POST", "https://api.openai.com/v1/batches", {"input_file_id": "f", "endpoint": "/v1/responses"}),
        ("POST", "https://api.openai.com/v1/vector_stores/vs/search", {"query": "x"}),
        ("POST", "https://api.openai.com/v1/threads", {"messages": [], "model": "m"}),
        ("POST", "https://api.openai.com/v1/threads/t/messages", {"role": "user", "content": "x"}),
        ("POST", "https://api.openai.com/v1/conversations", {"items": []}),
        ("GET", "https://api.openai.com/v1/responses/resp_1/input_items", None),
        ("DELETE", "https://api.openai.com/v1/responses/resp_1", None),
        ("GET", "https://api.openai.com/v1/chat/completions/chatcmpl-1", None),
        ("POST", "https://api.openai.com/v1/realtime/client_secrets", {"session": {"model": "m"}}),
        ("GET", "https://api.anthropic.com/v1/messages/batches/b", None),
        ("POST", "https://api.anthropic.com/v1/messages/batches", {"requests": [{"params": CHAT}]}),
        ("POST", "https://api.anthropic.com/v1/sessions", {"agent": "a", "model": "m", "input": "x"}),
        ("POST", "https://api.anthropic.com/v1/sessions/s/events", {"events": [], "model": "m", "input": 1}),
        ("GET", "https://api.anthropic.com/v1/sessions/s", None),
        (
            "POST",
            "https://generativelanguage.googleapis.com/v1beta/cachedContents",
            {"model": "models/g", "contents": []},
        ),
        (
            "POST",
            "https://generativelanguage.googleapis.com/v1beta/models/g:batchGenerateContent",
            {"batch": {}},
        ),
        ("GET", "https://images.example.com/cat.png", None),
        ("GET", "https://files.example.com/report.pdf", None),
        ("POST", "https://mcp.example.com/mcp", {"jsonrpc": "2.0", "method": "tools/call", "params": CHAT}),
        ("POST", "https://shop.example.com/api/orders", {"model": "T-shirt", "quantity": 2}),
        ("POST", "https://shop.example.com/api/moderations", {"text": "x"}),
        ("POST", "https://shop.example.com/v1/embeddings", {"text": "x"}),
        ("GET", "https://shop.example.com/api/chat", None),
    ],
)
def test_noise_is_no_call(method, url, body):
    assert recognise(request(method, url, body)) is None


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("https://api.openai.com/v1/responses", {"model": "gpt-5", "input": "x"}, "gpt-5"),
        ("https://acme.openai.azure.com/openai/deployments/prod%20x/embeddings", {"input": "x"}, "prod x"),
        (
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Ax%2Fp/converse",
            {},
            "arn:aws:bedrock:x/p",
        ),
        ("https://generativelanguage.googleapis.com/v1beta/models/gemini-x:countTokens", {}, "gemini-x"),
        (
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/77:generateContent",
            {},
            "77",
        ),
        (
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/c%4020:rawPredict",
            {},
            "c@20",
        ),
        ("https://api.openai.com/v1/chat/completions", b"not json", None),
        ("https://api.openai.com/v1/chat/completions", {"model": ["a"]}, None),
        ("https://api.openai.com/v1/chat/completions", {"model": "m" * 300 + "\n"}, "m" * 256),
        ("https://api.openai.com/v1/chat/completions", {"metadata": {"model": "no"}, "messages": []}, None),
    ],
)
def test_the_requested_model_stands_in_the_body_or_in_the_path(url, body, model):
    assert recognise(request("POST", url, body)).request_model == model


def test_a_form_names_its_model_at_its_boundaries_and_not_inside_the_file():
    part = b'--XX\r\nContent-Disposition: form-data; name="'
    forged = b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nforged\r\n'
    body = (
        part
        + b'file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + forged
        + b"\r\n"
        + part
        + b'model"\r\n\r\nwhisper-1\r\n--XX--\r\n'
    )
    asked = request(
        "POST",
        "https://api.openai.com/v1/audio/transcriptions",
        body,
        {"content-type": 'multipart/form-data; boundary="XX"'},
    )
    assert recognise(asked).request_model == "whisper-1"


def test_a_body_that_cannot_be_read_is_still_a_call():
    asked = request("POST", "https://api.openai.com/v1/audio/transcriptions")
    assert recognise(asked).request_model is None


def test_the_body_of_a_request_to_a_strangers_path_is_not_parsed(monkeypatch):
    def parsed(*_args):
        raise AssertionError("the body was parsed")

    monkeypatch.setattr(sys.modules["spanledger.wire.recognise"], "skim", parsed)
    assert recognise(request("POST", "https://example.com/things", {"name": "x"})) is None
    assert recognise(request("POST", "https://example.com/things", b"\x00" * 100)) is None
    assert recognise(request("PUT", "https://example.com/things", {"model": "m", "input": "x"})) is None


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_a_failed_call_costs_nothing_and_is_named_by_its_status(status):
    recognised = recognise(request("POST", "https://api.openai.com/v1/chat/completions", CHAT))
    reader = recognised.reader(status, {"content-type": "application/json"})
    reader.feed(b'{"error": {"message": "boom"}, "usage": {"prompt_tokens": 5, "completion_tokens": 5}}')
    (reading,) = reader.finish(ended=True)
    assert (reading.found, reading.complete, reading.billable) == (False, True, "no")
    assert reading.error_type == str(status)


def test_a_redirection_is_no_call():
    recognised = recognise(request("POST", "https://api.openai.com/v1/chat/completions", CHAT))
    assert recognised.reader(307, {}).finish(ended=True) == []


def test_a_call_without_an_answer_may_have_cost_something():
    recognised = recognise(request("POST", "https://api.openai.com/v1/chat/completions", CHAT))
    (reading,) = recognised.unanswered("ReadTimeout")
    assert (reading.found, reading.complete, reading.billable) == (False, False, "unknown")
    assert (reading.error_type, reading.request_model) == ("ReadTimeout", "m")


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "https://api.openai.com/v1/responses/resp_1"),
        ("POST", "https://api.anthropic.com/v1/messages/count_tokens"),
    ],
)
def test_a_look_or_a_count_without_an_answer_cost_nothing(method, url):
    (reading,) = recognise(request(method, url, {} if method == "POST" else None)).unanswered("ReadTimeout")
    assert reading.billable == "no"


def test_a_mere_candidate_that_fails_is_no_call():
    recognised = recognise(request("POST", "https://example.com/ask", {"model": "m", "input": "x"}))
    assert recognised.unanswered("ReadTimeout") == []
    assert recognised.reader(500, {}).finish(ended=True) == []
