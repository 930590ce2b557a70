"""The measured app, one process for each way of instrumenting: `python app.py VARIANT PORT`.

Runs in the environment of its variant, which may hold nothing of ours. Takes one JSON line a round from its
input, `{"scenario": …, "calls": …}`, and answers with one line: what the round cost, and as `off` what it
cost with the variant switched off, where it can be.

    cpu_us      CPU of the whole process, a call: all threads, and flush; of what cannot be switched off also
                what exporters did since the last round ended
    thread_us   CPU of the calling thread, a call
    wall_us     time on the calling thread, a call
    first_us    median time to a stream's first chunk

Of a stream the first three are a chunk's: what a long one costs more than a short one, which is its `more`
chunks; `first_us` is of short ones, `FIRST_CHUNKS` of them.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import statistics
import sys
import time
import warnings

sys.path.pop(0)
warnings.simplefilter("ignore")
VARIANT, PORT = sys.argv[1], int(sys.argv[2])
COLLECTOR = f"http://127.0.0.1:{PORT}/collect/{VARIANT}"
PROVIDER = f"http://api.openai.com:{PORT}"
OTHER = f"http://api.shop.example:{PORT}/other/v2/orders"
STREAMS = ("stream", "responses")
FIRST_CHUNKS = 30
PROMPT = "Summarise what the customer wrote, in one sentence. "

# Every name leads to loopback: the provider's, and those that an instrumentation would phone home to.
_resolve = socket.getaddrinfo
socket.getaddrinfo = lambda _host, *args, **kwargs: _resolve("127.0.0.1", *args, **kwargs)


# Each way of instrumenting returns how it is flushed, and how it is switched off and on; None: it cannot be.


def bare():
    return lambda: None, None


metered = True


def handwritten():
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{COLLECTOR}/v1/traces")))
    trace.set_tracer_provider(provider)

    def switch(on):
        global metered  # noqa: PLW0603 - one for the process
        metered = on

    return provider.force_flush, switch


def spanledger():
    import spanledger as ours
    from spanledger.capture import hooks
    from spanledger.capture.meter import activate

    ours.instrument(endpoint=COLLECTOR, client_id="acme", service_name="bench")
    meter = activate(None)

    def switch(on):
        """As `instrument` and `uninstrument`, but the delivery stays."""
        activate(meter if on else None)
        if on:
            hooks.install()
        else:
            hooks.remove()

    return ours.flush, switch


def genai_openai():
    flush, _ = handwritten()
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    instrumentor = OpenAIInstrumentor()
    return flush, lambda on: instrumentor.instrument() if on else instrumentor.uninstrument()


def openlit():
    import openlit as theirs
    from opentelemetry import metrics, trace

    theirs.init(
        otlp_endpoint=COLLECTOR, application_name="bench", environment="bench", capture_message_content=False
    )
    return _flush_of(trace.get_tracer_provider(), metrics.get_meter_provider()), None


def traceloop():
    from opentelemetry import trace
    from traceloop.sdk import Traceloop

    Traceloop.init(app_name="bench", api_endpoint=COLLECTOR, telemetry_enabled=False)
    return _flush_of(trace.get_tracer_provider()), None


def langfuse():
    import langfuse as theirs

    client = theirs.Langfuse(
        base_url=COLLECTOR, public_key="pk-lf-bench", secret_key="sk-lf-bench", tracing_enabled=True
    )
    return client.flush, None


def _flush_of(*providers):
    def flush():
        for provider in providers:
            if hasattr(provider, "force_flush"):
                provider.force_flush()

    return flush


def openai_client(scenario, kind="OpenAI"):
    if VARIANT == "langfuse":
        import langfuse.openai as sdk
    else:
        import openai as sdk
    return getattr(sdk, kind)(api_key="sk-bench", base_url=f"{PROVIDER}/{scenario}/v1", max_retries=0)


def with_span(call):
    """What a developer writes who wants the same facts on a span of his own."""
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind

    tracer = trace.get_tracer("bench")

    def called():
        if not metered:
            return call()
        asked = {
            "gen_ai.provider.name": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "server.address": "api.openai.com",
            "server.port": PORT,
            "client_id": "acme",
        }
        with tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=asked) as span:
            answer = call()
            if isinstance(answer, list):
                return answer
            usage, say = answer.usage, span.set_attribute
            say("gen_ai.response.model", answer.model)
            if hasattr(answer, "choices"):
                say("gen_ai.response.id", answer.id)
                say("gen_ai.response.finish_reasons", [each.finish_reason for each in answer.choices])
                say("gen_ai.usage.output_tokens", usage.completion_tokens)
                say("gen_ai.usage.cache_read.input_tokens", usage.prompt_tokens_details.cached_tokens)
                say(
                    "gen_ai.usage.reasoning.output_tokens",
                    usage.completion_tokens_details.reasoning_tokens,
                )
            say("gen_ai.usage.input_tokens", usage.prompt_tokens)
            return answer

    return called


def question(size):
    return [{"role": "user", "content": (PROMPT * (size // len(PROMPT) + 1))[:size]}]


def chat(scenario, size):
    client = openai_client(scenario)
    messages = question(size)
    return lambda: client.chat.completions.create(model="gpt-4o", messages=messages)


def chat_async(scenario, size):
    client = openai_client(scenario, "AsyncOpenAI")
    messages = question(size)
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(client.chat.completions.create(model="gpt-4o", messages=messages))


def embeddings(scenario):
    client = openai_client(scenario)
    texts = [PROMPT] * 60
    # As floats: what the SDK asks for by default is base64 where numpy is there.
    return lambda: client.embeddings.create(
        model="text-embedding-3-small", input=texts, encoding_format="float"
    )


firsts: list[float] = []


def stream(scenario):
    client = openai_client(scenario)
    asked = {"model": "gpt-4o", "stream": True}
    if scenario.startswith("responses"):
        create = functools.partial(client.responses.create, input=PROMPT, **asked)
    else:
        messages = [{"role": "user", "content": PROMPT}]
        create = functools.partial(client.chat.completions.create, messages=messages, **asked)

    def called():
        began = time.perf_counter()
        chunks = iter(create())
        next(chunks)
        firsts.append(time.perf_counter() - began)
        for _ in chunks:
            pass
        return []

    return called


def other(method):
    import httpx

    class Answering(httpx.BaseTransport):
        def handle_request(self, _request):
            return httpx.Response(200, content=b'{"items": []}', headers={"content-type": "application/json"})

    client = httpx.Client(trust_env=False, transport=Answering())
    if method == "GET":
        return lambda: client.get(f"{OTHER}/17")
    return lambda: client.post(OTHER, json={"sku": "A-17", "amount": 3, "note": PROMPT})


def call_of(scenario):
    call = stream(scenario) if scenario.startswith(STREAMS) else whole_call(scenario)
    return with_span(call) if VARIANT == "handwritten" and not scenario.startswith("other") else call


def whole_call(scenario):
    return {
        "chat-1k": lambda: chat("chat-1k", 500),
        "async-1k": lambda: chat_async("chat-1k", 500),
        "chat-50k": lambda: chat("chat-50k", 50_000),
        "embeddings-2m": lambda: embeddings("embeddings-2m"),
        "other-get": lambda: other("GET"),
        "other-post": lambda: other("POST"),
    }[scenario]()


class Measured:
    def __init__(self):
        self._flush, self.switch = globals()[VARIANT]()
        if self.switch is not None:
            self.switch(True)
        self._calls = {}
        self._before = time.process_time()

    def start_afresh(self):
        """What was not measured before does not belong to what comes."""
        self._flush()
        self._before = time.process_time()

    def round(self, scenario, times):
        call = self._calls.get(scenario)
        if call is None:
            call = self._calls[scenario] = call_of(scenario)
        firsts.clear()
        wall, thread = time.perf_counter(), time.thread_time()
        for _ in range(times):
            call()
        thread, wall = time.thread_time() - thread, time.perf_counter() - wall
        self._flush()
        after = time.process_time()
        told = {"cpu_us": (after - self._before) / times * 1e6, "thread_us": thread / times * 1e6,
                "wall_us": wall / times * 1e6}  # fmt: skip
        if firsts:
            told["first_us"] = statistics.median(firsts) * 1e6
        self._before = after
        return told

    def chunks(self, scenario, times, more):
        self.start_afresh()
        short = self.round(f"{scenario}-short", times)
        long = self.round(scenario, times)
        told = {kind: (cost - short[kind]) / more for kind, cost in long.items()}
        return told | {"first_us": self.round(f"{scenario}-short", FIRST_CHUNKS)["first_us"]}

    def asked(self, scenario, times, more):
        return self.chunks(scenario, times, more) if scenario in STREAMS else self.round(scenario, times)

    def in_turns(self, first, *asked):
        """Switched on and off, one after the other."""
        told = {}
        for on in (first, not first):
            self.switch(on)
            self.start_afresh()
            told[on] = self.asked(*asked)
        return {**told[True], "off": told[False]}


def main():
    measured = Measured()
    ready = {"ready": VARIANT, "pid": os.getpid(), "switches": measured.switch is not None}
    print(json.dumps(ready), flush=True)
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        what = asked["scenario"], asked["calls"], asked["more"]
        if measured.switch is not None:
            told = measured.in_turns(number % 2 == 0, *what)
        else:
            if asked["fresh"]:
                measured.start_afresh()
            told = measured.asked(*what)
        print(json.dumps(told), flush=True)


main()
