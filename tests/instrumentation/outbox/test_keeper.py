"""The keeper works when it is asked to, and ends when it is told to, whichever comes first."""

import threading

from spanledger.delivery.outbox.keeper import Keeper
from support.waiting import wait_for


def ended(keeper: Keeper) -> None:
    wait_for(lambda: not keeper._running, "the keeper's end", every_s=0.001)


def test_what_it_is_asked_for_again_and_again_is_not_done_as_often():
    rounds: list[None] = []
    began, go_on = threading.Semaphore(0), threading.Event()

    def work() -> bool:
        rounds.append(None)
        began.release()
        go_on.wait()
        return False

    keeper = Keeper(work, 0.0)
    keeper.wake()
    began.acquire()
    for _ in range(100):
        keeper.wake()
    go_on.set()
    began.acquire()
    keeper.stop()
    ended(keeper)
    assert len(rounds) == 2


def test_who_asks_while_it_rests_does_not_wake_it():
    keeper = Keeper(lambda: False, 3600.0)
    keeper.wake()
    wait_for(keeper._signs.empty, "the keeper's rest", every_s=0.001)
    for _ in range(100):
        keeper.wake()
        assert keeper._signs.empty()
    keeper.stop()
    ended(keeper)


def test_it_ends_when_it_is_told_to_at_whatever_moment():
    keeper = Keeper(lambda: False, 0.0)
    for _ in range(2000):
        keeper.wake()
        keeper.stop()
    ended(keeper)


def test_what_it_is_asked_for_at_its_end_is_done_all_the_same():
    done = threading.Semaphore(0)

    def work() -> bool:
        done.release()
        return False

    keeper = Keeper(work, 0.0)
    for _ in range(500):
        keeper.wake()
        keeper.stop()
        while done.acquire(blocking=False):
            pass
        keeper.wake()
        assert done.acquire(timeout=60)
    keeper.stop()
    ended(keeper)


def test_work_that_fails_is_tried_again_when_it_is_asked_for():
    done = threading.Semaphore(0)

    def work() -> bool:
        done.release()
        raise OSError

    keeper = Keeper(work, 0.0)
    for _ in range(3):
        keeper.wake()
        assert done.acquire(timeout=60)
    keeper.stop()
    ended(keeper)
