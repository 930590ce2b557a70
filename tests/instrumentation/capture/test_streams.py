"""What happens around an answer's end: closed, cancelled, dropped, broken, read twice."""

import asyncio
import contextvars
import gc
import gzip
import json
import threading

import httpx
import httpx2
import pytest
from opentelemetry import baggage, context

from spanledger import bill_to
from spanledger.capture.call import Call
from spanledger.testing import recorded_calls

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "secret question"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
}
URL = "https://api.openai.com/v1/chat/completions"
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def event(**fields):
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'model': 'gpt-4o', **fields})}\n\n".encode()


TEXT = event(choices=[{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}], usage=None)
USAGE = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
DONE = b"data: [DONE]\n\n"
SSE = {"content-type": "text/event-stream"}


def streaming(library, pieces, headers=SSE, status=200):
    class Body(library.SyncByteStream, library.AsyncByteStream):
        closed = 0

        def __iter__(self):
            for piece in pieces:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece

        async def __aiter__(self):
            for piece in pieces:
                if isinstance(piece, BaseException):
                    raise piece
                await asyncio.sleep(0)
                yield piece

        def close(self):
            self.closed += 1

        async def aclose(self):
            self.closed += 1

    body = Body()
    return body, library.MockTransport(lambda request: library.Response(status, headers=headers, stream=body))


def attributes(calls):
    return [dict(call.attributes) for call in calls]


@LIBRARIES
def test_a_plain_call_becomes_one_span_billed_to_the_client_in_force(library):
    transport = library.MockTransport(lambda request: library.Response(200, json=ANSWER))
    with recorded_calls() as calls, bill_to("acme", project="seo-bot", labels={"feature": "chat"}):
        with library.Client(transport=transport) as client:
            assert client.post(URL, json=CHAT).json() == ANSWER
    (span,) = calls
    assert span.name == "chat gpt-4o"
    assert span.instrumentation_scope.name == "spanledger"
    got = span.attributes
    assert got["client_id"] == "acme"
    assert got["spanledger.project"] == "seo-bot"
    assert got["spanledger.label.feature"] == "chat"
    assert got["gen_ai.usage.input_tokens"] == 19
    assert got["gen_ai.usage.output_tokens"] == 10
    assert got["server.address"] == "api.openai.com"
    assert got["http.response.status_code"] == 200
    assert span.start_time <= span.end_time


@LIBRARIES
def test_an_ordinary_request_gives_no_span(library):
    transport = library.MockTransport(lambda request: library.Response(200, json={"usage": 1}))
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        client.get("https://example.com/")
        client.post("https://example.com/orders", json={"usage": {"prompt_tokens": 1}})
    assert calls == []


@LIBRARIES
def test_the_added_usage_event_is_metered_and_hidden_and_the_apps_request_is_unchanged(library):
    sent = []

    def answer(request):
        sent.append(request)
        return library.Response(200, headers=SSE, stream=streaming_body)

    streaming_body, _ = streaming(library, [TEXT, USAGE[:20], USAGE[20:] + DONE])
    with recorded_calls() as calls, library.Client(transport=library.MockTransport(answer)) as client:
        request = client.build_request("POST", URL, json={**CHAT, "stream": True})
        before = request.content, dict(request.headers)
        response = client.send(request, stream=True)
        assert b"".join(response.iter_raw()) == TEXT + DONE
        response.close()
        assert response.request is request
        assert (request.content, dict(request.headers)) == before
    assert json.loads(sent[0].content)["stream_options"] == {"include_usage": True}
    assert sent[0].headers["accept-encoding"] == "identity"
    assert sent[0].headers["content-length"] == str(len(sent[0].content))
    assert attributes(calls)[0]["gen_ai.usage.input_tokens"] == 3


