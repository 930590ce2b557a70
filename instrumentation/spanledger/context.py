"""The billing context: for whom the code that runs now makes its calls.

`current()` answers it, in this order: the innermost `bill_to`; W3C Baggage from upstream, where the
operator trusts it (`spanledger.baggage`); the process's default; else unattributed.

The context lies in one contextvar. Tasks inherit it; threads and executors do not in Python 3.11, and
`spanledger.threads` helps with these. A `bill_to` with a refused client makes its calls unattributed: they
fall neither to an outer client nor to the default, who did not make them.

Around a `yield`, `with bill_to(...)` also holds for whoever consumes the generator, until the generator is
resumed: a contextvar set in a generator is set in its caller. That is what `@contextmanager` wants and
nobody else; a call that is made meanwhile is counted as `bill_to_around_yield`. Decorate the generator
instead: then its own code is billed, and its consumer's is not.
"""

from __future__ import annotations

import inspect
import sys
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import wrapt

from spanledger import baggage, health
from spanledger.attribution import UNATTRIBUTED, Attribution
from spanledger.baggage import baggage_free, trust_baggage
from spanledger.generators import GeneratorPlace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType, TracebackType

__all__ = [
    "UNATTRIBUTED",
    "Attribution",
    "Turn",
    "baggage_free",
    "bill_to",
    "call_in",
    "claimed",
    "current",
    "set_default",
    "trust_baggage",
]

_F = TypeVar("_F")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entered `bill_to`. The entries of a context are a chain, so leaving needs no token: a token is
    refused in any context but its own.
    """

    attribution: Attribution | None
    outer: _Entry | None
    owner: object
    generator: GeneratorPlace | None = None


_billing: ContextVar[_Entry | None] = ContextVar("spanledger_billing", default=None)
_default: Attribution | None = None


def set_default(client: Attribution | str | None) -> None:
    """Say who pays where nothing else in this process says so."""
    global _default  # noqa: PLW0603 - process-wide by definition
    _default = Attribution.checked(client) if isinstance(client, str) else client


def current() -> Attribution:
    """Who pays for a call that is made now."""
    return claimed() or _default or UNATTRIBUTED


def claimed() -> Attribution | None:
    """Who pays as far as the context says so: None leaves it to the process's default."""
    entry = _billing.get()
    if entry is None:
        return baggage.claimed()
    if entry.generator is not None and entry.generator.suspended():
        health.count(
            "bill_to_around_yield",
            log=f"a call was billed to a `with bill_to(...)` around a `yield` of"
            f" {entry.generator.code.co_qualname}(), made by code outside of that generator. Decorate the"
            " generator with @bill_to(...) instead, or end the `with` before the `yield`",
        )
    return entry.attribution


