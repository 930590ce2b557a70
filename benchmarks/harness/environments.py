"""A throw-away environment for each competitor, under `.build/benchmarks`, made from its pinned requirements.

Not in the development environment: they are no dependencies of ours, and not all of them stand beside each
other, or beside the openai that we test with.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build" / "benchmarks"


def ours() -> Path:
    """The interpreter that this runs in, which has spanledger."""
    return Path(sys.executable)


def of_competitor(name: str) -> Path:
    """The interpreter of a competitor's environment, made if it is not there.

    Raises RuntimeError, with what the installer said, where it cannot be made.
    """
    requirements = ROOT / "benchmarks" / f"requirements-{name}.txt"
    folder = BUILD / "environments" / name
    python, stamp = folder / "bin" / "python", folder / ".made"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        uv = [str(Path(sys.executable).with_name("uv"))]
        _run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        _run([*uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)])
        stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(said[0].strip() if said else f"exit {done.returncode}")
