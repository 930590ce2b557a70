"""Writes what spanledger consists of, as CycloneDX: the Python packages, the collector's Go modules.

    .venv/bin/python tools/sbom.py [FILE]     default: .build/sbom.cdx.json

Versions and licences are those installed in this environment, hashes those of requirements-dev.lock, Go
modules those that the collector's binary says it was linked from.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
COLLECTOR = ROOT / ".build/collector/otelcol-spanledger"
# "dep", module, version, hash; a replaced module's line is followed by one that begins with "=>".
_MODULE = re.compile(rb"^(?:dep|=>)\t([^\t\n]+)\t([^\t\n]+)(?:\t[^\n]*)?$", re.MULTILINE)


def bom() -> Bom:
    """All components, each beneath what needs it."""
    made = Bom()
    product = _component("spanledger", metadata.version("spanledger"), "pypi", kind=ComponentType.APPLICATION)
    made.metadata.component = product
    packages = dict(_packages())
    for name, package in packages.items():
        made.components.add(package)
        made.register_dependency(package, [packages[needed] for needed in _needs(name, ())])
    collector = Component(name=COLLECTOR.name, type=ComponentType.APPLICATION, bom_ref=COLLECTOR.name)
    modules = sorted(set(_go_modules()))
    if not modules:
        raise SystemExit(f"sbom: {COLLECTOR} names no module; run make collector")
    linked = [_component(name, version, "golang") for name, version in modules]
    for component in (collector, *linked):
        made.components.add(component)
    made.register_dependency(collector, linked)
    direct = [packages[name] for name in _needs("spanledger", _extras())]
    made.register_dependency(product, [*direct, collector])
    return made


def _extras() -> list[str]:
    return metadata.metadata("spanledger").get_all("Provides-Extra") or []


def _packages() -> Iterator[tuple[str, Component]]:
    hashes = _locked_hashes()
    seen: set[str] = set()
    waiting = list(_needs("spanledger", _extras()))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += _needs(name, ())
        yield name, _component(name, metadata.version(name), "pypi", hashes=hashes.get(name, ()))


def _needs(name: str, extras: Iterable[str]) -> Iterator[str]:
    """What a package requires here, with these extras of its own, and what its requirements' extras bring."""
    found = set()
    for text in metadata.requires(name) or ():
        wanted = Requirement(text)
        asked = [{"extra": extra} for extra in (*extras, "")]
        if wanted.marker is None or any(wanted.marker.evaluate(environment) for environment in asked):
            needed = canonicalize_name(wanted.name)
            if needed != name:
                found.add(needed)
                found.update(_needs(needed, wanted.extras) if wanted.extras else ())
    yield from sorted(found)


def _component(
    name: str,
    version: str,
    registry: str,
    *,
    kind: ComponentType = ComponentType.LIBRARY,
    hashes: Iterable[str] = (),
) -> Component:
    namespace, _, last = name.rpartition("/")
    purl = PackageURL(registry, namespace or None, last, version)
    licence = metadata.metadata(name).get("License-Expression") if registry == "pypi" else None
    return Component(
        name=name,
        version=version,
        type=kind,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in hashes],
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def _locked_hashes() -> dict[str, list[str]]:
    lock = (ROOT / "requirements-dev.lock").read_text()
    entries = re.findall(r"^([a-z0-9][^=\s]*)==[^\n]*((?:\n    --hash[^\n]*)+)", lock, flags=re.MULTILINE)
    return {name: re.findall(r"sha256:([0-9a-f]{64})", hashes) for name, hashes in entries}


def _go_modules() -> Iterator[tuple[str, str]]:
    """As `go version -m` prints them, for machines without go."""
    for name, version in _MODULE.findall(COLLECTOR.read_bytes()):
        yield name.decode(), version.decode()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".build/sbom.cdx.json"
    whole = bom()
    target.write_text(JsonV1Dot6(whole).output_as_string(indent=1))
    print(f"sbom: {len(whole.components)} components in {target}")
