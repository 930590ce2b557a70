"""`spanledger demo` ends with a verdict and a next step that works."""

import os
import re
import subprocess
import sys

LONGEST_DEMO_S = 120


def _spanledger(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LONGEST_DEMO_S,
        check=False,
    )


def test_the_demo_finds_the_ledger_equal_to_the_books_and_says_where_the_data_lies(tmp_path):
    folder = tmp_path / "demo"
    ended = _spanledger("demo", "--data", str(folder), "--rounds", "1", "--seed", "3")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    verdict = re.search(
        r"^ledger equals the providers' books: (\d+) calls, ([\d,]+) units of (\d+) kinds, 0 differences$",
        ended.stdout,
        re.MULTILINE,
    )
    assert verdict, ended.stdout
    assert int(verdict[1]) > 100
    assert int(verdict[3]) >= 9
    assert f"all data lies in {folder}" in ended.stdout
    for client_id in ("alder-dental", "juniper-travel", "(unattributed)"):
        assert client_id in ended.stdout
