"""Only a 200 without rejections deletes; anything else keeps the spans, or finds the one at fault."""

import gzip
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

from spanledger.delivery import collector as exchange
from support.counting import Counting
from support.fake_collector import ACCEPT, Answer, FakeCollector, Received, rejecting
from support.finished_spans import submit
from support.waiting import wait_for

Deliver = Any


KEPT = [
    Answer(401),
    Answer(403),
    Answer(404),
    Answer(408),
    Answer(429, {"retry-after": "0"}),
    Answer(500),
    Answer(502),
    Answer(503),
    Answer(503, {"retry-after": "soon"}),
    Answer(204, content_type="text/plain"),
    Answer(302, {"location": "http://127.0.0.1:9/"}),
    Answer(200, body=b"<html>welcome</html>", content_type="text/html"),
    Answer(200, body=b"\xff\xff", content_type="application/x-protobuf"),
    Answer(200, body=b"{", content_type="application/json"),
    Answer(200, body=b"x" * (exchange.MAX_ANSWER_BYTES + 5), content_type="text/plain"),
    Answer(drop=True),
]


@pytest.mark.parametrize("answer", KEPT, ids=lambda answer: f"{answer.status} {answer.content_type[:20]}")
def test_only_a_200_without_rejections_deletes_after_anything_else_the_same_bytes_come_again(
    answer: Answer, collector: FakeCollector, deliver_to: Deliver
):
    collector.answer_with(answer, answer)
    delivery = deliver_to(collector.url)
    submit(delivery, "one", "two")
    collector.wait_until(lambda: collector.accepted == ["one", "two"])
    bodies = {gzip.decompress(each.body) for each in collector.received if len(each.spans) == 2}
    assert len(bodies) == 1
    assert delivery.flush(60)
    status = delivery.status()
    assert (status["sent"], status["queued"], status["lost"], status["refused"]) == (2, 0, 0, 0)


def test_a_json_answer_of_an_otlp_receiver_is_understood(collector: FakeCollector, deliver_to: Deliver):
    delivery = deliver_to(collector.url)
    collector.answer_with(
        Answer(body=b'{"partialSuccess": {}}', content_type="application/json"),
    )
    submit(delivery, "fine")
    assert delivery.flush(60)
    rejected = Answer(body=b'{"partialSuccess": {"rejectedSpans": "1"}}', content_type="application/json")
    collector.behave(poisoned("poison", rejected))
    submit(delivery, "poison")
    assert delivery.flush(60)
    assert (delivery.status()["sent"], delivery.status()["refused"]) == (1, 1)


def poisoned(name: str, answer: Answer) -> Any:
    return lambda received: answer if name in received.names else ACCEPT


@pytest.mark.parametrize("refusal", [Answer(400), Answer(413), rejecting(1)], ids=["400", "413", "rejected"])
def test_a_span_the_collector_refuses_is_put_aside_and_every_other_one_passes(
    refusal: Answer, collector: FakeCollector, deliver_to: Deliver
):
    collector.behave(poisoned("poison", refusal))
    delivery = deliver_to(collector.url)
    names = [f"call {i}" for i in range(40)]
    with Counting() as counted:
        submit(delivery, *names[:13], "poison", *names[13:])
        assert delivery.flush(60)
    assert [name for name in collector.accepted if name != "poison"] == names
    status = delivery.status()
    assert (status["sent"], status["refused"], status["aside"], status["queued"]) == (40, 1, 1, 0)
    assert counted.kinds == {"spans_refused": 1}


def test_a_request_too_large_for_the_collector_is_halved_until_it_fits(
    collector: FakeCollector, deliver_to: Deliver
):
    collector.behave(lambda received: ACCEPT if len(received.spans) <= 3 else Answer(413))
    delivery = deliver_to(collector.url)
    names = [f"call {i}" for i in range(50)]
    submit(delivery, *names)
    assert delivery.flush(60)
    assert collector.accepted == names
    assert delivery.status()["refused"] == 0