@LIBRARIES
def test_an_amended_stream_that_is_read_whole_is_filtered_too(library):
    _, transport = streaming(library, [TEXT + USAGE + DONE])
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        assert client.post(URL, json={**CHAT, "stream": True}).content == TEXT + DONE
    assert attributes(calls)[0]["gen_ai.usage.output_tokens"] == 2


@LIBRARIES
@pytest.mark.parametrize("asks_for_usage", [True, False], ids=["asks for usage", "does not"])
async def test_of_a_long_stream_few_chunks_are_looked_at_and_all_are_passed_on(
    library, asks_for_usage, monkeypatch
):
    def choice(**fields):
        return event(choices=[{"index": 0, **fields}], usage=None, obfuscation="xK3")

    words = [choice(delta={"content": f" word{number}"}, finish_reason=None) for number in range(500)]
    begins, ends = choice(delta={"role": "assistant", "content": ""}), choice(delta={}, finish_reason="stop")
    # A stop, a tool's arguments, and text again: what is usual changes.
    words[300:310] = [choice(delta={"tool_calls": [{"function": {"arguments": str(n)}}]}) for n in range(10)]
    chunks = [begins, *words, ends, USAGE, DONE]
    looked_at = []
    feed = Call.feed
    monkeypatch.setattr(Call, "feed", lambda self, data: (looked_at.append(data), feed(self, data)))
    options = {"stream_options": {"include_usage": True}} if asks_for_usage else {}
    passed_on = chunks if asks_for_usage else [begins, *words, ends, DONE]
    asked = {**CHAT, **options, "stream": True}
    with recorded_calls() as calls:
        with (
            library.Client(transport=streaming(library, chunks)[1]) as client,
            client.stream("POST", URL, json=asked) as answer,
        ):
            assert list(answer.iter_raw()) == passed_on
        in_turn = len(looked_at)
        async with (
            library.AsyncClient(transport=streaming(library, chunks)[1]) as client,
            client.stream("POST", URL, json=asked) as answer,
        ):
            assert [chunk async for chunk in answer.aiter_raw()] == passed_on
    assert in_turn < 100
    assert len(looked_at) == 2 * in_turn
    for told in attributes(calls):
        assert told["gen_ai.usage.input_tokens"] == 3
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert told["spanledger.billable"] == "yes"
    assert len(calls) == 2


@LIBRARIES
@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_chunks_of_any_kind_of_buffer_are_passed_on_and_read(library, buffer):
    chunks = [buffer(chunk) for chunk in [TEXT] * 100 + [USAGE, DONE]]
    with recorded_calls() as calls, library.Client(transport=streaming(library, chunks)[1]) as client:
        answer = client.post(URL, json={**CHAT, "stream": True})
    assert answer.content == TEXT * 100 + DONE
    assert attributes(calls)[0]["gen_ai.usage.input_tokens"] == 3


@LIBRARIES
async def test_an_answer_compressed_all_the_same_is_decoded_for_the_app(library):
    packed = gzip.compress(TEXT + USAGE + DONE)
    headers = {**SSE, "content-encoding": "gzip", "content-length": str(len(packed))}
    _, transport = streaming(library, [packed[:30], packed[30:]], headers)
    with recorded_calls() as calls:
        async with (
            library.AsyncClient(transport=transport) as client,
            client.stream("POST", URL, json={**CHAT, "stream": True}) as response,
        ):
            assert b"".join([part async for part in response.aiter_bytes()]) == TEXT + DONE
            assert "content-encoding" not in response.headers
            assert "content-length" not in response.headers
    assert attributes(calls)[0]["gen_ai.usage.input_tokens"] == 3


