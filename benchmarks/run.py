"""All benchmarks, one after the other: `make bench`. Figures go to the screen and to .build/benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harness.environments import BUILD
from harness.report import say

HERE = Path(__file__).parent
NO_BENCHMARKS = {"run.py"}


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    found, failed = {}, []
    for script in sorted(HERE.glob("*.py")):
        if script.name in NO_BENCHMARKS:
            continue
        say(f"== {script.name}")
        figures = BUILD / f"{script.stem}.json"
        figures.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, script, "--json", figures], check=False)
        if done.returncode or not figures.exists():
            failed.append(script.name)
            continue
        found[script.stem] = json.loads(figures.read_text(encoding="utf-8"))
    everything = BUILD / "all.json"
    everything.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nfigures in {everything}")
    for each in found.values():
        for target in each.get("targets", []):
            if not target["holds"]:
                print(f"target missed here: {target['claim']}")
    for name in failed:
        print(f"did not run: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
