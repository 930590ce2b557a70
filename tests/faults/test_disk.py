"""The disk of a run can be made full, and is gone with the run."""

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

PROGRAM = """
import sys
from pathlib import Path
from faults.disk import Disk

disk = Disk(Path(sys.argv[1]) / "disk")
with (disk.path / "open").open("w") as file:
    print("still there", file=file, flush=True)
    disk.remove()
assert not disk.path.exists()
"""


def test_nothing_is_left_of_a_disk_that_is_removed_while_a_file_on_it_is_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
