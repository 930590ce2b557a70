"""What is documented is what is there: variables, commands, targets."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
_VARIABLE = re.compile(r"\bSPANLEDGER_[A-Z][A-Z_]*[A-Z]\b")

_SET_BY_OURSELVES = {"SPANLEDGER_MEMORY_BYTES", "SPANLEDGER_BACKUP_FOLDER"}
"""What the embedded endpoint hands to its engine's configuration."""


def test_the_readme_has_a_row_for_every_variable_and_for_no_other():
    code = [
        path
        for folder in ("instrumentation", "billing", "hub", "collector")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yaml", ".sh", ".xml"}
    ]
    used = {name for path in code for name in _VARIABLE.findall(path.read_text())} - _SET_BY_OURSELVES
    documented = set(re.findall(r"^\| `(SPANLEDGER_[A-Z_]+)` \|", README, flags=re.MULTILINE))

    assert documented == used


def test_the_command_reference_is_what_the_commands_say_of_themselves():
    written = subprocess.run(
        [sys.executable, ROOT / "tools/cli_reference.py"], capture_output=True, text=True, check=True
    )

    assert (ROOT / "CLI.md").read_text() == written.stdout, "run `make docs`"


def test_every_command_in_a_document_is_one_that_there_is():
    listed = set(re.findall(r"^## `spanledger ?(.*)`$", (ROOT / "CLI.md").read_text(), flags=re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/README.md")]
    named = {
        command
        for document in documents
        for command in re.findall(r"(?:\$ |`)spanledger ([a-z]+)", document.read_text())
    }

    assert {command for command in named if command not in listed} == set()


def test_bare_make_lists_every_target_with_what_it_does():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make ([a-z]+) +\S", done.stdout, flags=re.MULTILINE)

    assert listed == targets


def test_every_make_target_in_a_document_is_one_that_there_is():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        target
        for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/README.md"))
        for target in re.findall(r"(?:\$ |`|^)make ([a-z]+)", document.read_text(), flags=re.MULTILINE)
    }

    assert named - targets == set()


def test_the_lock_files_pin_every_package_with_a_hash_and_name_no_address():
    for lock in sorted(ROOT.glob("requirements-*.lock")):
        text = lock.read_text()
        pinned = re.findall(r"^[a-z0-9][^\n]*==[^\n]* \\\n    --hash=sha256:", text, flags=re.MULTILINE)
        packages = re.findall(r"^[a-z0-9]", text, flags=re.MULTILINE)

        assert len(pinned) == len(packages) > 0
        assert "://" not in text
        assert "index" not in re.sub(r"^[a-z0-9].*$", "", text, flags=re.MULTILINE)


def test_every_dependency_of_the_project_is_locked():
    pyproject = (ROOT / "pyproject.toml").read_text()
    locked = set(
        re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements-dev.lock").read_text(), flags=re.MULTILINE)
    )
    wanted = {
        name.lower().replace("_", "-")
        for name in re.findall(
            r'^\s*(?:[a-z0-9]+ = \[)?"([A-Za-z0-9_-]+)(?:\[[a-z,]+\])?[>=<]', pyproject, flags=re.MULTILINE
        )
    }

    assert wanted - locked == set()
