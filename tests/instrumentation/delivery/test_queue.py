"""What waits is kept in order, within its bound, and accounted for to the span."""

import gc
import threading

from spanledger.delivery.otlp import EncodedSpan, Group
from spanledger.delivery.queue import ASIDE_LIMIT_BYTES, Counts, MemoryQueue
from support.counting import Counting
from support.finished_spans import encoded

GROUP = Group(b"", b"")


def spans(number: int, length: int = 100) -> list[EncodedSpan]:
    return [EncodedSpan(GROUP, bytes(length)) for _ in range(number)]


def filled(*waiting: EncodedSpan, limit: int = 10**9) -> MemoryQueue:
    queue = MemoryQueue(limit)
    for span in waiting:
        queue.put(span)
    return queue


def test_the_oldest_are_taken_first_and_stay_until_they_are_acknowledged():
    waiting = spans(5)
    queue = filled(*waiting)
    assert queue.take(3, 10**6) == waiting[:3]
    assert queue.take(3, 10**6) == waiting[:3]
    queue.acknowledge(waiting[:2])
    assert queue.take(9, 10**6) == waiting[2:]
    assert queue.counts() == Counts(put=5, waiting=3, bytes=sum(span.size for span in waiting[2:]), sent=2)


def test_a_batch_is_bounded_by_bytes_but_holds_at_least_one_span():
    waiting = spans(4)
    assert filled(*waiting).take(9, 2 * waiting[0].size) == waiting[:2]
    assert filled(*waiting).take(9, 1) == waiting[:1]
    assert filled().take(9, 1) == []


def test_a_full_queue_refuses_the_newest_and_keeps_what_it_has():
    waiting = spans(5)
    with Counting() as counted:
        queue = filled(*waiting, limit=3 * waiting[0].size)
    assert queue.take(9, 10**6) == waiting[:3]
    assert queue.counts() == Counts(put=3, waiting=3, bytes=3 * waiting[0].size, lost=2)
    assert counted.kinds == {"spans_lost": 2}


def test_what_is_acknowledged_makes_room():
    waiting = spans(3)
    queue = filled(*waiting[:2], limit=2 * waiting[0].size)
    queue.acknowledge(waiting[:1])
    queue.put(waiting[2])
    assert queue.take(9, 10**6) == waiting[1:]
    assert queue.counts().lost == 0


def test_a_span_set_aside_lets_the_others_pass_and_counts_as_refused():
    waiting = spans(2)
    queue = filled(*waiting)
    queue.set_aside(waiting[0])
    assert queue.take(9, 10**6) == waiting[1:]
    assert queue.counts() == Counts(put=2, waiting=1, bytes=waiting[1].size, refused=1, aside=1)


def test_what_is_set_aside_is_bounded_and_counted_beyond():
    waiting = spans(3, ASIDE_LIMIT_BYTES // 2)
    queue = filled(*waiting)
    for span in waiting:
        queue.set_aside(span)
    assert (queue.counts().refused, queue.counts().aside) == (3, 1)


def test_what_is_given_up_is_lost_and_no_late_acknowledgement_counts_it_as_sent():
    waiting = spans(3)
    queue = filled(*waiting)
    on_its_way = queue.take(9, 10**6)
    assert queue.abandon() == 3
    queue.acknowledge(on_its_way)
    queue.set_aside(on_its_way[0])
    assert queue.counts() == Counts(lost=3)


def test_threads_that_put_at_once_lose_no_span_and_no_byte():
    queue = MemoryQueue(10**9)
    size = spans(1)[0].size

    def work() -> None:
        for span in spans(2000):
            queue.put(span)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.counts() == Counts(put=8000, waiting=8000, bytes=8000 * size)


def test_a_finaliser_may_put_while_its_thread_is_in_the_middle_of_the_queue():
    queue = MemoryQueue(10**9)
    span = encoded("call")

    class Dropped:
        def __del__(self) -> None:
            queue.put(span)

    thresholds = gc.get_threshold()
    gc.set_threshold(1)  # the collector runs at nearly every allocation
    try:
        for _ in range(1000):
            knot = Dropped()
            knot.itself = knot  # type: ignore[attr-defined]
            queue.put(span)
            queue.take(1, 1)
    finally:
        gc.set_threshold(*thresholds)
    del knot
    gc.collect()
    assert queue.counts() == Counts(put=2000, waiting=2000, bytes=2000 * span.size)


def test_a_put_does_not_wait_for_a_lock_that_its_own_thread_holds():
    queue = MemoryQueue(10**9)
    (span,) = spans(1)
    with queue._lock:
        queue.put(span)
    assert queue.counts() == Counts(put=1, waiting=1, bytes=span.size)
