"""At the end of a process, and in its children, every span is sent once, by the process it belongs to."""

import subprocess
from collections import Counter

from support import scripts
from support.fake_collector import Answer, FakeCollector

PREAMBLE = """
import atexit, multiprocessing, os, random, sys, threading
from support.finished_spans import finished, submit
from spanledger import health
from spanledger.delivery import Delivery, DeliverySettings

# What is sent before the end of the process is sent because of the end: nothing lingers that long.
delivery = Delivery(DeliverySettings(sys.argv[1], linger=3600, answer_timeout=3600))
"""


def run(script: str, collector: FakeCollector, **environment: str) -> str:
    """Run it to its end, which must come; what it logged."""
    return scripts.finish(start(script, collector, **environment))


def start(script: str, collector: FakeCollector, **environment: str) -> subprocess.Popen[str]:
    return scripts.start(PREAMBLE + script, collector.url, **environment)


def test_a_short_script_delivers_what_it_submitted(collector: FakeCollector):
    assert run("submit(delivery, 'one', 'two')", collector) == ""
    assert collector.accepted == ["one", "two"]


def test_a_script_that_ends_by_an_error_delivers_what_it_submitted(collector: FakeCollector):
    scripts.finish(start("submit(delivery, 'one'); raise SystemExit(3)", collector), ends_with=3)
    assert collector.accepted == ["one"]


def test_at_the_exit_a_failing_collector_is_asked_again(collector: FakeCollector):
    collector.answer_with(Answer(503), Answer(drop=True))
    run("submit(delivery, 'one')", collector, SPANLEDGER_EXIT_TIMEOUT="60")
    assert collector.accepted == ["one"]


def test_a_collector_that_hangs_does_not_hold_up_the_exit_and_what_is_lost_is_said(collector: FakeCollector):
    collector.behave(lambda _: Answer(hang=True))
    logged = run(
        "submit(delivery, 'one', 'two')",
        collector,
        SPANLEDGER_EXIT_TIMEOUT="0.2",
        SPANLEDGER_OUTBOX="off",
    )
    assert "2 billing spans could not be delivered before the end and are lost" in logged
    assert "SPANLEDGER_EXIT_TIMEOUT" in logged


def test_what_is_submitted_at_the_exit_is_delivered_too(collector: FakeCollector):
    run("atexit.register(submit, delivery, 'last words')", collector)
    assert collector.accepted == ["last words"]


def test_a_forked_child_sends_its_own_spans_and_none_of_its_parents(collector: FakeCollector):
    run(
        """
submit(delivery, "parent, sent")
assert delivery.flush(60)
submit(delivery, "parent, waiting")
child = os.fork()
if child == 0:
    assert delivery.status()["queued"] == delivery.status()["sent"] == 0
    submit(delivery, "child")
else:
    assert os.waitpid(child, 0)[1] == 0
    submit(delivery, "parent, later")
""",
        collector,
    )
    assert collector.accepted == ["parent, sent", "child", "parent, waiting", "parent, later"]
    by_connection = {each.connection: "child" in each.names for each in collector.received}
    assert sorted(by_connection.values()) == [False, True]


def test_forks_in_the_middle_of_other_threads_work_lose_and_repeat_nothing(collector: FakeCollector):
    run(
        """
busy = Delivery(DeliverySettings(sys.argv[1], linger=0.0))  # so that it sends while it forks

def work(number):
    submit(busy, *[f"thread {number} {i}" for i in range(200)])

threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
children = []
for number in range(15):
    child = os.fork()
    if child == 0:
        submit(busy, f"child {number}")
        sys.exit()
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
""",
        collector,
        SPANLEDGER_EXIT_TIMEOUT="60",
    )
    expected = [f"thread {n} {i}" for n in range(2) for i in range(200)] + [f"child {n}" for n in range(15)]
    assert Counter(collector.accepted) == Counter(expected)


def test_the_thread_that_sends_imports_nothing_which_a_child_forked_meanwhile_would_wait_for(
    collector: FakeCollector,
):
    logged = run(
        """
before = set(sys.modules)
submit(delivery, "one")
assert delivery.flush(60)
print(*sorted(set(sys.modules) - before), file=sys.stderr)
""",
        collector,
    )
    assert logged.split() == []
    assert collector.accepted == ["one"]


def test_a_worker_of_multiprocessing_that_ends_without_an_exit_handler_delivers(collector: FakeCollector):
    run(
        """
worker = multiprocessing.get_context("fork").Process(target=submit, args=(delivery, "worker"))
worker.start()
worker.join()
assert worker.exitcode == 0
submit(delivery, "parent")
""",
        collector,
    )
    assert collector.accepted == ["worker", "parent"]


def test_two_processes_that_seed_random_alike_lose_no_span(collector: FakeCollector):
    script = """
from spanledger.capture.encoding import encoder
from spanledger.capture.tracing import Finished, Recurring, ids, our_resource, our_scope

encode = encoder(our_resource(), our_scope())
random.seed(7)
for number in range(50):
    delivery.submit(encode(Finished(*ids(None), None, 1, 2, {}, Recurring("call", {}))))
"""
    for process in [start(script, collector) for _ in range(2)]:
        assert scripts.finish(process) == ""
    ids = {(span.trace_id, span.span_id) for received in collector.received for span in received.spans}
    assert len(collector.accepted) == len(ids) == 100
