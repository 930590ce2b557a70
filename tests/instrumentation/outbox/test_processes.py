"""Every way for a process to begin and to end: its spans are sent once, by it or by who comes after it."""

from pathlib import Path

import pytest

from spanledger.delivery.outbox import status
from spanledger.delivery.outbox.folder import boxes
from support import scripts
from support.fake_collector import Answer, FakeCollector

PREAMBLE = """
import ctypes, multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from support.finished_spans import finished, submit
from spanledger.delivery import Delivery, DeliverySettings

def new_delivery(**settings):
    # What is sent before the end of the process is sent because of the end: nothing lingers that long.
    return Delivery(DeliverySettings(sys.argv[1], **({"linger": 3600} | settings)))

def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)

delivery = new_delivery()
"""


SEND_WHAT_IS_LEFT = """
from spanledger.delivery.outbox import status
while status.read(Path(os.environ["SPANLEDGER_OUTBOX"]), 1).spans:
    time.sleep(0.01)
assert delivery.shutdown(60)
"""


def run(script: str, collector: FakeCollector, *, ends_with: int = 0, **environment: str) -> str:
    """Run it to its end; what it logged."""
    return scripts.finish(scripts.start(PREAMBLE + script, collector.url, **environment), ends_with=ends_with)


def test_a_short_script_sends_what_it_submitted_and_leaves_nothing_behind(
    collector: FakeCollector, outbox: Path
):
    assert run("submit(delivery, 'one', 'two')", collector) == ""
    assert collector.accepted == ["one", "two"]
    assert list(boxes(outbox)) == []


@pytest.mark.parametrize("end", ["kill_myself()", "os._exit(0)"])
def test_a_process_that_ends_without_a_word_leaves_its_spans_to_the_next_start(
    end: str, collector: FakeCollector, outbox: Path
):
    run(f"submit(delivery, 'one', 'two'); {end}", collector, ends_with=-9 if "kill" in end else 0)
    assert collector.accepted == []
    run(SEND_WHAT_IS_LEFT, collector)
    assert collector.accepted == ["one", "two"]
    assert list(boxes(outbox)) == []


def test_a_collector_that_hangs_at_the_exit_leaves_the_spans_on_disk_and_that_is_said(
    collector: FakeCollector, outbox: Path
):
    collector.answer_with(Answer(hang=True), Answer(hang=True))
    logged = run("submit(delivery, 'one', 'two')", collector, SPANLEDGER_EXIT_TIMEOUT="0.2")
    assert f"2 billing spans are not delivered yet and stay in {outbox}" in logged
    assert "python -m spanledger outbox flush" in logged
    assert "are lost" not in logged
    collector.go_on()
    assert status.read(outbox, 1).not_held == 2


def test_a_forked_child_has_a_box_of_its_own_and_its_parents_outlives_it(collector: FakeCollector):
    run(
        """
submit(delivery, "parent")
child = os.fork()
if child == 0:
    submit(delivery, "child")
    kill_myself()
os.waitpid(child, 0)
(own,) = (path for path in Path(os.environ["SPANLEDGER_OUTBOX"]).iterdir() if f"-{os.getpid()}-" in path.name)
(of_child,) = (path for path in own.parent.iterdir() if path != own)
from spanledger.delivery.outbox.box import is_held
assert is_held(own)
assert not is_held(of_child)
submit(delivery, "parent, later")
""",
        collector,
    )
    assert collector.accepted == ["parent", "parent, later"]
    run(SEND_WHAT_IS_LEFT, collector)
    assert collector.accepted[2:] == ["child"]


def test_a_child_that_outlives_its_parent_does_not_keep_the_parents_box(collector: FakeCollector):
    run(
        """
submit(delivery, "parent")
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(writing)
    os.read(reading, 1)  # until the parent is dead
    child = new_delivery(linger=0)
    deadline = time.monotonic() + 60
    while not child.status()["sent_for_others"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os._exit(0)
kill_myself()
""",
        collector,
        ends_with=-9,
    )
    collector.wait_until(lambda: collector.accepted == ["parent"])


