"""Every submitted span reaches the collector, and the app waits for none of it."""

import gc
import random
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context

from spanledger.delivery import DeliverySettings
from spanledger.delivery import collector as exchange
from spanledger.delivery.sender import BATCH_SPANS
from support.counting import Counting
from support.fake_collector import ACCEPT, Answer, FakeCollector
from support.finished_spans import encoded, submit
from support.waiting import wait_for

Deliver = Any


def test_what_is_submitted_arrives_without_anyone_asking(collector: FakeCollector, deliver_to: Deliver):
    submit(deliver_to(collector.url), "call")
    collector.wait_until(lambda: collector.accepted == ["call"])


def test_spans_arrive_in_the_order_of_their_submission_over_one_connection(
    collector: FakeCollector, deliver_to: Deliver
):
    delivery = deliver_to(collector.url)
    names = [f"call {i}" for i in range(2 * BATCH_SPANS + 1)]
    submit(delivery, *names)
    assert delivery.flush(60)
    assert collector.accepted == names
    assert len({each.connection for each in collector.received}) == 1
    assert max(len(each.spans) for each in collector.received) <= BATCH_SPANS


def test_a_request_is_gzipped_otlp_with_the_operators_headers_and_token(
    collector: FakeCollector, deliver_to: Deliver
):
    delivery = deliver_to(collector.url, token="token", headers={"X-Team": "red", "Authorization": "no"})
    submit(delivery, "call")
    assert delivery.flush(60)
    (received,) = collector.received
    assert received.path == "/v1/traces"
    expected = {
        "authorization": "Bearer token",
        "content-encoding": "gzip",
        "content-type": "application/x-protobuf",
        "x-team": "red",
    }
    assert expected.items() <= received.headers.items()


