"""The dashboards as Grafana reads them, and their queries as the data source sends them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.grafana_macros import expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = Path(__file__).parents[2] / "dashboards"
_VARIABLE = re.compile(r"\$\{(?P<name>[a-z_]+)(?::(?P<format>[a-z]+))?\}")


class UnknownVariableError(Exception):
    """A query or a title uses a variable that its dashboard does not have."""


@dataclass(frozen=True)
class Query:
    """One query of a dashboard, by the title of its panel or the name of its variable."""

    dashboard: str
    title: str
    sql: str
    is_variable: bool = False
    time_series: bool = False


def boards() -> dict[str, Any]:
    """Uid -> dashboard, of every file."""
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "json").glob("*.json"))
    ]
    return {each["uid"]: each for each in found}


def queries(board: Mapping[str, Any]) -> Iterator[Query]:
    for variable in board["templating"]["list"]:
        yield Query(board["uid"], variable["name"], variable["query"]["rawSql"], is_variable=True)
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Query(board["uid"], panel["title"], target["rawSql"], time_series=target["format"] == 0)


def interpolated(sql: str, values: Mapping[str, str]) -> str:
    """Variables put in as Grafana does: `singlequote` quotes a value, but never an "all" value of one's own."""

    def put(found: re.Match[str]) -> str:
        name, form = found["name"], found["format"]
        if name not in values:
            raise UnknownVariableError(f"${{{name}}} in {sql}")
        value = values[name]
        if form is None or value == "'*'":
            return value
        if form == "singlequote":
            return "'" + value.replace("'", "\\'") + "'"
        raise UnknownVariableError(f"format {form} of {name}")

    return _VARIABLE.sub(put, sql)


def ready(sql: str, values: Mapping[str, str], *, hours: int = 24) -> str:
    """The query as ClickHouse gets it, for the last hours."""
    now = datetime.now(UTC)
    return expand(interpolated(sql, values), start=now - timedelta(hours=hours), end=now, interval_s=300)


def rows(ledger: Any, uid: str, title: str, **values: str) -> list[dict[str, Any]]:
    """What a panel shows, column by column."""
    (query,) = [each for each in queries(boards()[uid]) if each.title == title and not each.is_variable]
    found = ledger.query(ready(query.sql, values))
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