def test_an_address_that_refuses_every_request_costs_no_span(collector: FakeCollector, deliver_to: Deliver):
    mended = threading.Event()
    collector.behave(lambda _: ACCEPT if mended.is_set() else Answer(400))
    delivery = deliver_to(collector.url)
    submit(delivery, "one", "two")
    collector.wait_for_requests(20)
    status = delivery.status()
    assert (status["queued"], status["refused"]) == (2, 0)
    assert status["last_error"] == "HTTP 400 to every request; check SPANLEDGER_ENDPOINT"
    mended.set()
    assert delivery.flush(60)
    assert [name for name in collector.accepted if name] == ["one", "two"]


def test_while_the_collector_is_away_spans_wait_and_arrive_once_it_is_back(deliver_to: Deliver):
    with FakeCollector() as before:
        delivery = deliver_to(before.url)
        submit(delivery, "one")
        assert delivery.flush(60)
    submit(delivery, "two", "three")
    wait_for(lambda: delivery.status()["last_error"], "a failed attempt")
    assert delivery.status()["last_error"] == "ConnectionRefusedError: Connection refused"
    with FakeCollector(before.port) as after:
        after.wait_until(lambda: after.accepted == ["two", "three"])
        assert delivery.flush(60)
    assert delivery.status()["last_error"] is None


def test_a_connection_closed_while_idle_costs_no_failed_attempt(
    collector: FakeCollector, deliver_to: Deliver
):
    delivery = deliver_to(collector.url)
    with Counting() as counted:
        for name in ("one", "two", "three"):
            submit(delivery, name)
            assert delivery.flush(60)
            collector.cut_connections()
    assert collector.accepted == ["one", "two", "three"]
    assert len({each.connection for each in collector.received}) == 3
    assert counted.kinds == {}


def test_a_collector_that_does_not_answer_gets_the_spans_again(collector: FakeCollector, deliver_to: Deliver):
    collector.answer_with(Answer(hang=True))
    delivery = deliver_to(collector.url, answer_timeout=0.2)
    submit(delivery, "call")
    collector.wait_until(lambda: collector.accepted == ["call"])
    assert delivery.flush(60)
    assert delivery.status()["sent"] == 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_collector_asks_for_is_kept_and_a_flush_cuts_it_short(
    status: int, collector: FakeCollector, deliver_to: Deliver
):
    collector.answer_with(Answer(status, {"retry-after": "3600"}))
    delivery = deliver_to(collector.url)
    submit(delivery, "call")
    wait_for(lambda: delivery.status()["last_error"] == f"HTTP {status}", "a failed attempt")
    submit(delivery, "another")
    assert collector.accepted == []
    assert delivery.flush(60)
    assert collector.accepted == ["call", "another"]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (None, 0, 0),
        ("7", 7, 7),
        ("0", 0, 0),
        ("-5", 0, 0),
        ("nan", 0, 0),
        ("never", 0, 0),
        ("1e9", 300, 300),
        (formatdate(0, usegmt=True), 0, 0),
    ],
)
def test_the_pause_is_seconds_or_a_date_and_bounded(text: str | None, least: float, most: float):
    assert least <= exchange._retry_after(text) <= most


def test_the_pause_may_be_until_a_date_to_come():
    assert 1 <= exchange._retry_after(formatdate(time.time() + 100, usegmt=True)) <= 100


def test_a_request_for_nothing_is_what_tells_a_bad_span_from_a_bad_address(
    collector: FakeCollector, deliver_to: Deliver
):
    seen: list[list[str]] = []

    def refuse_spans(received: Received) -> Answer:
        seen.append(received.names)
        return Answer(400) if received.names else ACCEPT

    collector.behave(refuse_spans)
    delivery = deliver_to(collector.url)
    submit(delivery, "poison")
    assert delivery.flush(60)
    assert seen == [["poison"], [], ["poison"]]


def test_a_span_refused_just_before_the_collector_recovers_is_not_blamed(
    collector: FakeCollector, deliver_to: Deliver
):
    collector.answer_with(Answer(400))
    delivery = deliver_to(collector.url)
    submit(delivery, "call")
    assert delivery.flush(60)
    assert collector.accepted == ["call"]
    assert delivery.status()["refused"] == 0
