"""`instrument()` and `uninstrument()`: once is enough, nothing of the app's configuration is in the way."""

import os
import subprocess
import sys
import textwrap

import httpx
import httpx2
import pytest

import spanledger
from spanledger.testing import recorded_calls
from support.fake_collector import FakeCollector


def run(code, **env):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={"PATH": "/usr/bin:/bin", "SPANLEDGER_OUTBOX": os.environ["SPANLEDGER_OUTBOX"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def collector():
    with FakeCollector() as collector:
        yield collector


@pytest.fixture
def _uninstrumented():
    yield
    spanledger.uninstrument()


def test_the_public_surface_is_this_and_nothing_else():
    assert spanledger.__all__ == ["__version__", "bill_to", "flush", "instrument", "uninstrument"]


@pytest.mark.usefixtures("_uninstrumented")
def test_instrumenting_twice_wraps_once_and_uninstrumenting_gives_the_methods_back():
    before = [lib.__dict__["send"] for lib in (httpx.Client, httpx.AsyncClient, httpx2.Client)]
    spanledger.instrument(endpoint="http://127.0.0.1:9")
    once = httpx.Client.__dict__["send"]
    spanledger.instrument(endpoint="http://127.0.0.1:9")
    assert httpx.Client.__dict__["send"] is once
    assert once is not before[0]
    spanledger.uninstrument()
    spanledger.uninstrument()
    assert [lib.__dict__["send"] for lib in (httpx.Client, httpx.AsyncClient, httpx2.Client)] == before


def test_recording_needs_no_instrument_and_leaves_nothing_behind():
    before = httpx.Client.__dict__["send"]
    with recorded_calls():
        with recorded_calls():
            assert httpx.Client.__dict__["send"] is not before
        assert httpx.Client.__dict__["send"] is not before
    assert httpx.Client.__dict__["send"] is before


def test_a_library_imported_after_instrument_is_metered():
    done = run(
        """
        from spanledger.testing import recorded_calls
        import sys
        with recorded_calls() as calls:
            assert "httpx" not in sys.modules
            import httpx
            answer = {"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
            transport = httpx.MockTransport(lambda r: httpx.Response(200, json=answer))
            httpx.Client(transport=transport).post("https://api.openai.com/v1/chat/completions", json={"model": "m", "messages": []})
        assert len(calls) == 1, calls
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2", "OTEL_ATTRIBUTE_COUNT_LIMIT": "2"},
        {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1"},
        {"OTEL_RESOURCE_ATTRIBUTES": "%%%=,=,,"},
        {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "nothing_of_this_name"},
    ],
    ids=lambda env: ",".join(env),
)
def test_the_apps_otel_settings_neither_switch_metering_off_nor_thin_it_out(env):
    done = run(
        """
        import warnings; warnings.simplefilter("ignore")
        import httpx2
        from spanledger import bill_to
        from spanledger.testing import recorded_calls
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024", "choices": [],
                  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}}
        transport = httpx2.MockTransport(lambda r: httpx2.Response(200, json=answer))
        with recorded_calls() as calls:
            for _ in range(30):
                with bill_to("acme", labels={f"k{n}": "value" for n in range(9)}):
                    httpx2.Client(transport=transport).post(
                        "https://api.openai.com/v1/chat/completions", json={"model": "m", "messages": []})
        assert len(calls) == 30, len(calls)
        for call in calls:
            assert call.attributes["gen_ai.usage.input_tokens"] == 19
            assert call.attributes["spanledger.label.k8"] == "value"
        """,
        **env,
    )
    assert done.returncode == 0, done.stderr


def test_a_suppression_flag_of_the_app_does_not_stop_metering():
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation

    answer = {
        "object": "chat.completion",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    transport = httpx.MockTransport(lambda r: httpx.Response(200, json=answer))
    with recorded_calls() as calls, suppress_instrumentation(), suppress_http_instrumentation():
        httpx.Client(transport=transport).post(
            "https://api.openai.com/v1/chat/completions", json={"model": "m"}
        )
    assert len(calls) == 1


def test_spans_join_the_apps_trace_whatever_its_sampler_decided():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    answer = {
        "object": "chat.completion",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    transport = httpx.MockTransport(lambda r: httpx.Response(200, json=answer))
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("app")
    with recorded_calls() as calls, tracer.start_as_current_span("request") as span:
        httpx.Client(transport=transport).post(
            "https://api.openai.com/v1/chat/completions", json={"model": "m"}
        )
    assert calls[0].context.trace_id == span.get_span_context().trace_id
    assert calls[0].parent.span_id == span.get_span_context().span_id


def test_apps_that_seed_random_alike_draw_different_ids():
    code = """
        import random; random.seed(1)
        import httpx2
        from spanledger.testing import recorded_calls
        answer = {"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        transport = httpx2.MockTransport(lambda r: httpx2.Response(200, json=answer))
        with recorded_calls() as calls:
            httpx2.Client(transport=transport).post("https://api.openai.com/v1/chat/completions", json={"model": "m"})
        print(calls[0].context.trace_id, calls[0].context.span_id)
    """
    assert len({run(code).stdout for _ in range(3)}) == 3


@pytest.mark.usefixtures("_uninstrumented")
def test_the_wire_carries_no_baggage_and_http_spans_no_query(monkeypatch):
    from opentelemetry import baggage, context, propagate
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    seen = []

    def handle(self, request):
        seen.append(request)
        return httpx.Response(
            200, json={"candidates": [], "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}
        )

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    token = context.attach(baggage.set_baggage("tenant", "victim"))
    try:
        assert "baggage" in propagate.get_global_textmap().fields
        url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent?key=AIza"
        with recorded_calls() as calls, httpx.Client() as client:
            client.post(url, json={"contents": []})
            client.get("https://example.com/?q=1")
    finally:
        context.detach(token)
        instrumentor.uninstrument()
    assert len(calls) == 1
    assert "baggage" not in seen[0].headers
    assert str(seen[0].url) == url
    assert seen[1].headers["baggage"] == "tenant=victim"
    urls = [span.attributes["http.url"] for span in exporter.get_finished_spans()]
    assert urls == [url.partition("?")[0], "https://example.com/?q=1"]
    assert calls[0].attributes["gen_ai.provider.name"] == "gcp.gemini"


def test_a_stream_still_open_when_the_script_ends_is_recorded_as_it_stands(collector):
    done = run(
        f"""
        import httpx2, spanledger
        spanledger.instrument(endpoint="{collector.url}", client_id="acme")
        event = b'data: {{"type":"message_start","message":{{"id":"m","type":"message","model":"claude-opus-5","usage":{{"input_tokens":25,"output_tokens":1}}}}}}\\n\\n'
        class Body(httpx2.SyncByteStream):
            def __iter__(self):
                yield event
                yield b"more"
        transport = httpx2.MockTransport(lambda r: httpx2.Response(200, headers={{"content-type": "text/event-stream"}}, stream=Body()))
        client = httpx2.Client(transport=transport)
        request = client.build_request("POST", "https://api.anthropic.com/v1/messages", json={{"model": "m", "messages": [], "stream": True}})
        response = client.send(request, stream=True)
        parts = response.iter_raw()
        next(parts)
        """
    )
    assert done.returncode == 0, done.stderr
    (span,) = (span for request in collector.received for span in request.spans)
    attributes = {pair.key: pair.value for pair in span.attributes}
    assert attributes["gen_ai.usage.input_tokens"].int_value == 25
    assert attributes["spanledger.billable"].string_value == "unknown"
