"""Checks of the collector: is it up, and does its queue drain. Read from its own metrics."""

import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from spanledger_billing.doctor.report import Check, State, address

COMPONENT: Final = "collector"
_NOT_RUNNING: Final = (
    "start it with spanledger up (its log is in the data folder, log/), or with your service manager"
)
WATCHED_SECONDS: Final = 10.0
"""Several times what the queue takes to make a batch and insert it."""
PAUSE_SECONDS: Final = 0.2
_TAKEN: Final = "receiver_accepted_spans"
_UNDER_WAY: Final = "exporter_in_flight_requests"
"""Batches whose insert is not answered, those between two tries included."""
_SAMPLE: Final = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Metrics:
    """The collector's own figures since its start, added up over its exporters to the ledger."""

    version: str = "?"
    figures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        version = "?"
        figures: dict[str, float] = {}
        for sample in _SAMPLE.finditer(text):
            labels = sample["labels"] or ""
            if sample["name"] == "target_info":
                named = re.search(r'service_version="([^"]*)"', labels)
                version = named[1] if named else version
            elif 'exporter="debug' not in labels:
                figures[sample["name"]] = figures.get(sample["name"], 0.0) + float(sample["value"])
        return cls(version, figures)

    def count(self, name: str) -> int:
        """0 where the collector has not counted any yet: it leaves such a figure out."""
        return int(self.figures.get(f"otelcol_{name}", 0))


def fetch(url: str, timeout: float = 5) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("SPANLEDGER_METRICS_URL is no http address")
    # A proxy of the environment's is no way to a component of ours.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as answer:
        return str(answer.read().decode(errors="replace"))


def check(metrics_url: str) -> list[Check]:
    try:
        metrics = Metrics.parse(fetch(metrics_url))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        found = f"no metrics from {address(metrics_url)}: {reason}"
        return [Check(COMPONENT, "reachable", State.UNREACHABLE, found, _NOT_RUNNING)]
    uptime = timedelta(seconds=metrics.count("process_uptime"))
    found = f"version {metrics.version}, up {uptime}, metrics at {address(metrics_url)}"
    return [
        Check(COMPONENT, "reachable", State.OK, found),
        _queue(metrics, lambda: Metrics.parse(fetch(metrics_url))),
        _lost(metrics),
        _turned_away(metrics),
    ]


def _queue(metrics: Metrics, again: Callable[[], Metrics]) -> Check:
    """In bytes, as collector/config.yaml sizes it."""
    size, capacity = metrics.count("exporter_queue_size"), metrics.count("exporter_queue_capacity")
    found = f"{size / 1e6:,.1f} of {capacity / 1e6:,.0f} MB wait on disk"
    next_step = "find out why the ledger does not take them: the collector's log names the error of each try"
    if size * 2 > capacity:
        return Check(COMPONENT, "queue", State.PROBLEM, found, next_step)
    held_up = _held_up(metrics, again) if size else ""
    if held_up:
        return Check(COMPONENT, "queue", State.PROBLEM, f"{found}, and {held_up}", next_step)
    return Check(COMPONENT, "queue", State.OK, found)


def _held_up(before: Metrics, again: Callable[[], Metrics]) -> str:
    """What says that the ledger refuses something over and over: a batch, or all. Empty where nothing does.

    Where spans keep coming the queue is never empty for long. But between two batches there is a moment when
    none is under way, unless one is that the ledger never takes, or it is too slow for what comes.
    """
    deadline = time.monotonic() + WATCHED_SECONDS
    more_came = False
    while time.monotonic() < deadline:
        try:
            now = again()
        except (OSError, ValueError):
            return ""  # it ended meanwhile, which its own check tells the next time
        more_came = now.count(_TAKEN) != before.count(_TAKEN)
        # A collector without this figure is taken for one that gets on.
        if not now.count("exporter_queue_size") or (more_came and not now.count(_UNDER_WAY)):
            return ""
        time.sleep(PAUSE_SECONDS)
    if more_came:
        return (
            f"in {WATCHED_SECONDS:.0f} s some batch was under way all the time: refused, or taken too slowly"
        )
    return f"did not empty in {WATCHED_SECONDS:.0f} s though no more came"


def _lost(metrics: Metrics) -> Check:
    lost = metrics.count("exporter_send_failed_spans")
    found = f"{metrics.count('exporter_sent_spans'):,} spans written, {lost:,} given up since its start"
    if not lost:
        return Check(COMPONENT, "failed sends", State.OK, found)
    next_step = (
        "compare its configuration with collector/config.yaml: retry must have no end (max_elapsed_time: 0)"
    )
    return Check(COMPONENT, "failed sends", State.PROBLEM, found, next_step)


def _turned_away(metrics: Metrics) -> Check:
    """No loss: a sender that is turned away sends again. But it must not go on for long."""
    refused = metrics.count("receiver_refused_spans") + metrics.count("exporter_enqueue_failed_spans")
    accepted = metrics.count("receiver_accepted_spans")
    found = f"{accepted:,} spans taken, {refused:,} turned away since its start (senders try again)"
    return Check(COMPONENT, "intake", State.OK, found)
