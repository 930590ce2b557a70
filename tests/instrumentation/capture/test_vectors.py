"""Every vector through plain httpx and httpx2: the span says what it must, the app gets its bytes unchanged."""

import gzip
import itertools

import httpx
import httpx2
import pytest

from spanledger.testing import recorded_calls
from support import vectors
from support.metered import check, check_cut

CASES = vectors.cases(without={"websocket"})
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
VECTORS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
PIECES = (1, 7, 1000, 1 << 20)


def transport_for(library, response, *, piece, zipped):
    body = vectors.body_bytes(response)
    sent = gzip.compress(body) if zipped else body

    class Body(library.SyncByteStream, library.AsyncByteStream):
        def __iter__(self):
            for start in range(0, len(sent), piece):
                yield sent[start : start + piece]

        async def __aiter__(self):
            for start in range(0, len(sent), piece):
                yield sent[start : start + piece]

    headers = {**response["headers"], **({"content-encoding": "gzip"} if zipped else {})}
    return body, library.MockTransport(
        lambda request: library.Response(response["status"], headers=headers, stream=Body())
    )


def arguments(case):
    request = case.request
    return request["method"], request["url"], {"content": case.request_body, "headers": request["headers"]}


@LIBRARIES
@VECTORS
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_stream_read_to_its_end_says_what_it_must(case, library, zipped):
    for piece in PIECES:
        with recorded_calls() as calls:
            body, transport = transport_for(library, case.response, piece=piece, zipped=zipped)
            method, url, options = arguments(case)
            with (
                library.Client(transport=transport) as client,
                client.stream(method, url, **options) as response,
            ):
                assert b"".join(response.iter_bytes()) == body
        check(case, calls)


@LIBRARIES
@VECTORS
async def test_the_async_client_says_the_same(case, library):
    for piece, zipped in itertools.product((3, 1 << 20), (False, True)):
        with recorded_calls() as calls:
            body, transport = transport_for(library, case.response, piece=piece, zipped=zipped)
            method, url, options = arguments(case)
            async with (
                library.AsyncClient(transport=transport) as client,
                client.stream(method, url, **options) as response,
            ):
                assert b"".join([part async for part in response.aiter_bytes()]) == body
        check(case, calls)


@LIBRARIES
@VECTORS
async def test_an_answer_that_the_library_reads_whole_says_the_same(case, library):
    for asynchronous in (False, True):
        with recorded_calls() as calls:
            body, transport = transport_for(library, case.response, piece=11, zipped=True)
            method, url, options = arguments(case)
            if asynchronous:
                async with library.AsyncClient(transport=transport) as client:
                    response = await client.request(method, url, **options)
            else:
                with library.Client(transport=transport) as client:
                    response = client.request(method, url, **options)
            assert response.content == body
        check(case, calls)


@LIBRARIES
@VECTORS
def test_raw_bytes_pass_as_they_came(case, library):
    _, transport = transport_for(library, case.response, piece=5, zipped=True)
    expected = gzip.compress(vectors.body_bytes(case.response))
    method, url, options = arguments(case)
    with recorded_calls(), library.Client(transport=transport) as client:
        with client.stream(method, url, **options) as response:
            got = list(response.iter_raw())
    # gzip's header holds a time stamp of a second; what follows must be the same.
    assert b"".join(got)[8:] == expected[8:]
    assert [len(part) for part in got] == [min(5, len(expected) - at) for at in range(0, len(expected), 5)]


@LIBRARIES
@VECTORS
def test_an_answer_closed_early_is_never_more_than_what_was_read(case, library):
    whole = vectors.body_bytes(case.response)
    for upto in {0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
        body, transport = transport_for(library, case.response, piece=max(upto, 1), zipped=False)
        method, url, options = arguments(case)
        with recorded_calls() as calls, library.Client(transport=transport) as client:
            with client.stream(method, url, **options) as response:
                got = next(response.iter_raw()) if upto else b""
        assert body.startswith(got)
        check_cut(case, calls)