@LIBRARIES
def test_a_refusal_of_our_field_sends_the_apps_own_request_and_does_not_try_that_host_again(library):
    seen = []

    def answer(request):
        seen.append(json.loads(request.content))
        if "stream_options" in seen[-1]:
            return library.Response(400, json={"error": {"message": "Unknown parameter: 'stream_options'"}})
        return library.Response(200, headers=SSE, content=TEXT + DONE)

    with recorded_calls() as calls, library.Client(transport=library.MockTransport(answer)) as client:
        for _ in range(2):
            response = client.post(URL, json={**CHAT, "stream": True})
            assert (response.status_code, response.content) == (200, TEXT + DONE)
    assert ["stream_options" in body for body in seen] == [True, False, False]
    assert [a["spanledger.usage.found"] for a in attributes(calls)] == [False, False]


@LIBRARIES
def test_another_400_is_the_apps_own_and_is_not_sent_again(library):
    seen = []

    def answer(request):
        seen.append(request)
        return library.Response(400, json={"error": {"message": "bad model"}})

    with recorded_calls() as calls, library.Client(transport=library.MockTransport(answer)) as client:
        assert client.post(URL, json={**CHAT, "stream": True}).status_code == 400
    assert len(seen) == 1
    assert attributes(calls)[0]["error.type"] == "400"
    assert attributes(calls)[0]["spanledger.billable"] == "no"


@LIBRARIES
def test_a_stream_closed_after_its_last_event_is_complete(library):
    body, transport = streaming(library, [TEXT, USAGE, DONE, b"never read"])
    with recorded_calls(ask_for_usage=False) as calls, library.Client(transport=transport) as client:
        with client.stream("POST", URL, json={**CHAT, "stream": True}) as response:
            parts = response.iter_bytes()
            for _ in range(3):
                next(parts)
        assert body.closed == 1
        assert attributes(calls)[0]["spanledger.usage.complete"] is True


@LIBRARIES
def test_a_stream_closed_early_is_recorded_as_unknown_and_at_once(library):
    _, transport = streaming(library, [TEXT, USAGE, DONE])
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        with client.stream("POST", URL, json={**CHAT, "stream": True}) as response:
            next(response.iter_bytes())
        (got,) = attributes(calls)
    assert got["spanledger.usage.found"] is False
    assert got["spanledger.usage.complete"] is False
    assert got["spanledger.billable"] == "unknown"


@LIBRARIES
def test_a_dropped_response_is_recorded_once_after_collection(library):
    _, transport = streaming(library, [TEXT, USAGE, DONE])
    with recorded_calls() as calls:
        client = library.Client(transport=transport)
        response = client.send(client.build_request("POST", URL, json={**CHAT, "stream": True}), stream=True)
        next(response.iter_bytes())
        del response
        gc.collect()
    assert len(calls) == 1


@LIBRARIES
async def test_a_cancelled_stream_is_recorded_once_and_the_cancellation_passes(library):
    class Endless(library.AsyncByteStream):
        async def __aiter__(self):
            yield TEXT
            await asyncio.Event().wait()

    transport = library.MockTransport(lambda request: library.Response(200, headers=SSE, stream=Endless()))
    started = asyncio.Event()

    async def read(client):
        async with client.stream("POST", URL, json={**CHAT, "stream": True}) as response:
            async for _ in response.aiter_bytes():
                started.set()

    with recorded_calls() as calls:
        async with library.AsyncClient(transport=transport) as client:
            task = asyncio.create_task(read(client))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    (got,) = attributes(calls)
    assert got["spanledger.billable"] == "unknown"
    assert got["error.type"] == "CancelledError"


@LIBRARIES
def test_an_error_in_the_stream_reaches_the_app_and_the_call_is_recorded(library):
    _, transport = streaming(library, [TEXT, library.ReadError("cut")])
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        with pytest.raises(library.ReadError, match="cut"):
            client.post(URL, json={**CHAT, "stream": True})
    (got,) = attributes(calls)
    assert got["error.type"] == "ReadError"
    assert got["spanledger.billable"] == "unknown"


