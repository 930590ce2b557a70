"""Installing the hooks in the libraries an app has, whenever it imports them.

Nothing is imported for the app: a library that is not there yet is hooked when it comes.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import wrapt

from spanledger import health
from spanledger.capture import http_spans
from spanledger.capture.aiohttp_library import AiohttpHooks
from spanledger.capture.http_libraries import LIBRARIES, LibraryHooks

if TYPE_CHECKING:
    from types import ModuleType

_lock = threading.RLock()
_wanted = False
_announced = False
_hooks: dict[str, LibraryHooks | AiohttpHooks] = {}


def install() -> None:
    """Hook what is imported, and what will be. Idempotent."""
    global _wanted, _announced  # noqa: PLW0603 - one set of hooks a process
    with _lock:
        _wanted = True
        for name in (*LIBRARIES, "aiohttp"):
            if name in _hooks:
                _hooks[name].install()
            elif name in sys.modules:
                _arrived(sys.modules[name])
            elif not _announced:
                wrapt.register_post_import_hook(_arrived, name)
        if not _announced:
            wrapt.register_post_import_hook(http_spans.keep_queries_out, http_spans.MODULE)
        _announced = True


def remove() -> None:
    """Take the hooks out. Libraries imported later stay as they are."""
    global _wanted  # noqa: PLW0603
    with _lock:
        _wanted = False
        for hooks in _hooks.values():
            hooks.remove()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _arrived(library: ModuleType) -> None:
    with _lock:
        name = library.__name__
        if not _wanted or name in _hooks:
            return
        try:
            hooks = AiohttpHooks(library) if name == "aiohttp" else LibraryHooks(library)
            hooks.install()
        except Exception:
            health.count("hook_failed", log=f"{name} could not be hooked; calls through it are not metered")
            return
        _hooks[name] = hooks
