"""A decorated function is billed while its own code runs, whatever kind of function it is."""

import asyncio
import contextvars
import gc
import inspect
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager

import pytest

from spanledger.context import UNATTRIBUTED, bill_to, current
from support.counting import Counting


def payer() -> str | None:
    return current().client_id


@bill_to("acme", project="mailer")
def function() -> str | None:
    return payer()


@bill_to("acme")
async def coroutine() -> str | None:
    await asyncio.sleep(0)
    return payer()


@bill_to("acme")
def generator() -> Generator[str | None, str, str]:
    received = yield payer()
    yield f"{received} {payer()}"
    return "end"


@bill_to("acme")
async def async_generator() -> AsyncGenerator[str | None, str]:
    received = yield payer()
    await asyncio.sleep(0)
    yield f"{received} {payer()}"


def test_a_decorated_function_is_billed_and_its_caller_is_not():
    assert function() == "acme"
    assert current() == UNATTRIBUTED


async def test_a_decorated_coroutine_function_is_billed_also_where_it_is_awaited_later():
    waiting = coroutine()
    with bill_to("globex"):
        assert await waiting == "acme"
        assert payer() == "globex"


async def test_concurrent_calls_of_one_decorated_coroutine_function_do_not_disturb_each_other():
    assert await asyncio.gather(*(coroutine() for _ in range(5))) == ["acme"] * 5
    assert current() == UNATTRIBUTED


async def test_a_coroutine_cancelled_before_it_started_leaves_no_coroutine_behind():
    task = asyncio.create_task(coroutine())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()  # a coroutine that was never awaited would warn here, which fails the run


def test_each_resumption_of_a_decorated_generator_is_billed_and_its_consumer_never():
    with bill_to("globex"), Counting() as counted, closing(generator()) as turns:
        assert next(turns) == "acme"
        assert payer() == "globex"
        assert turns.send("sent") == "sent acme"
        assert payer() == "globex"
        with pytest.raises(StopIteration) as stopped:
            next(turns)
        assert stopped.value.value == "end"
    assert counted.kinds == {}


async def test_each_resumption_of_a_decorated_async_generator_is_billed_and_its_consumer_never():
    with bill_to("globex"), Counting() as counted:
        async with aclosing(async_generator()) as turns:
            assert await anext(turns) == "acme"
            assert payer() == "globex"
            assert await turns.asend("sent") == "sent acme"
            assert payer() == "globex"
            with pytest.raises(StopAsyncIteration):
                await anext(turns)
    assert counted.kinds == {}


def test_generators_in_turns_each_keep_their_own_client():
    def clients(name: str) -> Iterator[str | None]:
        @bill_to(name)
        def inner() -> Iterator[str | None]:
            for _ in range(3):
                yield payer()

        return inner()

    assert list(zip(clients("acme"), clients("globex"), strict=True)) == [("acme", "globex")] * 3


def test_what_is_thrown_into_a_decorated_generator_reaches_it_in_its_billing_context():
    caught = []

    @bill_to("acme")
    def careful() -> Iterator[str]:
        try:
            yield "first"
        except KeyError as error:
            caught.append((payer(), error.args))
            yield "second"

    turns = careful()
    next(turns)
    assert turns.throw(KeyError("key")) == "second"
    assert caught == [("acme", ("key",))]


def test_closing_a_decorated_generator_runs_its_clean_up_in_its_billing_context():
    cleaned = []

    @bill_to("acme")
    def tidy() -> Iterator[int]:
        try:
            yield 1
        finally:
            cleaned.append(payer())

    closed = tidy()
    next(closed)
    closed.close()
    dropped = tidy()
    next(dropped)
    del dropped
    gc.collect()
    assert cleaned == ["acme", "acme"]
    assert current() == UNATTRIBUTED


