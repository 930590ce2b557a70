"""A short run of the fault program, with every kind of fault in it once at least."""

import os
import re
import subprocess
import sys
from pathlib import Path

from faults import kinds

TESTS = Path(__file__).parents[1]
LONGEST_RUN_S = 900


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faults", *arguments],
        cwd=TESTS,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_RUN_S,
    )


def test_whatever_is_done_to_the_pipeline_no_call_is_lost_and_none_counts_twice(tmp_path: Path) -> None:
    number = 1 + len(kinds.OTHERS) + 2  # the upgrade, each other kind, and kills
    done = run(tmp_path, "--seed", "7", "--faults", str(number), "--calls", str(60 * number))
    assert done.returncode == 0, done.stderr + done.stdout
    found = re.fullmatch(r"faults (\d+), calls (\d+), spans (\d+), lost 0, twice 0\n", done.stdout)
    assert found, done.stdout
    faults, calls, spans = map(int, found.groups())
    assert faults == number
    assert spans > calls > 60 * len(kinds.OTHERS)
    assert [name for name in kinds.OTHERS if name.replace("_", " ") not in done.stderr] == []
    assert "upgrade from" in done.stderr
    assert list(tmp_path.iterdir()) == []
