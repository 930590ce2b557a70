"""What is built and published: the files in it, and what an app takes in with it."""

import json
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "instrumentation/spanledger": "spanledger",
    "hub/spanledger_hub": "spanledger_hub",
    "billing/spanledger_billing": "spanledger_billing",
    "schema": "spanledger_billing/_schema",
    "collector": "spanledger_billing/_collector",
    **{
        f"dashboards/{name}": f"spanledger_billing/_dashboards/{name}"
        for name in ("json", "provisioning", "share")
    },
}
"""Folder in the repository -> folder in the wheel."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def repository_files() -> set[str]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source distribution, and the wheel that is built from it and not from the repository."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


def test_the_wheel_holds_the_packages_the_schema_the_collectors_configuration_and_nothing_else(built):
    wanted = {
        in_wheel + name.removeprefix(folder)
        for name in repository_files()
        for folder, in_wheel in PACKAGES.items()
        if name.startswith(f"{folder}/")
    }
    names = zipfile.ZipFile(built["wheel"]).namelist()
    metadata = {re.sub(r"^[^/]*\.dist-info/", "", name) for name in names if ".dist-info/" in name}

    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert metadata == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_the_wheel_says_that_its_three_packages_are_typed(built):
    names = zipfile.ZipFile(built["wheel"]).namelist()

    assert {name for name in names if name.endswith("py.typed")} == {
        "spanledger/py.typed",
        "spanledger_billing/py.typed",
        "spanledger_hub/py.typed",
    }


def test_the_source_distribution_holds_only_files_of_the_repository(built):
    with tarfile.open(built["sdist"]) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}

    assert names - repository_files() == {"PKG-INFO"}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "requirements-dev.lock"} <= names


def test_an_installed_wheel_finds_its_migrations_and_the_collectors_configuration_inside_itself(
    built, tmp_path
):
    zipfile.ZipFile(built["wheel"]).extractall(tmp_path / "site")
    script = "from spanledger_billing.resources import folder; print(folder('schema'), folder('collector'))"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )

    package = tmp_path / "site/spanledger_billing"
    assert done.stdout.split() == [str(package / "_schema"), str(package / "_collector")]
    assert sorted((package / "_schema/migrations").glob("0001_*.sql"))
    assert (package / "_collector/config.yaml").is_file()


@pytest.fixture(scope="module")
def plain_install(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's interpreter, with the wheel and no extra installed, in the locked versions."""
    folder = tmp_path_factory.mktemp("plain")
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    locked = re.findall(
        r"^[a-z0-9][^\\\n]*", (ROOT / "requirements-dev.lock").read_text(), flags=re.MULTILINE
    )
    (folder / "constraints.txt").write_text("\n".join(locked))
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--constraint", folder / "constraints.txt", built["wheel"])
    return python


def test_a_plain_install_brings_opentelemetry_wrapt_and_their_own_needs_only(plain_install):
    listed = json.loads(
        run(sys.executable, "-m", "pip", "--python", plain_install, "list", "--format", "json")
    )

    assert {package["name"] for package in listed} == {
        "spanledger",
        "opentelemetry-api",
        "opentelemetry-exporter-otlp-proto-common",
        "opentelemetry-proto",
        "opentelemetry-sdk",
        "opentelemetry-semantic-conventions",
        "protobuf",
        "typing_extensions",
        "wrapt",
    }


def test_a_plain_install_runs_instrument_and_uninstrument(plain_install, tmp_path):
    script = "import spanledger; spanledger.instrument(); spanledger.uninstrument(); print('both ran')"

    assert run(plain_install, "-W", "error", "-c", script, cwd=tmp_path) == "both ran\n"


def test_the_command_line_without_its_extra_names_the_extra_and_ends_with_2(plain_install, tmp_path):
    done = subprocess.run(
        [plain_install.parent / "spanledger", "usage"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "spanledger: the command line needs packages that are not installed (typer is missing)",
        "next: pip install 'spanledger[billing]', or 'spanledger[embedded]' for a ledger on this machine",
    ]
