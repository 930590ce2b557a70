"""The README's commands and code are ones that run."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

import spanledger.middleware
import spanledger.testing
import spanledger.threads

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
# `up` runs until it is stopped and `doctor` wants a collector that writes here: each has tests of its own.
READING = re.findall(r"^\$ spanledger ((?:prices|usage).*)$", README, flags=re.MULTILINE)
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", READING)
def test_a_command_of_the_readme_runs_on_a_new_ledger(invoke, command, tmp_path, monkeypatch):
    (tmp_path / "prices").mkdir()
    shutil.copy(ROOT / "schema/overrides.example.yaml", tmp_path / "prices/overrides.yaml")
    monkeypatch.chdir(tmp_path)
    assert invoke(*shlex.split(command)).exit_code == 0


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_piece_of_code_in_the_readme_is_python_and_names_only_what_there_is(block):
    ours = {
        node.attr
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "spanledger"
    }

    assert {name for name in ours if not hasattr(spanledger, name)} == set()


def test_what_the_readme_names_without_its_module_is_in_the_module_it_says():
    assert spanledger.middleware.SpanledgerASGIMiddleware
    assert spanledger.middleware.from_jwt_claim
    assert spanledger.threads.carry
    assert spanledger.threads.propagate
    assert spanledger.testing.recorded_calls
    for name in ("SpanledgerASGIMiddleware", "from_jwt_claim", "carry", "propagate", "recorded_calls"):
        assert name in README
