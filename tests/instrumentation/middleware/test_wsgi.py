"""A WSGI app's work for a request is billed to its client; the server's thread keeps nothing of it."""

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from spanledger.context import UNATTRIBUTED, Attribution, bill_to, claimed, current, set_default
from spanledger.middleware import IncomingRequest, SpanledgerWSGIMiddleware, from_header
from support.counting import Counting

HEADER = from_header("x-client-id", set_by_our_gateway=True)
TEXT = [("Content-Type", "text/plain")]


def payer() -> bytes:
    return f"{current().client_id};".encode()


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(application: Any) -> Iterator[Callable[..., tuple[int, str, dict[str, str]]]]:
    """A server of one thread for all requests, as a worker has it, and a way to ask it."""
    after_each_request: list[Attribution | None] = []  # what the thread is left with

    class Handler(Quiet):
        def handle(self) -> None:
            super().handle()
            after_each_request.append(claimed())

    with make_server("127.0.0.1", 0, application, handler_class=Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def ask(path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
            try:
                names = {name.replace("_", "-"): value for name, value in headers.items()}
                connection.request("GET", path, headers=names)
                response = connection.getresponse()
                return response.status, response.read().decode(), dict(response.getheaders())
            finally:
                connection.close()

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()
    assert set(after_each_request) == {None}


def listed(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [payer()]


def generated(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    for _ in range(3):
        yield payer()


def written(environ: Any, start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    write(payer())
    return [payer()]


@pytest.mark.parametrize(
    ("application", "parts"), [(listed, 1), (generated, 3), (written, 2)], ids=["list", "generator", "write"]
)
def test_every_part_of_an_answer_is_billed_to_the_requests_client(application: Any, parts: int):
    with serving(SpanledgerWSGIMiddleware(validator(application), resolver=HEADER)) as ask:
        for name in ("acme", "globex"):
            assert ask(X_Client_Id=name)[:2] == (200, f"{name};" * parts)
        assert ask()[:2] == (200, "None;" * parts)


def test_the_middleware_keeps_to_wsgi_on_both_sides():
    with serving(validator(SpanledgerWSGIMiddleware(validator(generated), resolver=HEADER))) as ask:
        assert ask(X_Client_Id="acme")[:2] == (200, "acme;acme;acme;")


def test_between_the_parts_of_an_answer_the_servers_thread_has_no_client():
    body = SpanledgerWSGIMiddleware(generated, resolver=lambda _: "acme")({}, lambda *_: None)
    with bill_to("globex"):
        seen = [(part, current().client_id) for part in body]
    assert seen == [(b"acme;", "globex")] * 3
    assert current() == UNATTRIBUTED


def test_two_answers_made_in_turns_by_one_thread_keep_their_own_clients():
    def answer(name: str) -> Iterable[bytes]:
        return SpanledgerWSGIMiddleware(generated, resolver=lambda _: name)({}, lambda *_: None)

    assert list(zip(answer("acme"), answer("globex"), strict=True)) == [(b"acme;", b"globex;")] * 3


def test_closing_an_answer_runs_the_apps_clean_up_for_the_client_also_when_it_is_cut_short():
    closed: list[bytes] = []

    def tidy(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        try:
            yield payer()
            yield payer()
        finally:
            closed.append(payer())

    body = SpanledgerWSGIMiddleware(tidy, resolver=lambda _: "acme")({}, lambda *_: None)
    assert next(iter(body)) == b"acme;"
    body.close()  # type: ignore[attr-defined]
    assert closed == [b"acme;"]
    assert current() == UNATTRIBUTED


def test_a_body_that_has_no_close_is_closed_without_complaint():
    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            return iter([payer()])

    def parted(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return Parts()

    with serving(SpanledgerWSGIMiddleware(parted, resolver=HEADER)) as ask:
        assert ask(X_Client_Id="acme")[:2] == (200, "acme;")


def test_an_answer_of_one_part_keeps_the_length_that_the_server_gives_it():
    with serving(SpanledgerWSGIMiddleware(listed, resolver=HEADER)) as ask:
        assert ask(X_Client_Id="acme")[2]["Content-Length"] == "5"


def test_a_file_is_handed_to_the_server_as_the_file_that_it_is(tmp_path: Any):
    path = tmp_path / "file"
    path.write_bytes(b"content")

    def filed(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return environ["wsgi.file_wrapper"](path.open("rb"))

    body = SpanledgerWSGIMiddleware(filed, resolver=lambda _: "acme")(
        {"wsgi.file_wrapper": FileWrapper}, lambda *_: None
    )
    assert type(body) is FileWrapper
    body.close()


def test_an_error_of_the_app_passes_and_leaves_nothing_behind():
    def failing(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield payer()
        raise ZeroDivisionError

    body = iter(SpanledgerWSGIMiddleware(failing, resolver=lambda _: "acme")({}, lambda *_: None))
    assert next(body) == b"acme;"
    with pytest.raises(ZeroDivisionError):
        next(body)
    assert current() == UNATTRIBUTED


def test_a_resolver_that_raises_or_is_asynchronous_costs_the_attribution_not_the_answer():
    def broken(request: IncomingRequest) -> str:
        raise KeyError(request.path)

    async def asynchronous(request: IncomingRequest) -> str:
        return "acme"

    set_default("agency")
    try:
        with Counting() as counted:
            for resolver in (broken, asynchronous):
                with serving(SpanledgerWSGIMiddleware(listed, resolver=resolver)) as ask:
                    assert ask()[:2] == (200, "None;")
    finally:
        set_default(None)
    assert counted.kinds == {"resolver_failed": 2}


def test_a_resolver_sees_method_path_headers_and_environ():
    seen: list[IncomingRequest] = []
    with serving(SpanledgerWSGIMiddleware(listed, resolver=seen.append)) as ask:  # type: ignore[arg-type]
        ask("/some/where?a=1", X_Team="red", Content_Type="text/csv")
    assert (seen[0].method, seen[0].path) == ("GET", "/some/where")
    assert (seen[0].headers["x-team"], seen[0].headers["content-type"]) == ("red", "text/csv")
    assert seen[0].raw["QUERY_STRING"] == "a=1"
