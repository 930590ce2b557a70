"""Noticing a `with bill_to(...)` around a `yield`, by where it was entered.

A contextvar that is set in a generator's body is set in its caller: while the generator is suspended the
`bill_to` holds for whoever consumes it. Neither the generator nor the contextvar tells of that, but the
stack does: code that runs in the same thread and task without the generator's frame below it is not the
generator's.
"""

from __future__ import annotations

import inspect
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import CodeType, FrameType

_DRIVERS: Final = ("contextlib", "_pytest.fixtures", "pytest_asyncio.plugin")
"""Who runs a generator in order to keep what it enters: around their `yield` a `bill_to` is right."""


@dataclass(frozen=True, slots=True)
class GeneratorPlace:
    """The generator in whose body a `bill_to` was entered. It keeps no frame and no task alive."""

    code: CodeType
    thread: int
    task: int

    @classmethod
    def of(cls, caller: FrameType) -> Self | None:
        """None where `caller` is no generator, or one that is meant to keep what it enters."""
        if not caller.f_code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
            return None
        driver = caller.f_back
        if driver is not None and driver.f_globals.get("__name__") in _DRIVERS:
            return None
        return cls(caller.f_code, threading.get_ident(), _task_id())

    def suspended(self) -> bool:
        """Whether the code that asks is not the generator's, nor a task or thread that it started."""
        if self.thread != threading.get_ident() or self.task != _task_id():
            return False
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the one way to the caller
        while frame is not None:
            if frame.f_code is self.code:
                return False
            frame = frame.f_back
        return True


def _task_id() -> int:
    """The running asyncio task, 0 outside of one."""
    asyncio = sys.modules.get("asyncio")
    try:
        return id(asyncio.current_task()) if asyncio is not None else 0
    except RuntimeError:
        return 0
