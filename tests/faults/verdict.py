"""What the books say and what the ledger says, after each round and at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import OperationalError

from faults import books
from spanledger_billing import ledger, rollup
from spanledger_billing.doctor.collector import Metrics
from spanledger_billing.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from faults.world import World

LONGEST_STANDSTILL_S = 240.0
"""Without a call more in the ledger: then what is missing is lost."""
SHOWN = 5


class Verdict:
    """The books of all rounds so far, and what was found otherwise in the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._books: dict[str, books.Call] = {}
        self._found = books.Found()
        self._compared: set[str] = set()
        self._since = datetime.now(UTC)

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """The books of a round."""
        self._books |= books.as_calls(entries)

    def compare(self) -> None:
        """Send what apps left, wait until all is passed on, and compare what came since the last time."""
        began = datetime.now(UTC)
        self._world.revive()
        self._flush()
        expected = self._world.apps.finished - self._compared
        found = self._settled(expected)
        self._compared |= expected
        self._since = began
        self._note(found)
        self._world.say(
            f"  compared {len(expected)} calls with the books: {len(found.lost)} lost, {len(found.twice)} twice"
        )

    def end(self) -> str:
        """All calls of the run; and roll-up and raw spans must agree with them. The run's last line."""
        finished = self._world.apps.finished
        self._since = datetime.fromtimestamp(0, UTC)
        self._note(self._difference(finished))
        with ledger.connect(self._world.data) as connection:
            rollup.refresh(connection)
            drift = rollup.drift(connection)
            spans = connection.query("SELECT count() FROM otel_traces").result_rows[0][0]
        for number, each in enumerate((*drift.rollup, *drift.rows)):
            self._note(books.Found(lost={f"drift {number}"}, why=[f"roll-up and rows differ: {each}"]))
        lost, twice = len(self._found.lost), len(self._found.twice)
        return (
            f"faults {self._world.faults}, calls {len(finished)}, spans {spans}, lost {lost}, twice {twice}"
        )

    @property
    def good(self) -> bool:
        return not self._found

    def _note(self, found: books.Found) -> None:
        self._found.lost |= found.lost
        self._found.twice |= found.twice
        for line in found.why[:SHOWN]:
            self._world.say(f"  NOT AS IN THE BOOKS: {line}")

    def _settled(self, expected: set[str]) -> books.Found:
        """What differs once nothing is under way any more, or nothing has come for long."""
        fewest, deadline = len(expected) + 1, 0.0
        while True:
            passed_on = self._wait_for_the_queues(2.0)
            found = self._difference(expected)
            if len(found.lost) < fewest:
                fewest, deadline = len(found.lost), time.monotonic() + LONGEST_STANDSTILL_S
            if (passed_on and not found) or time.monotonic() > deadline:
                return found

    def _difference(self, finished: set[str]) -> books.Found:
        for tries_left in range(4, -1, -1):
            try:
                with ledger.connect(self._world.data) as connection:
                    rows = connection.query(books.LEDGER, parameters={"since": self._since}).result_rows
                return books.compare(rows, self._books, finished)
            except (OperatorError, OperationalError):  # busy with what it has to catch up on
                if not tries_left:
                    raise
                time.sleep(5)
        raise AssertionError

    def _wait_for_the_queues(self, seconds: float) -> bool:
        """Whether nothing waits in the collectors. Asking the ledger meanwhile would only keep it busy."""
        deadline = time.monotonic() + seconds
        while not (empty := self._queues_are_empty()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return empty

    def _queues_are_empty(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for url in self._world.metrics_urls:
            with opener.open(url, timeout=30) as answer:
                metrics = Metrics.parse(answer.read().decode())
            if metrics.count("exporter_queue_size") or metrics.count("exporter_in_flight_requests"):
                return False
        return True

    def _flush(self) -> None:
        """As an operator would, by the command."""
        command = [
            *(sys.executable, "-m", "spanledger", "outbox", "flush", "--all", "--json"),
            *("--dir", str(self._world.outbox), "--endpoint", self._world.stack.otlp_http_url),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["aside_files"] == 0, told
        assert told["flush"]["refused"] == 0, told
        self._world.say(f"  sent {told['flush']['sent']} spans that apps had left in the outbox")