class bill_to:  # noqa: N801 - apps use it as they use a function
    """Bill the calls made inside to `client_id`.

    As `with` or `async with`, or as a decorator of functions, coroutine functions, generators and
    asynchronous generators. Of a decorated generator each resumption runs in the billing context, its
    consumer never does. Contexts nest and the inner one wins whole; inside the same client's, its project is
    taken over where none is given, and labels add up.

    `project` and `labels` are the agency's own break-down and never change what is owed. What is not allowed
    (see `spanledger.attribution`) is counted and logged once, and raises nothing: a refused client makes the
    calls unattributed.
    """

    __slots__ = ("_attribution",)

    def __init__(
        self,
        client_id: str,
        *,
        project: str | None = None,
        labels: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        self._attribution = Attribution.checked(client_id, project=project, labels=labels)

    @classmethod
    def attribution(cls, attribution: Attribution) -> Self:
        """The same for an attribution that is made already."""
        self = cls.__new__(cls)
        self._attribution = attribution
        return self

    def __enter__(self) -> Self:
        self._enter(sys._getframe(1))  # noqa: SLF001 - the one way to the caller
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left, found = _without(_billing.get(), self)
        if found:
            _billing.set(left)
        else:
            health.count(
                "bill_to_left_elsewhere",
                log="a `with bill_to(...)` was left in another context than it was entered in, where it may"
                " still hold: a generator with one around a `yield` was closed by another task or thread",
            )

    async def __aenter__(self) -> Self:
        self._enter(sys._getframe(1))  # noqa: SLF001 - the one way to the caller
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: _F) -> _F:
        billed: Any = _Billed(cast("Any", function), self._call)
        return cast("_F", billed)

    def _call(self, wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return call_in(self._attribution, wrapped, args, kwargs)

    def _enter(self, caller: FrameType) -> None:
        outer = _billing.get()
        _billing.set(
            _Entry(
                self._attribution.inside(outer.attribution if outer else None),
                outer,
                self,
                GeneratorPlace.of(caller),
            )
        )


class Turn:
    """A billing context that is in force only while its own code runs, however often that resumes.

    Between turns everything that the code itself entered is kept for its next turn, and nothing of it is
    seen outside.
    """

    __slots__ = ("_inside", "_outside")

    def __init__(self, attribution: Attribution | None) -> None:
        """`attribution` None: the process's default, whatever the context around says."""
        outer = _billing.get()
        if attribution is not None and outer is not None:
            attribution = attribution.inside(outer.attribution)
        self._inside: _Entry | None = _Entry(attribution, None, self)
        self._outside: _Entry | None = None

    def __enter__(self) -> Self:
        self._outside = _billing.get()
        _billing.set(self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        now = _billing.get()
        # An abandoned coroutine is closed in whatever context the collector happens to run in.
        if _without(now, self)[1]:
            self._inside = now
            _billing.set(self._outside)


def held(result: Any, turn: Turn) -> Any:
    """What a call returned; where that is code still to run, it runs in `turn`.

    Exact types: an object that merely looks like a coroutine (aiohttp's requests do) has more to it.
    """
    if isinstance(result, CoroutineType):
        return _held_coroutine(result, turn)
    if isinstance(result, GeneratorType):
        return _held_generator(result, turn)
    if isinstance(result, AsyncGeneratorType):
        return _held_async_generator(result, turn)
    return result


if TYPE_CHECKING:
    _FunctionWrapper = wrapt.FunctionWrapper[..., Any]
else:
    _FunctionWrapper = wrapt.FunctionWrapper


class _Billed(_FunctionWrapper):
    """A decorated function. Process pools and task queues pickle functions by name; wrapt refuses to."""

    def __reduce_ex__(self, _protocol: Any) -> str:
        return str(self.__wrapped__.__qualname__)


def call_in(attribution: Attribution | None, wrapped: Any, args: Any, kwargs: Any) -> Any:
    turn = Turn(attribution)
    if inspect.iscoroutinefunction(wrapped):
        # Called only once awaited: a task that is cancelled before it starts leaves no coroutine behind.
        return _awaited_call(wrapped, args, kwargs, turn)
    with turn:
        result = wrapped(*args, **kwargs)
    return held(result, turn)


async def _awaited_call(wrapped: Any, args: Any, kwargs: Any, turn: Turn) -> Any:
    with turn:
        return await wrapped(*args, **kwargs)


async def _held_coroutine(inner: CoroutineType[Any, Any, Any], turn: Turn) -> Any:
    with turn:
        return await inner


def _held_generator(inner: GeneratorType[Any, Any, Any], turn: Turn) -> Any:
    resume = partial(inner.send, None)
    while True:
        try:
            with turn:
                item = resume()
        except StopIteration as end:
            return end.value
        try:
            resume = partial(inner.send, (yield item))
        except GeneratorExit:
            with turn:
                inner.close()
            raise
        except BaseException as error:
            resume = partial(inner.throw, error)


async def _held_async_generator(inner: AsyncGeneratorType[Any, Any], turn: Turn) -> Any:
    resume = partial(inner.asend, None)
    while True:
        try:
            with turn:
                item = await resume()
        except StopAsyncIteration:
            return
        try:
            resume = partial(inner.asend, (yield item))
        except GeneratorExit:
            with turn:
                await inner.aclose()
            raise
        except BaseException as error:
            resume = partial(inner.athrow, error)


def _without(entry: _Entry | None, owner: object) -> tuple[_Entry | None, bool]:
    """The chain without the innermost entry of `owner`, and whether there was one."""
    above: list[_Entry] = []
    while entry is not None:
        if entry.owner is owner:
            left = entry.outer
            for kept in reversed(above):
                left = replace(kept, outer=left)
            return left, True
        above.append(entry)
        entry = entry.outer
    return None, False
