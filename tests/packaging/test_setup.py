"""`make setup` on a machine that lacks something: it says what, and how to get it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without `.venv`, and a PATH with a shell's tools and no Python."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/setup.sh", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "env", "dirname", "cat", "sha256sum"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def python(checkout: Path, name: str, script: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(checkout / "bin"), **variables}
    return subprocess.run(
        [checkout / "tools/setup.sh"], env=environment, capture_output=True, text=True, check=False
    )


def test_without_a_python_from_3_11_on_it_says_how_to_get_or_name_one(checkout):
    python(checkout, "python3", "exit 1")

    done = setup(checkout)

    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_a_python_without_its_venv_module_is_told_apart_and_named(checkout):
    python(checkout, "python3.12", 'case "$*" in *ensurepip*) exit 1;; esac')

    done = setup(checkout)

    assert done.returncode == 1
    assert (
        "python3.12 cannot make virtual environments; on Debian: apt-get install python3-venv" in done.stderr
    )


def test_the_python_that_is_named_comes_first(checkout):
    python(checkout, "python3.11", "exit 0")
    python(checkout, "mine", 'case "$*" in *ensurepip*) exit 1;; esac')

    assert "mine cannot make virtual environments" in setup(checkout, PYTHON="mine").stderr


def test_a_second_setup_installs_nothing(checkout):
    """`.venv/bin/python` here writes down what it is asked for."""
    for name in ("requirements-dev.lock", "requirements-openai2.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / "bin/rm").symlink_to(shutil.which("rm") or "")
    recorder = checkout / ".venv/bin/python"
    recorder.write_text('#!/bin/sh\necho "$*" >> asked\n')
    recorder.chmod(0o755)

    first = setup(checkout)
    asked = (checkout / "asked").read_text()
    second = setup(checkout)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert asked.count("install") == 3
    assert asked.count("--require-hashes") == 2
    assert (checkout / "asked").read_text() == asked
    with (checkout / "requirements-dev.lock").open("a") as lock:
        lock.write("# changed\n")
    setup(checkout)
    assert (checkout / "asked").read_text().count("-r requirements-dev.lock") == 2