async def test_closing_a_decorated_async_generator_runs_its_clean_up_in_its_billing_context():
    cleaned = []

    @bill_to("acme")
    async def tidy() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            cleaned.append(payer())

    closed = tidy()
    await anext(closed)
    await closed.aclose()  # type: ignore[attr-defined]
    thrown = tidy()
    await anext(thrown)
    with pytest.raises(KeyError):
        await thrown.athrow(KeyError())  # type: ignore[attr-defined]
    assert cleaned == ["acme", "acme"]


def test_a_block_around_a_yield_in_a_decorated_generator_is_seen_by_the_generator_alone():
    @bill_to("acme")
    def lines() -> Iterator[str | None]:
        with bill_to("initech"):
            yield payer()
            yield payer()
        yield payer()

    seen = [(inside, payer()) for inside in lines()]
    assert seen == [("initech", None), ("initech", None), ("acme", None)]


def test_a_coroutine_that_is_dropped_half_way_leaves_the_context_it_is_collected_in_alone():
    class Halt:
        def __await__(self) -> Iterator[None]:
            yield None

    @bill_to("acme")
    async def halting() -> None:
        await Halt()

    half_way = halting()
    contextvars.copy_context().run(half_way.send, None)  # as a task runs it, of a loop that was given up
    with bill_to("globex"):
        del half_way
        gc.collect()
        assert payer() == "globex"


def test_an_error_passes_through_and_leaves_nothing_behind():
    @bill_to("acme")
    def failing() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        failing()
    assert current() == UNATTRIBUTED


async def test_a_plain_function_that_returns_a_coroutine_is_billed_while_that_runs():
    def prepared() -> Awaitable[str | None]:
        async def call() -> str | None:
            return payer()

        return call()

    assert await bill_to("acme")(prepared)() == "acme"


def test_an_object_that_merely_looks_like_a_coroutine_is_returned_as_it_is():
    class Request:
        def send(self, value: object) -> None: ...
        def throw(self, error: object) -> None: ...
        def close(self) -> None: ...
        def __await__(self) -> Iterator[None]:
            yield None

    request = Request()
    assert bill_to("acme")(lambda: request)() is request


def test_a_generator_that_is_a_context_manager_bills_the_block_it_is_used_for():
    @contextmanager
    def billed() -> Iterator[None]:
        with bill_to("acme"):
            yield

    with Counting() as counted:
        with billed():
            assert payer() == "acme"
        assert payer() is None
    assert counted.kinds == {}


async def test_an_async_generator_that_is_a_context_manager_bills_the_block_it_is_used_for():
    @asynccontextmanager
    async def billed() -> AsyncIterator[None]:
        async with bill_to("acme"):
            yield

    with Counting() as counted:
        async with billed():
            assert payer() == "acme"
        assert payer() is None
    assert counted.kinds == {}


class Bot:
    @bill_to("acme")
    def answer(self, text: str) -> tuple[str | None, str]:
        return payer(), text

    @bill_to("acme")
    @classmethod
    def made(cls) -> tuple[str | None, type]:
        return payer(), cls

    @bill_to("acme")
    @staticmethod
    def static() -> str | None:
        return payer()


def test_methods_of_every_kind_can_be_decorated():
    assert Bot().answer(text="hello") == ("acme", "hello")
    assert Bot.made() == ("acme", Bot)
    assert Bot.static() == "acme"


def test_a_decorated_function_is_still_known_as_what_it_is():
    assert inspect.iscoroutinefunction(coroutine)
    assert asyncio.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert (function.__name__, function.__module__) == ("function", __name__)
    assert str(inspect.signature(Bot.answer)) == "(self, text: str) -> tuple[str | None, str]"


def test_a_decorated_function_is_pickled_by_its_name_as_process_pools_need_it():
    # Tests are no importable module here, so a name of the standard library stands in.
    import shlex

    original = shlex.quote
    try:
        shlex.quote = bill_to("acme")(original)
        assert pickle.loads(pickle.dumps(shlex.quote)) is shlex.quote
    finally:
        shlex.quote = original
