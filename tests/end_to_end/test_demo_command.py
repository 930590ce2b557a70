"""`spanledger demo` ends with a verdict and a next step that works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST_DEMO_S = 400


README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where `spanledger demo`, with nothing said, was run, and what it printed."""
    where = tmp_path_factory.mktemp("demo")
    ended = subprocess.run(
        [sys.executable, "-m", "spanledger_billing.cli", "demo"],
        cwd=where,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_DEMO_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return where, ended.stdout


def test_the_demo_finds_the_ledger_equal_to_the_books_and_says_where_the_data_lies(demo):
    where, printed = demo
    verdict = re.search(
        r"^ledger equals the providers' books: (\d+) calls, ([\d,]+) units of (\d+) kinds, 0 differences$",
        printed,
        re.MULTILINE,
    )
    assert verdict, printed
    assert int(verdict[1]) > 100
    assert int(verdict[3]) >= 9
    assert f"all data lies in {where / 'spanledger-demo'}" in printed
    for client_id in ("alder-dental", "juniper-travel", "(unattributed)"):
        assert client_id in printed


def _comparable(text: str) -> list[str]:
    """Lines without what the day of the run decides: the month, and what prices were in force in it."""
    timeless = re.sub(r"\d{4}-\d\d:", "MONTH:", re.sub(r"\d+\.\d{6,}", "USD", text))
    return [re.sub(r" +", " ", line).strip() for line in timeless.splitlines()]


def test_the_readme_shows_what_the_demo_prints(demo):
    where, printed = demo
    shown = re.search(r"^\$ make demo\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown is not None
    lines = [line for line in _comparable(shown[1]) if not line.startswith("[")]

    assert len(lines) > 15
    expected = _comparable(printed.replace(f"{where}/", ""))
    assert [line for line in lines if line not in expected] == []
