"""How a benchmark says what it found: a table on screen, the same in a JSON file.

A row is a figure beside that of a named reference, both of this run and this machine: only their ratio means
anything elsewhere. A target says what a figure must be; a benchmark tells whether it holds and fails nobody.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Row:
    what: str
    value: float | None
    """None: it could not be measured, and `note` says why."""
    unit: str
    reference: str = ""
    reference_value: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.value is None or not self.reference_value:
            return None
        return self.value / self.reference_value


@dataclass
class Target:
    claim: str
    measured: float
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit


@dataclass
class Report:
    name: str
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def show(self) -> None:
        width = max((len(row.what) for row in self.rows), default=0)
        print(f"\n{self.name}")
        for row in self.rows:
            print(f"  {row.what:{width}}  {_line(row)}")
        for target in self.targets:
            says = "holds" if target.holds else "MISSED"
            found = f"{target.measured:,.2f} {target.unit}, at most {target.limit:,.2f}"
            print(f"  {says:6} {target.claim}: {found}")
        sys.stdout.flush()

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {
            "name": self.name,
            "machine": {"python": platform.python_version(), "processor": platform.machine()},
            "rows": [asdict(row) | {"ratio": row.ratio} for row in self.rows],
            "targets": [asdict(target) | {"holds": target.holds} for target in self.targets],
            "facts": self.facts,
        }
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _line(row: Row) -> str:
    if row.value is None:
        return f"{'-':>12}         {row.note}"
    beside = ""
    if row.ratio is not None:
        beside = f"x{row.ratio:<7.2f} {row.reference_value:,.1f} {row.reference}"
    return f"{row.value:12,.2f} {row.unit:8} {beside} {row.note}".rstrip()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser


def finish(report: Report, options: argparse.Namespace) -> None:
    report.show()
    if options.json:
        report.write(options.json)


def say(text: str) -> None:
    """On the way."""
    print(text, file=sys.stderr, flush=True)
