"""The pipeline that faults are done to, and a round of calls and faults in it."""

import json
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from faults.apps import App, Apps
from faults.disk import Disk
from faults.network import Network
from faults.verdict import Verdict
from spanledger_billing import ledger, up
from spanledger_billing.embedded import collector, ports
from spanledger_billing.embedded.process import Process, Program
from spanledger_billing.prices.sync import sync

APPS = 3
LONGEST_STANDSTILL_S = 240.0
"""Without a call: then the run is given up."""

Fault = Callable[["World"], None]


class World:
    """Collector, ledger, apps, and what is between them, on one disk. A context manager."""

    def __init__(self, disk: Disk, seed: int, say: Callable[[str], None]) -> None:
        self.disk = disk
        self.draws = random.Random(seed)
        self.say = say
        self.faults = 0
        self.away = 0
        """For how many calls the collector is away, where it is away for long."""
        self.running: list[App] = []
        self.stack: Any = None
        self.second: Process | None = None
        self._seed = seed
        self._apps_started = 0
        self._endpoint = self._providers = ""
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        self.outbox.mkdir()
        self.apps = Apps(self.outbox, self.disk.path / "apps.log")
        self._ends.callback(self.apps.close)
        self.network = self._ends.enter_context(Network(random.Random(self.draws.random())))
        self._ends.callback(self.stop)
        self.verdict = Verdict(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    @property
    def data(self) -> Path:
        return self.disk.path / "data"

    @property
    def outbox(self) -> Path:
        return self.disk.path / "outbox"

    @property
    def processes(self) -> list[Process]:
        return [self.stack.endpoint, self.stack.collector, *([self.second] if self.second else [])]

    def start(self) -> None:
        """Collector and ledger, with all migrations."""
        self.stack = up.start(self.data)
        with ledger.connect(self.data) as connection:
            sync(connection)
        self.metrics_urls = [self.stack.metrics_url]
        self.network.collectors = [self.stack.otlp_http_url]

    def stop(self) -> None:
        if self.second is not None:
            self.second.stop()
        if self.stack is not None:
            self.stack.stop()
        self.stack = self.second = None

    # What faults are made of.

    def pause(self, longest: float = 0.5) -> None:
        time.sleep(self.draws.uniform(0, longest))

    def revive(self) -> None:
        """Have everything running again, whatever became of it."""
        for process in self.processes:
            if not process.alive:
                process.start()

    def start_app(self) -> None:
        self._apps_started += 1
        seed = f"{self._seed}/{self._apps_started}"
        self.running.append(self.apps.start(self._endpoint, self._providers, seed))

    def kill_app(self) -> None:
        self.running.pop(self.draws.randrange(len(self.running))).kill()

    def let(self, calls: int) -> None:
        """Wait until so many more calls are finished."""
        target = len(self.apps.finished) + calls
        while (before := len(self.apps.finished)) < target:
            moved = self.apps.wait_for_more_than(before, LONGEST_STANDSTILL_S)
            assert not self.apps.broken, f"calls were broken: {self.apps.broken[:3]}"
            assert moved, "the apps do not get on with their calls"

    def add_second_collector(self) -> None:
        """Another one beside the first, with a queue of its own, on the same ledger."""
        if self.second is not None:
            return
        options = ("otlp-http-port", "otlp-grpc-port", "metrics-port", "health-port")
        settled = ports.settle(dict.fromkeys(options, 0))
        settled["clickhouse-port"] = int(self.stack.clickhouse_url.rpartition(":")[2])
        folder = self.disk.path / "second"
        folder.mkdir(exist_ok=True)
        health = f"http://127.0.0.1:{settled['health-port']}/"
        self.second = Process(
            Program(
                name="second collector",
                command=collector.command(tokens=False),
                environment=collector.environment(folder, settled, self.stack.password, None),
                ready=lambda: _answers(health),
                log=folder / "log",
            ),
            threading.Event(),
        )
        self.second.start()
        self.metrics_urls.append(f"http://127.0.0.1:{settled['metrics-port']}/metrics")
        self.network.collectors.append(f"http://127.0.0.1:{settled['otlp-http-port']}")

    def round(self, faults: Sequence[Fault], calls: int, *, endpoint: str) -> None:
        """Do these faults, one after the other, during so many calls, at moments that are drawn.

        Args:
            faults: what is done; it may take more calls than are left.
            calls: how many at least.
            endpoint: where the apps send to.

        """
        self._endpoint = endpoint
        first = len(self.apps.finished)
        moments = sorted(self.draws.randrange(calls) for _ in faults)
        with self._providers_running() as providers:
            self._providers = providers
            for _ in range(APPS):
                self.start_app()
            for moment, fault in zip(moments, faults, strict=True):
                self.let(first + moment - len(self.apps.finished))
                self.pause(0.05)
                self.say(f"{fault.__name__.replace('_', ' ')}")
                fault(self)
                self.faults += 1
            self.let(first + calls - len(self.apps.finished))
            while self.running:
                self.running.pop().end()
            self.verdict.add(json.loads(_get(f"{providers}/books")))

    @contextmanager
    def _providers_running(self) -> Iterator[str]:
        """The URL of fake providers, which nothing is done to, with books of their own."""
        seed = str(self.draws.randrange(1 << 30))
        command = [sys.executable, "-m", "spanledger_billing.demo.fake_providers", "--seed", seed]
        with (self.disk.path / "providers.log").open("a") as log:
            process: Any = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
            process.communicate()


def _get(url: str) -> bytes:
    # Straight there, whatever proxy this machine has for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=120) as answer:
        return bytes(answer.read())


def _answers(url: str) -> bool:
    try:
        _get(url)
    except OSError:
        return False
    return True
