"""The billing context in threads, executors and process pools.

Tasks and `asyncio.to_thread` inherit it. A thread, and what an executor runs, does not (Python 3.11): its
calls would fall to the process's default, or be unattributed. So hand it over where the work is handed over:

    threading.Thread(target=propagate(work)).start()
    await loop.run_in_executor(None, propagate(work), argument)

    pool = carry(ThreadPoolExecutor())       # or a ProcessPoolExecutor
    pool.submit(work, argument)
    await loop.run_in_executor(pool, work, argument)

Only the billing context is handed over, none of the app's own contextvars.
"""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from spanledger import context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from spanledger.attribution import Attribution

_P = ParamSpec("_P")
_R = TypeVar("_R")


def propagate(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function`, to be run elsewhere, billed as if it ran here and now."""
    attribution = context.claimed()

    @wraps(function)
    def propagated(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return run_for(attribution, function, *args, **kwargs)

    return propagated


def carry(executor: Executor) -> BillingExecutor:
    """`executor`, running each piece of work in the billing context that submitted it."""
    return BillingExecutor(executor)


class BillingExecutor(Executor):
    """An executor before another one: it notes who pays and hands the work on.

    `loop.run_in_executor` takes it; `loop.set_default_executor` takes nothing but a ThreadPoolExecutor.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., _R], /, *args: Any, **kwargs: Any) -> Future[_R]:
        return self._executor.submit(run_for, context.claimed(), fn, *args, **kwargs)

    def map(self, fn: Callable[..., _R], *iterables: Iterable[Any], **options: Any) -> Iterator[_R]:
        return self._executor.map(partial(run_for, context.claimed(), fn), *iterables, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait, cancel_futures=cancel_futures)


def run_for(attribution: Attribution | None, function: Callable[..., _R], /, *args: Any, **kwargs: Any) -> _R:
    """Run `function` for `attribution`. Of the module, so that it can be pickled for another process."""
    result: _R = context.call_in(attribution, function, args, kwargs)
    return result
