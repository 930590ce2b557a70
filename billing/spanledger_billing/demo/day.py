"""A day of the agency: its app and its providers, each a process, and what the providers wrote down."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from spanledger.delivery.outbox import status
from spanledger_billing.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SDKS: Final = {"openai": "openai", "anthropic": "anthropic", "google.genai": "google-genai"}
"""What the agency imports -> the package that brings it."""

LONGEST_DAY_S: Final = 300.0

SERVICES: Final = ("demo-agency", "response-watcher")
"""What the agency's processes call themselves."""


@dataclass(frozen=True)
class Day:
    """What the providers wrote down, and when it began."""

    began: datetime
    books: list[dict[str, Any]]


def require_sdks() -> None:
    """Raises:
    OperatorError: an SDK that the agency works with is not installed.

    """
    missing = [package for module, package in SDKS.items() if not _installed(module)]
    if missing:
        raise OperatorError(
            f"the demo works with the providers' own SDKs, and these are not installed: {', '.join(missing)}",
            next_step=f"pip install {' '.join(SDKS.values())}",
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the namespace above it is missing
        return False


def spend(
    endpoint: str,
    *,
    seed: int,
    rounds: int,
    folder: Path,
    told: Callable[[int], None] = lambda _: None,
) -> Day:
    """Let the agency work and wait until it has ended.

    Args:
        endpoint: of the collector's OTLP/HTTP receiver.
        seed: of the providers' figures.
        rounds: how often each client's jobs are done.
        folder: for the app's outbox, and in `log/agency.log` what it logged. With an outbox of its own a demo
            leaves nothing in the user's.
        told: called now and then with the number of calls in the books so far.

    Raises:
        OperatorError: the app failed, or did not end in time.

    """
    began = datetime.now(UTC)
    log = folder / "log" / "agency.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"SPANLEDGER_ENDPOINT": endpoint, "SPANLEDGER_OUTBOX": str(folder / "outbox")}
    with _providers(seed) as url, log.open("w") as logged:
        command = [sys.executable, "-m", "spanledger_billing.demo.agency"]
        command += ["--providers", url, "--rounds", str(rounds)]
        app = subprocess.Popen(  # noqa: S603 - our own module
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=logged
        )
        try:
            deadline = time.monotonic() + LONGEST_DAY_S
            while app.poll() is None and time.monotonic() < deadline:
                told(_ask(url, "/books/count"))
                time.sleep(0.2)
        finally:
            ended_by_itself = app.poll()
            app.kill()
            app.wait()
        if ended_by_itself != 0:
            raise OperatorError(
                "the demo's app "
                + ("did not end in time" if ended_by_itself is None else f"failed (exit {ended_by_itself})"),
                next_step=f"read {log}",
            )
        books = _ask(url, "/books")
    told(len(books))
    _send_what_is_left(folder, environment)
    return Day(began, books)


def _send_what_is_left(folder: Path, environment: dict[str, str]) -> None:
    """What the app had no time for at its exit: on a slow machine, or where the collector was away."""
    outbox = folder / "outbox"
    if status.read(outbox, 0).spans:
        command = [sys.executable, "-m", "spanledger", "outbox", "flush", "--dir", str(outbox)]
        subprocess.run(  # noqa: S603 - our own module
            command, env=environment, stdout=subprocess.DEVNULL, timeout=LONGEST_DAY_S, check=False
        )


@contextlib.contextmanager
def _providers(seed: int) -> Iterator[str]:
    """The URL of fake providers that run in a process of their own until the end of the block."""
    command = [sys.executable, "-m", "spanledger_billing.demo.fake_providers", "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.kill()


def _ask(url: str, path: str) -> Any:
    # Straight there, whatever proxy this machine has for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url + path, timeout=30) as answer:
        return json.load(answer)
