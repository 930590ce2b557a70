"""The demo's two outsiders as processes of their own: the fake providers, and the agency's app."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST_RUN_S = 180


class Providers:
    """The fake providers, running."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def books(self) -> list[dict[str, Any]]:
        return self._get("/books")

    def count(self) -> int:
        return self._get("/books/count")


@contextlib.contextmanager
def running_providers(seed: int) -> Iterator[Providers]:
    command = [sys.executable, "-m", "spanledger_billing.demo.fake_providers", "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Providers(process.stdout.readline().strip())
        finally:
            process.kill()


def start_agency(
    providers: Providers, endpoint: str, *options: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """The agency's app, metered to that endpoint unless an option says otherwise."""
    command = [sys.executable, "-m", "spanledger_billing.demo.agency", "--providers", providers.url, *options]
    settings = {**os.environ, "SPANLEDGER_ENDPOINT": endpoint, **(environment or {})}
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Let the app end; what it printed that was not yet read, and what it logged."""
    try:
        # Where the app waits for a line before it ends, here it is.
        printed, logged = process.communicate("\n" if process.stdin else None, timeout=LONGEST_RUN_S)
    finally:
        process.kill()
    assert process.returncode == 0, logged
    return printed, logged


def run_agency(
    providers: Providers, endpoint: str, *options: str, environment: dict[str, str] | None = None
) -> tuple[dict[str, list[str]], str]:
    printed, logged = finish(start_agency(providers, endpoint, *options, environment=environment))
    return json.loads(printed), logged


def run_traced_app(providers: Providers, endpoint: str, environment: dict[str, str] | None = None) -> None:
    """The app of one client, with tracing of its own; see `traced_app`."""
    finish(_start("support.traced_app", endpoint, [providers.url], environment))


def start_small_app(providers: Providers, endpoint: str, client_id: str, calls: int) -> subprocess.Popen[str]:
    """A few lines of an app that make that many chat calls for one client; see `small_app`."""
    return _start("support.small_app", endpoint, [providers.url, client_id, str(calls)], None)


def first_line(process: subprocess.Popen[str]) -> Any:
    """What the app has printed so far, as soon as it has."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def _start(
    module: str, endpoint: str, arguments: list[str], environment: dict[str, str] | None
) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parent.parent)
    settings = {**os.environ, "PYTHONPATH": tests, "SPANLEDGER_ENDPOINT": endpoint, **(environment or {})}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
