"""`bill_to` says who pays for what runs inside, and for nothing else."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator

import pytest

from spanledger.context import UNATTRIBUTED, Attribution, bill_to, current, set_default
from support.counting import Counting


@pytest.fixture
def default_client() -> Iterator[str]:
    set_default("agency")
    yield "agency"
    set_default(None)


def test_without_a_client_a_call_is_unattributed():
    assert current() == Attribution(client_id=None) == UNATTRIBUTED


def test_a_with_block_bills_its_client_and_the_code_after_it_does_not():
    with bill_to("acme", project="seo-bot", labels={"feature": "chat"}):
        assert current() == Attribution("acme", "seo-bot", (("feature", "chat"),))
    assert current() == UNATTRIBUTED


async def test_an_async_with_block_bills_its_client():
    async with bill_to("acme"):
        await asyncio.sleep(0)
        assert current().client_id == "acme"
    assert current() == UNATTRIBUTED


def test_a_block_that_raises_is_left_and_the_exception_passes():
    with pytest.raises(ZeroDivisionError), bill_to("acme"):
        raise ZeroDivisionError
    assert current() == UNATTRIBUTED


def test_the_process_default_pays_where_nothing_else_is_said(default_client: str):
    assert current().client_id == default_client
    with bill_to("acme"):
        assert current().client_id == "acme"
    assert current().client_id == default_client


def test_a_refused_client_is_unattributed_and_falls_neither_to_the_default_nor_to_the_outer_client(
    default_client: str,
):
    with bill_to(""):
        assert current() == UNATTRIBUTED
    with bill_to("acme"), bill_to(None):  # type: ignore[arg-type]
        assert current() == UNATTRIBUTED
    assert current().client_id == default_client


def test_inside_another_clients_block_nothing_of_it_is_taken_over():
    with bill_to("acme", project="seo-bot", labels={"feature": "chat"}), bill_to("globex"):
        assert current() == Attribution("globex")


def test_inside_the_same_clients_block_the_project_is_taken_over_and_labels_add_up():
    with (
        bill_to("acme", project="seo-bot", labels={"feature": "chat", "team": "red"}),
        bill_to("acme", labels={"feature": "summary", "step": "2"}),
    ):
        assert current().project == "seo-bot"
        assert dict(current().labels) == {"feature": "summary", "step": "2", "team": "red"}
        with bill_to("acme", project="mailer"):
            assert current().project == "mailer"


def test_of_more_than_ten_labels_in_nested_blocks_the_inner_ones_are_kept():
    outer = {f"outer{i}": "x" for i in range(8)}
    inner = {f"inner{i}": "x" for i in range(8)}
    with Counting() as counted, bill_to("acme", labels=outer), bill_to("acme", labels=inner):
        kept = dict(current().labels)
    assert len(kept) == 10
    assert inner.items() <= kept.items()
    assert counted.kinds == {"labels_refused": 6}


def test_one_object_can_be_entered_again_while_it_is_entered():
    acme = bill_to("acme")
    with acme, bill_to("globex"), acme:
        assert current().client_id == "acme"
    assert current() == UNATTRIBUTED


def test_blocks_left_out_of_order_leave_the_ones_still_entered_in_force():
    acme, globex, initech = bill_to("acme"), bill_to("globex"), bill_to("initech")
    for block in (acme, globex, initech):
        block.__enter__()
    acme.__exit__(None, None, None)
    assert current().client_id == "initech"
    initech.__exit__(None, None, None)
    assert current().client_id == "globex"
    globex.__exit__(None, None, None)
    assert current() == UNATTRIBUTED


def test_leaving_in_another_context_raises_nothing_and_is_counted():
    acme = bill_to("acme")
    elsewhere = contextvars.copy_context()
    with Counting() as counted, bill_to("globex"):
        elsewhere.run(acme.__enter__)
        acme.__exit__(None, None, None)
        assert current().client_id == "globex"
    assert counted.kinds == {"bill_to_left_elsewhere": 1}


def test_leaving_twice_raises_nothing_and_leaves_the_outer_block_in_force():
    acme = bill_to("acme")
    with bill_to("globex"):
        with acme:
            pass
        acme.__exit__(None, None, None)
        assert current().client_id == "globex"


async def test_tasks_inherit_the_client_and_do_not_change_each_others():
    async def client_of(own: str | None) -> tuple[str | None, str | None]:
        inherited = current().client_id
        if own is None:
            return inherited, None
        with bill_to(own):
            await asyncio.sleep(0)
            return inherited, current().client_id

    with bill_to("acme"):
        assert await asyncio.gather(client_of("globex"), client_of("initech"), client_of(None)) == [
            ("acme", "globex"),
            ("acme", "initech"),
            ("acme", None),
        ]
        assert current().client_id == "acme"
    assert current() == UNATTRIBUTED


async def test_to_thread_inherits_the_client():
    with bill_to("acme"):
        assert (await asyncio.to_thread(current)).client_id == "acme"


def billed_lines() -> Iterator[str | None]:
    with bill_to("acme"):
        yield current().client_id


async def billed_chunks() -> AsyncIterator[str | None]:
    async with bill_to("acme"):
        yield current().client_id


def test_a_with_around_a_yield_is_noticed_when_the_consumer_makes_a_call():
    with Counting() as counted:
        for client_id in billed_lines():
            assert client_id == "acme"
            current()
    assert counted.kinds == {"bill_to_around_yield": 1}
    assert current() == UNATTRIBUTED


async def test_an_async_with_around_a_yield_is_noticed_when_the_consumer_makes_a_call():
    with Counting() as counted:
        async for client_id in billed_chunks():
            assert client_id == "acme"
            current()
    assert counted.kinds == {"bill_to_around_yield": 1}


def test_a_with_around_a_yield_is_not_noticed_where_nobody_else_makes_a_call():
    with Counting() as counted:
        assert list(billed_lines()) == ["acme"]
    assert counted.kinds == {}


async def test_tasks_started_by_a_generator_are_not_taken_for_its_consumer():
    async def call() -> str | None:
        return current().client_id

    async def answers() -> AsyncIterator[list[str | None]]:
        with bill_to("acme"):
            yield await asyncio.gather(call(), call())

    with Counting() as counted:
        assert [answer async for answer in answers()] == [["acme", "acme"]]
    assert counted.kinds == {}
