"""What the product is made of is listed whole, and asked about where somebody can be asked."""

import importlib.util
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from spanledger_billing.embedded import collector

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> str:
    written = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, ROOT / "tools/sbom.py", written], check=True, capture_output=True)
    return written.read_text()


def test_the_list_of_parts_is_cyclonedx(sbom: str):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None


def test_every_package_that_an_extra_brings_is_listed_with_its_hashes(sbom: str):
    listed = {
        part["name"]: part
        for part in json.loads(sbom)["components"]
        if part.get("purl", "").startswith("pkg:pypi/")
    }
    direct = {
        re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")
        for requirement in metadata.requires("spanledger") or ()
    }

    assert direct <= listed.keys()
    assert {name for name, part in listed.items() if not part.get("hashes")} == set()
    assert {name for name, part in listed.items() if part["version"] != metadata.version(name)} == set()


def test_every_module_that_the_collector_was_linked_from_is_listed(sbom: str):
    listed = {
        part["purl"] for part in json.loads(sbom)["components"] if "pkg:golang/" in part.get("purl", "")
    }
    manifest = (ROOT / "collector/builder.yaml").read_text()
    chosen = re.findall(r"gomod: (\S+) (v\S+)", manifest)

    assert chosen
    assert {f"pkg:golang/{name}@{version}" for name, version in chosen} <= {
        purl.replace("%2F", "/") for purl in listed
    }
    # A binary holds the line of each module once.
    assert len(listed) == len(set(re.findall(rb"\ndep\t([^\t]+)\t", collector.binary().read_bytes())))


def test_a_package_that_was_once_taken_over_is_no_dependency():
    assert "litellm" not in (ROOT / "requirements-dev.lock").read_text()


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/audit.py, whose databases can be reached and whose checks find nothing."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "reachable", lambda _address: True)
    monkeypatch.setattr(module, "python_packages", lambda: True)
    monkeypatch.setattr(module, "go_modules", lambda: True)
    return module


def test_an_audit_that_found_nothing_says_so(audit, capsys):
    assert audit.main() == 0
    assert capsys.readouterr().out == "audit: no known vulnerability\n"


def test_an_audit_fails_on_a_finding_whatever_else_could_not_be_asked(audit, monkeypatch, capsys):
    monkeypatch.setattr(audit, "python_packages", lambda: False)
    monkeypatch.setattr(audit, "reachable", lambda address: "osv" in address)

    assert audit.main() == 1
    printed = capsys.readouterr()
    assert "found something in: Python packages" in printed.err
    assert "not run for Go modules (vuln.go.dev cannot be reached)" in printed.out


def test_an_audit_that_nobody_answered_does_not_pass_for_a_clean_one(audit, monkeypatch, capsys):
    monkeypatch.setattr(audit, "reachable", lambda _address: False)

    assert audit.main() == 0
    assert "no known vulnerability" not in capsys.readouterr().out
