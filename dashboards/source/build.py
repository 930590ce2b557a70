"""Writes dashboards/json and dashboards/share from the modules beside this file: `make dashboards`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import budgets
import client
import models
import overview
import pipeline
import share

JSON = Path(__file__).parents[1] / "json"
DASHBOARDS = (overview.DASHBOARD, client.DASHBOARD, budgets.DASHBOARD, models.DASHBOARD, pipeline.DASHBOARD)


def built() -> dict[Path, str]:
    """File -> what is to stand in it."""
    staff = {
        JSON / f"{each.uid.removeprefix('spanledger-')}.json": json.dumps(
            each.json(DASHBOARDS), indent=2, ensure_ascii=False
        )
        + "\n"
        for each in DASHBOARDS
    }
    return staff | share.built()


if __name__ == "__main__":
    for path, text in built().items():
        path.write_text(text, encoding="utf-8")