def test_a_fork_that_python_is_not_told_of_is_noticed_by_the_first_span(
    collector: FakeCollector, outbox: Path
):
    run(
        """
submit(delivery, "parent, before")
child = ctypes.PyDLL(None).fork()  # as uWSGI forks its workers
if child == 0:
    submit(delivery, "child")
    kill_myself()
os.waitpid(child, 0)
submit(delivery, "parent, after")
""",
        collector,
    )
    assert collector.accepted == ["parent, before", "parent, after"]
    found = status.read(outbox, 1)
    assert (found.spans, found.not_held) == (1, 1)


def test_forks_and_kills_in_the_middle_of_other_threads_work_lose_nothing(
    collector: FakeCollector,
):
    run(
        """
busy = new_delivery(linger=0.0)  # so that it sends while it forks

def work(number):
    submit(busy, *[f"thread {number} {i}" for i in range(200)])

threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
children = []
for number in range(15):
    child = os.fork()
    if child == 0:
        submit(new_delivery(), f"child {number}")
        kill_myself()
    children.append(child)
for child in children:
    os.waitpid(child, 0)
for thread in threads:
    thread.join()
assert busy.flush(60)
delivery = new_delivery()
"""
        + SEND_WHAT_IS_LEFT,
        collector,
    )
    expected = [f"thread {n} {i}" for n in range(2) for i in range(200)] + [f"child {n}" for n in range(15)]
    # A child that adopted what another left is killed as well: what it had sent comes again.
    assert set(collector.accepted) == set(expected)
    of_threads = [name for name in collector.accepted if name.startswith("thread")]
    assert len(of_threads) == len(set(of_threads))


def test_workers_of_multiprocessing_send_their_own_however_they_are_started(collector: FakeCollector):
    run(
        """
for number in range(3):
    worker = multiprocessing.get_context("fork").Process(target=submit, args=(delivery, f"worker {number}"))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
""",
        collector,
    )
    assert collector.accepted == ["worker 0", "worker 1", "worker 2"]


def test_a_worker_of_celerys_pool_sends_its_own_though_it_ends_without_finalising(collector: FakeCollector):
    run(
        """
from celery.signals import worker_process_shutdown

delivery.shutdown(60)
if os.fork() == 0:
    submit(new_delivery(), "of the worker")
    worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
    os._exit(0)
os.wait()
""",
        collector,
    )
    assert collector.accepted == ["of the worker"]


def test_where_threads_stand_still_between_requests_the_exit_sends_by_itself_and_status_says_so(
    collector: FakeCollector,
):
    run(
        """
import _thread, types
from pathlib import Path
from spanledger.delivery.outbox import status
sys.modules["uwsgi"] = types.SimpleNamespace(has_threads=0)
_thread.start_new_thread = lambda *_: 1  # it is there and does not run
submit(delivery, "one", "two")
(box,) = status.read(Path(os.environ["SPANLEDGER_OUTBOX"]), 1).boxes
assert (box.spans, box.process["threads_stand_still"]) == (2, True)
assert delivery.status()["threads_stand_still"]
sys.modules["uwsgi"].has_threads = 1  # as newer ones are, whether told so or not
assert not delivery.status()["threads_stand_still"]
sys.modules["uwsgi"].has_threads = 0
""",
        collector,
    )
    assert collector.accepted == ["one", "two"]


def test_recording_calls_for_a_test_touches_no_outbox(outbox: Path):
    script = """
import httpx2
from spanledger.testing import recorded_calls
answer = {"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer))
with recorded_calls() as calls:
    httpx2.Client(transport=transport).post("https://api.openai.com/v1/chat/completions", json={"model": "m"})
assert len(calls) == 1
"""
    scripts.finish(scripts.start(script))
    assert not outbox.exists()
