"""Names, at the end of a run, every test that this machine could not run, and why.

A test that needs something which the test command cannot install or start carries a marker for it. Where
that thing is missing the test is left out of the run and listed here: never skipped in silence.
"""

import functools
import os
import shutil
import subprocess
from typing import Any

import pytest

_not_run: list[tuple[str, str]] = []


@functools.cache
def _docker_engine() -> bool:
    if shutil.which("docker") is None:
        return False
    answer = subprocess.run(
        ["docker", "info"], env={**os.environ, "DOCKER_CLI_HINTS": "false"}, capture_output=True, check=False
    )
    return answer.returncode == 0


_NEEDS = {"containers": ("no Docker engine answers on this machine", _docker_engine)}
"""Marker -> what is said where the thing it needs is missing, and the check for it."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    runnable = []
    for item in items:
        missing = [
            text
            for marker, (text, is_there) in _NEEDS.items()
            if item.get_closest_marker(marker) and not is_there()
        ]
        if missing:
            _not_run.append((item.nodeid, missing[0]))
        else:
            runnable.append(item)
    left_out = [item for item in items if item not in runnable]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = runnable


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _not_run.append((report.nodeid, reason))


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # one of several workers: the process that started them says it
        output["not_run"] = _not_run


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Each worker collects all tests, so each has left out the same ones. One that crashed says nothing.
    told = getattr(node, "workeroutput", {}).get("not_run", [])
    _not_run.extend(each for each in map(tuple, told) if each not in _not_run)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _not_run:
        terminalreporter.section("tests not run on this machine")
        for nodeid, reason in _not_run:
            terminalreporter.line(f"not run: {nodeid}: {reason}")
