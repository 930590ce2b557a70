"""A data folder that something older made: the schema up to a migration, or a former state of the code.

It takes calls and is killed; then the code of today goes on with the folder, applies what is missing, and
every call must be in it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults.world import World
from spanledger_billing import migrate, up
from spanledger_billing.embedded import collector

REPOSITORY = Path(__file__).parents[2]
LAST_MIGRATION = "0051"
"""The ledger up to here takes calls and adds them up; what comes later reads them."""
CALLS = 300

_SERVE = """
import json, sys
from spanledger_billing import up
stack = up.start(sys.argv[1])
print(json.dumps(stack.otlp_http_url), flush=True)
sys.stdin.read()
"""


def upgrade(world: World, *, revision: str | None) -> None:
    """Load it by what is older, kill that, and go on with today's.

    Args:
        world: where nothing runs yet.
        revision: a tag or commit of this repository; without one, today's code with its first migrations.

    """
    world.say(f"upgrade from {revision or f'migration {LAST_MIGRATION}'}")
    older = _of_revision(world.data, revision) if revision else _of_migrations(world.data)
    with older as endpoint:
        world.round([], CALLS, endpoint=endpoint)
    world.start()
    world.faults += 1
    world.verdict.compare()


@contextmanager
def _of_migrations(data: Path) -> Iterator[str]:
    load = migrate.load
    migrate.load = lambda folder: [each for each in load(folder) if each.name[:4] <= LAST_MIGRATION]
    try:
        stack = up.start(data)
    finally:
        migrate.load = load
    try:
        yield stack.otlp_http_url
    finally:
        stack.collector.kill9()
        stack.endpoint.kill9()
        stack.stop()


@contextmanager
def _of_revision(data: Path, revision: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(tree), revision)
        code = os.pathsep.join(str(tree / part) for part in ("instrumentation", "billing"))
        process: Any = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(data)],
            env={**os.environ, "PYTHONPATH": code, "SPANLEDGER_COLLECTOR_BINARY": str(collector.binary())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline()
            assert line, f"the code of {revision} does not start"
            yield json.loads(line)
        finally:
            addresses = json.loads((data / "lock").read_text())
            for pid in (addresses["collector_pid"], addresses["endpoint_pid"], process.pid):
                os.kill(pid, signal.SIGKILL)
            process.communicate()
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True)
