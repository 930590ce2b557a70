"""What goes wrong is counted exactly, logged once, and raises nothing."""

import gc
import logging
import os
import threading

import pytest

from spanledger import health
from support.counting import Counting


def test_threads_lose_no_count():
    def work() -> None:
        for _ in range(2000):
            health.count("test_threads")

    threads = [threading.Thread(target=work) for _ in range(4)]
    with Counting() as counted:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counted.kinds == {"test_threads": 8000}


def test_a_kind_is_logged_once_and_counted_every_time(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "spanledger"), Counting() as counted:
        for number in range(3):
            health.count("test_once", times=2, log=f"happened {number}")
    assert caplog.messages == ["happened 0 (further cases are counted as test_once, not logged)"]
    assert counted.kinds == {"test_once": 6}


def test_a_log_handler_that_raises_reaches_nobody():
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("no log today")

    handler = Broken()
    logging.getLogger("spanledger").addHandler(handler)
    try:
        with Counting() as counted:
            health.count("test_broken_log", log="happened")
    finally:
        logging.getLogger("spanledger").removeHandler(handler)
    assert counted.kinds == {"test_broken_log": 1}


def test_a_finaliser_may_count_while_counting():
    class Dropped:
        def __del__(self) -> None:
            health.count("test_finaliser")

    thresholds = gc.get_threshold()
    with Counting() as counted:
        gc.set_threshold(1)  # the collector runs at nearly every allocation, inside of `count` too
        try:
            for _ in range(2000):
                knot = Dropped()
                knot.itself = knot  # type: ignore[attr-defined]
                health.count("test_interrupted")
        finally:
            gc.set_threshold(*thresholds)
        del knot
        gc.collect()
    assert counted.kinds == {"test_finaliser": 2000, "test_interrupted": 2000}


def test_a_forked_child_counts_for_itself():
    health.count("test_parent")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            health.count("test_child")
            os.write(write, repr(health.snapshot()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "{'test_child': 1}"
    assert "test_child" not in health.snapshot()