def test_proxies_of_the_environment_are_not_used(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    delivery = deliver_to(collector.url)
    submit(delivery, "call")
    assert delivery.flush(60)


def test_over_tls_only_a_certificate_that_is_trusted_gets_the_spans(tmp_path: Path, deliver_to: Deliver):
    certificate, key = certificate_for("127.0.0.1", tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with FakeCollector(tls=tls) as collector:
        distrusting = deliver_to(collector.url)
        submit(distrusting, "not for a stranger")
        wait_for(lambda: distrusting.status()["last_error"], "a failed attempt")
        assert "check SPANLEDGER_CERTIFICATE" in distrusting.status()["last_error"]
        trusting = deliver_to(collector.url, certificate=str(certificate))
        submit(trusting, "call")
        assert trusting.flush(60)
        assert collector.accepted == ["call"]


def test_a_collector_that_asks_for_a_certificate_gets_the_apps_own(tmp_path: Path, deliver_to: Deliver):
    certificate, key = certificate_for("127.0.0.1", tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.load_verify_locations(certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    with FakeCollector(tls=tls) as collector:
        unknown = deliver_to(collector.url, certificate=str(certificate))
        submit(unknown, "from a stranger")
        wait_for(lambda: unknown.status()["last_error"], "a failed attempt")
        known = deliver_to(
            collector.url,
            certificate=str(certificate),
            client_certificate=str(certificate),
            client_key=str(key),
        )
        submit(known, "call")
        assert known.flush(60)
        assert collector.accepted == ["call"]


@pytest.mark.parametrize(("bad", "said"), [("none.pem", "No such file"), ("locked.pem", "unencrypted key")])
def test_an_own_certificate_that_cannot_be_used_keeps_the_spans_and_says_so(
    bad: str, said: str, tmp_path: Path, deliver_to: Deliver
):
    certificate, key = certificate_for("127.0.0.1", tmp_path)
    locked = tmp_path / "locked.pem"
    encrypt = ["openssl", "rsa", "-aes128", "-passout", "pass:hidden", "-in", str(key), "-out", str(locked)]
    subprocess.run(encrypt, check=True, capture_output=True)
    delivery = deliver_to(
        "https://127.0.0.1:9",
        certificate=str(certificate),
        client_certificate=str(certificate),
        client_key=str(tmp_path / bad),
    )
    submit(delivery, "call")
    wait_for(lambda: delivery.status()["last_error"], "a failed attempt")
    assert said in delivery.status()["last_error"]
    assert "check SPANLEDGER_CLIENT_CERTIFICATE" in delivery.status()["last_error"]
    assert delivery.status()["queued"] == 1


def test_submitting_waits_for_nothing_while_the_collector_hangs(
    collector: FakeCollector, deliver_to: Deliver
):
    collector.answer_with(Answer(hang=True))
    delivery = deliver_to(collector.url)
    submit(delivery, "first")
    collector.wait_for_requests(1)
    submit(delivery, *[f"call {i}" for i in range(100)])
    assert len(collector.received) == 1  # still hanging: nothing was sent in between
    assert not delivery.flush(0.01)
    collector.go_on()
    assert delivery.flush(60)
    assert delivery.status()["sent"] == 101


def test_when_memory_is_full_the_newest_are_refused_and_counted_and_the_others_arrive(deliver_to: Deliver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    delivery = deliver_to(f"http://127.0.0.1:{port}", memory_limit_bytes=3000, outbox="off")
    names = [f"call {i}" for i in range(100)]
    with Counting() as counted:
        submit(delivery, *names)
        status = delivery.status()
    kept = status["queued"]
    assert 0 < kept < 100
    assert status["lost"] == 100 - kept
    assert counted.kinds["spans_lost"] == 100 - kept
    assert status["bytes"] <= 3000
    with FakeCollector(port) as collector:
        assert delivery.flush(60)
        assert collector.accepted == names[:kept]


def test_a_finaliser_may_submit_while_its_thread_submits(collector: FakeCollector, deliver_to: Deliver):
    delivery = deliver_to(collector.url)
    dropped = [encoded(f"dropped {i}") for i in range(300)]
    closed = [encoded(f"closed {i}") for i in range(300)]

    class Dropped:
        def __del__(self) -> None:
            delivery.submit(dropped.pop())

    thresholds = gc.get_threshold()
    gc.set_threshold(1)  # the collector runs at nearly every allocation, inside of `submit` too
    try:
        for span in closed:
            knot = Dropped()
            knot.itself = knot  # type: ignore[attr-defined]
            delivery.submit(span)
    finally:
        gc.set_threshold(*thresholds)
    del knot

    def all_is_dropped() -> bool:
        gc.collect()  # does nothing where another thread is just collecting
        return not dropped

    wait_for(all_is_dropped, "the finalisers", every_s=0.001)
    assert delivery.flush(60)
    wait_for(lambda: len(collector.accepted) >= 600, "the last one, which another thread may submit")
    assert sorted(collector.accepted) == sorted(
        f"{kind} {i}" for kind in ("dropped", "closed") for i in range(300)
    )


def test_spans_of_many_threads_arrive_each_once(collector: FakeCollector, deliver_to: Deliver):
    delivery = deliver_to(collector.url)

    def work(thread: int) -> None:
        submit(delivery, *[f"{thread}/{i}" for i in range(200)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.flush(60)
    assert sorted(collector.accepted) == sorted(f"{t}/{i}" for t in range(4) for i in range(200))


def test_the_apps_random_numbers_are_not_touched(collector: FakeCollector, deliver_to: Deliver):
    span = encoded("call")  # OpenTelemetry's own ids are drawn from them
    random.seed(7)
    before = random.getstate()
    collector.answer_with(Answer(503), Answer(503))
    delivery = deliver_to(collector.url)
    delivery.submit(span)
    assert delivery.flush(60)
    assert random.getstate() == before


def test_the_senders_work_is_marked_as_not_to_be_traced(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    marks: list[object] = []
    export = exchange.Collector.export

    def spied(self: exchange.Collector, request: bytes) -> Any:
        marks.append(
            (
                context.get_value("suppress_instrumentation"),
                context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY),
            )
        )
        return export(self, request)

    monkeypatch.setattr(exchange.Collector, "export", spied)
    delivery = deliver_to(collector.url)
    submit(delivery, "call")
    assert delivery.flush(60)
    assert marks == [(True, True)]
    assert context.get_value("suppress_instrumentation") is None


def test_where_no_thread_can_be_started_a_flush_does_the_work(
    collector: FakeCollector, deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    collector.answer_with(Answer(503), Answer(drop=True))
    delivery = deliver_to(collector.url)
    submit(delivery, "one", "two")
    assert collector.received == []
    assert delivery.flush(60)
    assert collector.accepted == ["one", "two"]
    collector.answer_with(Answer(hang=True))
    submit(delivery, "three")
    assert not delivery.flush(0.05)
    monkeypatch.undo()
    assert delivery.flush(60)
    assert collector.accepted == ["one", "two", "three"]


def test_a_flush_with_nothing_to_send_is_done_at_once_and_starts_no_thread(
    deliver_to: Deliver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("_thread.start_new_thread", None)
    assert deliver_to("http://127.0.0.1:9").flush(0)


def test_after_a_shutdown_the_connection_is_closed_and_a_later_span_still_arrives(
    collector: FakeCollector, deliver_to: Deliver
):
    delivery = deliver_to(collector.url)
    submit(delivery, "one")
    assert delivery.shutdown(60)
    collector.wait_until(lambda: not collector._connections)
    submit(delivery, "two")
    collector.wait_until(lambda: collector.accepted == ["one", "two"])


def test_a_shutdown_that_cannot_deliver_says_so_and_gives_nothing_up(
    collector: FakeCollector, deliver_to: Deliver
):
    collector.behave(lambda _: Answer(503))
    delivery = deliver_to(collector.url)
    submit(delivery, "call")
    assert not delivery.shutdown(0.05)
    collector.behave(lambda _: ACCEPT)
    collector.wait_until(lambda: collector.accepted == ["call"])
    assert delivery.shutdown(60)
    assert delivery.status()["lost"] == 0


def test_the_status_holds_no_secret(collector: FakeCollector, deliver_to: Deliver):
    collector.behave(lambda _: Answer(401, body=b"secret-token is unknown", content_type="text/plain"))
    delivery = deliver_to(collector.url, token="secret-token", headers={"x-key": "secret-key"})
    submit(delivery, "call")
    wait_for(lambda: delivery.status()["last_error"], "a failed attempt")
    assert delivery.status()["last_error"] == "HTTP 401; check SPANLEDGER_TOKEN"
    collector.behave(lambda _: ACCEPT)
    assert delivery.flush(60)
    status = delivery.status()
    assert "secret" not in repr(status)
    assert status["endpoint"] == collector.url + "/v1/traces"
    assert isinstance(status["last_success"], float)


def certificate_for(host: str, folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    subprocess.run(
        [*make, "-addext", f"subjectAltName=IP:{host}", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_a_certificate_file_that_is_missing_keeps_the_spans_and_says_so(
    collector: FakeCollector, deliver_to: Deliver, tmp_path: Path
):
    delivery = deliver_to(collector.url.replace("http", "https"), certificate=str(tmp_path / "none.pem"))
    submit(delivery, "call")
    wait_for(lambda: delivery.status()["last_error"], "a failed attempt")
    assert delivery.status()["last_error"].startswith("FileNotFoundError: No such file")
    assert delivery.status()["queued"] == 1


def test_defaults_are_those_that_are_documented():
    settings = DeliverySettings("http://127.0.0.1:4318")
    assert (settings.linger, settings.first_retry, settings.longest_retry) == (0.2, 0.5, 30)
