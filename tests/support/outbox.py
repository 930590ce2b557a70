"""An outbox of its own for every test, and none of the suite's spans in the user's.

The suite's own directory is in the environment before anything starts, so that a process which a
session's fixture starts has one too. The run fails if the default directory was touched.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.delivery.outbox.folder import candidates

VARIABLE = "SPANLEDGER_OUTBOX"
_by_default = candidates("")
_of_the_session: list[Path] = []


def _entries() -> set[Path]:
    return {path for folder in _by_default if folder.is_dir() for path in folder.rglob("*")}


_before = _entries()


def pytest_configure() -> None:
    if VARIABLE not in os.environ:
        _of_the_session.append(Path(tempfile.mkdtemp(prefix="outbox-of-tests-")))
        os.environ[VARIABLE] = str(_of_the_session[0] / "outbox")


@pytest.fixture(autouse=True)
def _own_outbox(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory(
        dir=tmp_path_factory.getbasetemp(), ignore_cleanup_errors=True
    ) as folder:
        monkeypatch.setenv(VARIABLE, str(Path(folder) / "outbox"))
        yield


@pytest.fixture
def outbox() -> Path:
    """The test's outbox. It need not exist."""
    return Path(os.environ[VARIABLE])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    for folder in _of_the_session:
        shutil.rmtree(folder, ignore_errors=True)
    if _entries() - _before:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for path in sorted(_entries() - _before)[:20]:
        terminalreporter.line(f"written to the user's own outbox: {path}", red=True)
