"""Asks the advisory databases about every locked Python package and every Go module of the collector.

    .venv/bin/python tools/audit.py     exit 1 where one has a known vulnerability

Where a database cannot be reached the audit says so in its last line, and passes: it has found nothing, and
shown nothing. `make audit` on a machine that reaches them is what releases go by.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
COLLECTOR: Final = ROOT / ".build/collector/otelcol-spanledger"
GOVULNCHECK: Final = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"
OSV: Final = "https://api.osv.dev"
GO_DATABASE: Final = "https://vuln.go.dev"
_FIND_GO: Final = "root=$PWD; . collector/find_go.sh; find_go"


def python_packages() -> bool:
    """Whether pip-audit finds nothing in the lock files."""
    # --disable-pip: they are whole, so nothing needs to be resolved.
    options = ["--vulnerability-service=osv", "--strict", "--disable-pip", "--require-hashes"]
    locks = [f"--requirement={lock}" for lock in sorted(ROOT.glob("requirements-*.lock"))]
    audits = [
        subprocess.run([sys.executable, "-m", "pip_audit", *options, lock], check=False) for lock in locks
    ]
    return all(audit.returncode == 0 for audit in audits)


def go_modules() -> bool:
    """Whether govulncheck finds nothing in the collector's binary."""
    go = subprocess.run(
        ["bash", "-c", _FIND_GO], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    command = [go, "run", GOVULNCHECK, "-mode=binary", str(COLLECTOR)]
    return subprocess.run(command, check=False).returncode == 0


def reachable(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError:
        return True  # it answered
    except OSError:
        return False
    return True


def main() -> int:
    not_run, failed = [], []
    for what, database, check in (
        ("Python packages", OSV, python_packages),
        ("Go modules", GO_DATABASE, go_modules),
    ):
        if not reachable(database):
            not_run.append(f"{what} ({database.partition('://')[2]} cannot be reached)")
        elif not check():
            failed.append(what)
    if failed:
        print(f"audit: found something in: {', '.join(failed)}", file=sys.stderr)
    if not_run:
        print(f"audit: not run for {', '.join(not_run)}")
    elif not failed:
        print("audit: no known vulnerability")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
