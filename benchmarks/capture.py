"""What `instrument()` adds to an app, beside a hand-written span and what others' instrumentation adds.

Each way of instrumenting runs in processes of its own; they take turns in short rounds, so that what else
the machine does meets all alike. "Added" is the difference to the bare SDK: within one process, switched on
and off by turns; or, of those that cannot be switched off, to another process of the same environment. What
counts is the mean of all rounds: what comes once in a thousand calls (a collection of garbage, a new segment)
is of the price too, which a lower quartile would leave out. ± is half of what lies between the least and the
most that any process found: two processes differ by some per cent for as long as they live, by where their
memory came to lie. CPU is the whole process': exporter threads and flush included. What a chunk costs is what
streams of a thousand chunks cost more than of ten; what their calls cost is in neither. Provider and
collector are other processes and not counted. Requests that are no LLM calls are answered inside the process,
where two microseconds can be seen.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from harness import environments, report
from harness.report import Report, Row, Target, say
from harness.servers import LONG, SHORT, STREAMS, serving

COMPETITORS = {
    "genai_openai": ("genai-openai", "opentelemetry-instrumentation-genai-openai"),
    "openlit": ("openlit", "OpenLIT"),
    "traceloop": ("traceloop", "Traceloop"),
    "langfuse": ("langfuse", "Langfuse"),
}
OURS = {"handwritten": "a hand-written span", "spanledger": "spanledger"}
SCENARIOS = {
    # name: (what is measured, calls a round)
    "chat-1k": ("call, 1 KB", 100),
    "async-1k": ("call of an async client, 1 KB", 100),
    "chat-50k": ("call, 50 KB", 50),
    "embeddings-2m": ("call, 2 MB of embeddings", 2),
    "stream": ("stream, per chunk", 3),
    "responses": ("stream of the Responses API, per chunk", 3),
    "other-get": ("GET that is no LLM call", 1000),
    "other-post": ("POST of JSON that is no LLM call", 1000),
}
MORE_CHUNKS = LONG - SHORT
SILENT = {
    "TRACELOOP_TELEMETRY": "false",
    "TRACELOOP_SYNC_ENABLED": "false",
    "TRACELOOP_METRICS_ENABLED": "true",
    "LANGFUSE_TIMEOUT": "5",
    "PYTHONWARNINGS": "ignore",
}


class App:
    """One process under measurement."""

    def __init__(self, python: Path, variant: str, port: int, folder: str) -> None:
        self.variant = variant
        self.log = Path(folder) / f"{variant}-{id(self)}.log"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANLEDGER_"))
        }
        environment |= SILENT | {"SPANLEDGER_OUTBOX": f"{folder}/outbox-{id(self)}"}
        script = Path(__file__).with_name("harness") / "app.py"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, script, variant, str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=folder,
            )
        self.switches = bool(self._next()["switches"])
        """Whether it tells of itself what a round costs without its variant."""

    def round(self, scenario: str, calls: int, *, fresh: bool) -> dict[str, Any]:
        assert self._process.stdin is not None
        asked = {"scenario": scenario, "calls": calls, "fresh": fresh, "more": MORE_CHUNKS}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._next()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            try:
                told = json.loads(line)
            except ValueError:
                continue  # an instrumentation that greets
            if isinstance(told, dict):
                return told
        last = [text for text in self.log.read_text(errors="replace").splitlines() if text.strip()]
        raise RuntimeError(f"the process ended: {last[-1].strip()[:200] if last else 'without a word'}")

    def end(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it ended before
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


Spread = tuple[float, float]


def spread(processes: list[float]) -> Spread:
    """The mean of what the processes found, and half of what lies between the least and the most."""
    return statistics.fmean(processes), (max(processes) - min(processes)) / 2


class Measuring:
    def __init__(self, port: int, folder: str, result: Report) -> None:
        self._port, self._folder, self._result = port, folder, result
        self.pairs: dict[str, list[tuple[App, App]]] = {}
        """Of each variant, bare and instrumented processes: the same one where it switches."""
        self.found: dict[tuple[str, str, str], dict[int, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        """By scenario, variant and what is measured; then by process, in rounds."""

    def start(self, variants: list[str], processes: int, stack: ExitStack) -> None:
        for variant in variants:
            try:
                python = self._environment(variant)
                apps = [self._app(stack, python, variant) for _ in range(processes)]
                self.pairs[variant] = [
                    (app if app.switches else self._app(stack, python, "bare"), app) for app in apps
                ]
            except RuntimeError as error:
                self._result.rows.append(Row(name_of(variant), None, "", note=f"could not be run: {error}"))

    def _environment(self, variant: str) -> Path:
        if variant in OURS:
            return environments.ours()
        folder, name = COMPETITORS[variant]
        say(f"environment of {name}")
        return environments.of_competitor(folder)

    def _app(self, stack: ExitStack, python: Path, variant: str) -> App:
        app = App(python, variant, self._port, self._folder)
        stack.callback(app.end)
        return app

    def run(self, scenario: str, rounds: int) -> None:
        what, calls = SCENARIOS[scenario]
        say(what)
        apps = list(dict.fromkeys(app for pairs in self.pairs.values() for pair in pairs for app in pair))
        for number in range(rounds + 1):
            told = {app: app.round(scenario, calls, fresh=number < 2) for app in apps}
            if number == 0:
                continue  # warming up
            for variant, pairs in self.pairs.items():
                for index, (bare, app) in enumerate(pairs):
                    without = told[app]["off"] if bare is app else told[bare]
                    for kind, value in without.items():
                        self.found[scenario, variant, kind][index].append(told[app][kind] - value)
                        self.found[scenario, f"{variant} bare", kind][index].append(value)

    def added(self, scenario: str, variant: str, kind: str) -> Spread:
        return spread([statistics.fmean(rounds) for rounds in self.found[scenario, variant, kind].values()])

    def bare(self, scenario: str, variant: str, kind: str) -> float:
        return self.added(scenario, f"{variant} bare", kind)[0]


def name_of(variant: str) -> str:
    return OURS.get(variant) or COMPETITORS[variant][1]


def stream_of(scenario: str) -> str:
    """What it is a chunk of."""
    return SCENARIOS[scenario][0].partition(",")[0]


def tell(measuring: Measuring, scenarios: list[str], result: Report) -> None:
    for scenario in scenarios:
        beside = "handwritten" in measuring.pairs and not scenario.startswith("other")
        reference = measuring.added(scenario, "handwritten", "cpu_us")[0] if beside else None
        for variant in measuring.pairs:
            value, noise = measuring.added(scenario, variant, "cpu_us")
            thread, wall = (measuring.added(scenario, variant, kind)[0] for kind in ("thread_us", "wall_us"))
            bare = measuring.bare(scenario, variant, "cpu_us")
            row = Row(f"{SCENARIOS[scenario][0]}: CPU added by {name_of(variant)}", value, "µs")
            if variant != "handwritten" and reference:
                row.reference, row.reference_value = "a hand-written span", reference
            row.note = f"± {noise:,.1f}; caller's thread {thread:,.1f}, wall {wall:,.1f}; bare {bare:,.1f}"
            result.rows.append(row)
    for scenario in scenarios:
        if scenario not in STREAMS:
            continue
        for variant in measuring.pairs:
            value, noise = measuring.added(scenario, variant, "first_us")
            bare = measuring.bare(scenario, variant, "first_us")
            what = f"{stream_of(scenario)}: time to first chunk added by {name_of(variant)}"
            result.rows.append(Row(what, value, "µs", note=f"± {noise:,.0f}; bare {bare:,.0f}"))
    result.facts["rounds"] = {" | ".join(key): [*each.values()] for key, each in measuring.found.items()}


def targets(measuring: Measuring, scenarios: list[str]) -> list[Target]:
    found: list[Target] = []
    if "spanledger" not in measuring.pairs:
        return found
    for scenario in scenarios:
        what = SCENARIOS[scenario][0]
        ours = measuring.added(scenario, "spanledger", "cpu_us")[0]
        if scenario in STREAMS:
            limit = 2.0
            if "genai_openai" in measuring.pairs:
                official, noise = measuring.added(scenario, "genai_openai", "cpu_us")
                if official > noise:  # else it does nothing at a chunk: it does not meter this API
                    limit = min(limit, official / 5)
            found.append(Target(f"{what}: 2 µs or a fifth of the official one's", ours, limit, "µs"))
            first, noise = measuring.added(scenario, "spanledger", "first_us")
            what = f"{stream_of(scenario)}, first chunk: unchanged within noise"
            found.append(Target(what, first, noise, "µs"))
        elif scenario.startswith("other"):
            found.append(Target(f"{what}: 2 µs", ours, 2.0, "µs"))
        elif "handwritten" in measuring.pairs:
            limit = measuring.added(scenario, "handwritten", "cpu_us")[0]
            found.append(Target(f"{what}: no more CPU than a hand-written span", ours, limit, "µs"))
    return found


def main() -> None:
    parser = report.arguments(__doc__)
    everything = [*OURS, *COMPETITORS]
    parser.add_argument("--rounds", type=int, default=8, help="of each process")
    parser.add_argument("--processes", type=int, default=6, help="of each way of instrumenting")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="WHAT")
    parser.add_argument("--variants", nargs="+", choices=everything, default=everything, metavar="WHOM")
    options = parser.parse_args()
    result = Report("capture: what metering adds to an app")
    with ExitStack() as stack:
        port = stack.enter_context(serving())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        measuring = Measuring(port, folder, result)
        measuring.start(options.variants, options.processes, stack)
        for scenario in options.only:
            measuring.run(scenario, options.rounds)
    tell(measuring, options.only, result)
    result.targets = targets(measuring, options.only)
    report.finish(result, options)


if __name__ == "__main__":
    main()