@LIBRARIES
@pytest.mark.parametrize(("error", "billable"), [("ConnectError", "no"), ("ReadTimeout", "unknown")])
def test_a_call_without_an_answer_is_recorded_by_whether_the_provider_may_bill_it(library, error, billable):
    def fail(request):
        raise getattr(library, error)("x")

    with recorded_calls() as calls, library.Client(transport=library.MockTransport(fail)) as client:
        with pytest.raises(getattr(library, error)):
            client.post(URL, json=CHAT)
    (got,) = attributes(calls)
    assert (got["error.type"], got["spanledger.billable"]) == (error, billable)
    assert got["spanledger.usage.found"] is False


@LIBRARIES
def test_a_transport_that_sends_through_the_same_library_is_one_call(library):
    inner = library.Client(transport=library.MockTransport(lambda r: library.Response(200, json=ANSWER)))

    def forward(request):
        return inner.post(URL, content=request.content, headers={"content-type": "application/json"})

    with recorded_calls() as calls, library.Client(transport=library.MockTransport(forward)) as client:
        client.post(URL, json=CHAT)
    assert len(calls) == 1


@LIBRARIES
def test_a_call_that_a_nearer_hop_metered_is_not_billed_again(library):
    headers = {"spanledger-metered": "hub"}
    transport = library.MockTransport(lambda r: library.Response(200, json=ANSWER, headers=headers))
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        client.post(URL, json=CHAT)
    (got,) = attributes(calls)
    assert (got["spanledger.billable"], got["spanledger.metered_by"]) == ("no", "hub")


@LIBRARIES
def test_many_threads_lose_no_call_and_mix_no_clients(library):
    transport = library.MockTransport(lambda request: library.Response(200, json=ANSWER))

    def work(name):
        with library.Client(transport=transport) as client:
            for _ in range(20):
                with bill_to(name):
                    client.post(URL, json=CHAT)

    with recorded_calls() as calls:
        threads = [threading.Thread(target=work, args=(f"client-{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = {f"client-{n}": 0 for n in range(8)}
    for got in attributes(calls):
        counted[got["client_id"]] += 1
    assert counted == {f"client-{n}": 20 for n in range(8)}


@LIBRARIES
def test_nothing_of_the_content_is_in_the_span(library):
    transport = library.MockTransport(lambda request: library.Response(200, json=ANSWER))
    with recorded_calls() as calls, library.Client(transport=transport) as client:
        client.post(f"{URL}?key=AIza-secret", json=CHAT, headers={"authorization": "Bearer sk-secret"})
    text = calls[0].to_json()
    assert "secret" not in text
    assert '"hi"' not in text


@LIBRARIES
def test_a_transport_that_makes_another_call_first_is_still_one_call(library):
    other = "https://api.openai.com/v1/embeddings"
    inner = library.Client(transport=library.MockTransport(lambda r: library.Response(200, json=ANSWER)))

    def relay(request):
        inner.post(other, json={"model": "text-embedding-3-small", "input": "x"})
        return inner.post(URL, content=request.content, headers={"content-type": "application/json"})

    with recorded_calls() as calls, library.Client(transport=library.MockTransport(relay)) as client:
        client.post(URL, json=CHAT)
        client.post(URL, json=CHAT)
    assert [got["gen_ai.operation.name"] for got in attributes(calls)] == ["embeddings", "chat"] * 2


@LIBRARIES
def test_a_coroutine_that_is_dropped_while_it_waits_is_recorded_once(library, caplog):
    class Never:
        def __await__(self):
            yield

    class Transport(library.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await Never()

    def begin():
        context.attach(baggage.set_baggage("tenant", "acme"))
        sending = client.send(client.build_request("POST", URL, json=CHAT))
        sending.send(None)
        return sending

    with recorded_calls() as calls:
        client = library.AsyncClient(transport=Transport())
        sending = contextvars.copy_context().run(begin)
        del sending  # it is closed here, in another context than it began in
        gc.collect()
    (got,) = attributes(calls)
    assert got["spanledger.billable"] == "unknown"
    assert caplog.records == []
