"""Threads, executors and process pools bill whoever handed the work over."""

import asyncio
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from spanledger.context import bill_to, current, set_default
from spanledger.threads import carry, propagate


def payer(*_: object) -> str | None:
    return current().client_id


def run_in_a_thread(work) -> object:
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    thread.join()
    return result[0]


def test_a_thread_alone_does_not_inherit_the_client():
    with bill_to("acme"):
        assert run_in_a_thread(payer) is None


def test_what_is_propagated_bills_the_client_in_force_when_it_was_wrapped():
    with bill_to("acme", project="mailer"):
        work = propagate(current)
    with bill_to("globex"):
        attribution = run_in_a_thread(work)
        assert work() == attribution
    assert (attribution.client_id, attribution.project) == ("acme", "mailer")


def test_what_was_propagated_without_a_client_leaves_it_to_the_default():
    work = propagate(payer)
    set_default("agency")
    try:
        with bill_to("globex"):
            assert work() == "agency"
    finally:
        set_default(None)


def test_a_propagated_function_keeps_its_arguments_its_name_and_its_errors():
    def divide(a: int, b: int) -> float:
        """Divides."""
        return a / b

    assert propagate(divide)(6, b=3) == 2
    assert propagate(divide).__doc__ == "Divides."
    with pytest.raises(ZeroDivisionError):
        propagate(divide)(1, 0)


async def test_a_propagated_coroutine_function_bills_its_client_in_another_threads_loop():
    async def work() -> str | None:
        await asyncio.sleep(0)
        return payer()

    with bill_to("acme"):
        propagated = propagate(work)
    assert await asyncio.to_thread(lambda: asyncio.run(propagated())) == "acme"


def test_an_executor_alone_does_not_carry_the_client_and_a_carrying_one_does():
    with ThreadPoolExecutor(1) as pool, bill_to("acme"):
        assert pool.submit(payer).result() is None
        assert carry(pool).submit(payer).result() == "acme"
        assert list(carry(pool).map(payer, [1, 2])) == ["acme", "acme"]


def test_a_reused_thread_keeps_no_client_of_the_work_before():
    with ThreadPoolExecutor(1) as pool:
        carrying = carry(pool)
        with bill_to("acme"):
            carrying.submit(payer).result()
        assert carrying.submit(payer).result() is None
        assert pool.submit(payer).result() is None


async def test_run_in_executor_takes_a_carrying_executor_or_a_propagated_function():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool, bill_to("acme"):
        assert await loop.run_in_executor(None, payer) is None
        assert await loop.run_in_executor(carry(pool), payer, 1) == "acme"
        assert await loop.run_in_executor(None, propagate(payer)) == "acme"


def test_a_process_pool_carries_the_client_into_its_processes():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        bill_to("acme", labels={"step": "2"}),
    ):
        attribution = carry(pool).submit(current).result()
    assert (attribution.client_id, attribution.labels) == ("acme", (("step", "2"),))


def test_shutting_a_carrying_executor_down_shuts_down_the_one_behind_it():
    pool = ThreadPoolExecutor(1)
    with carry(pool) as carrying:
        carrying.submit(payer)
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(payer)
