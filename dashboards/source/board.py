"""Dashboards as Grafana's classic JSON, from what is worth saying about them.

A panel is its title, its description, its query and how its columns look; all that is the same everywhere (data source,
ids, places, options that Grafana would fill in itself) is added here. Only what Grafana 11.6 has is used.

Money is shown in the reader's own way of writing numbers (`locale`), because Grafana's currency units shorten
1,234.56 to 1.23K. What a number's currency is stands in its title or beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

DATASOURCE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
TAG: Final = "spanledger"
_WIDTH: Final = 24

MONEY: Final[Json] = {"unit": "locale", "decimals": 2}
SMALL_MONEY: Final[Json] = {"unit": "locale", "decimals": 6}
PERCENT: Final[Json] = {"unit": "percent", "decimals": 1}
ROUND_PERCENT: Final[Json] = {"unit": "percent", "decimals": 0}
COUNT: Final[Json] = {"unit": "locale", "decimals": 0}
SECONDS: Final[Json] = {"unit": "s", "decimals": 1}
AGE: Final[Json] = {"unit": "s", "decimals": 0}


def steps(*colours: tuple[float | None, str]) -> Json:
    """Thresholds: from each value on, its colour; None begins."""
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in colours],
    }


PLAIN: Final = steps((None, "text"))
ANY_IS_ORANGE: Final = steps((None, "text"), (1, "orange"))
ANY_IS_RED: Final = steps((None, "text"), (1, "red"))
BELOW_ZERO_IS_RED: Final = steps((None, "red"), (0, "text"))
BUDGET: Final = steps((None, "green"), (80, "orange"), (100, "red"))


@dataclass(frozen=True)
class Column:
    """How the column of this name looks: standard options, colour, width, link."""

    name: str
    standard: Json = field(default_factory=dict)
    thresholds: Json | None = None
    colour: str = "value"
    """What a threshold colours: `value` the text, `background` the cell, `fixed:X` the whole series."""
    cell: str = ""
    """`gauge`: a bar in the cell, from 0 to 100."""
    link: Json | None = None
    hidden: bool = False
    width: int | None = None
    """In pixels; what is left goes to the others alike. Not a least width: newer releases give every column its share first,
    and what one has beyond that pushes the last ones out of sight."""
    minimum: int | None = None
    maximum: int | None = None

    def override(self, *, table: bool) -> Json:
        properties = [{"id": key, "value": value} for key, value in self.standard.items()]

        def put(key: str, value: Any) -> None:
            properties.append({"id": key, "value": value})

        if self.minimum is not None:
            put("min", self.minimum)
        if self.maximum is not None:
            put("max", self.maximum)
        if self.thresholds is not None:
            put("thresholds", self.thresholds)
            put("color", {"mode": "thresholds"})
        if self.colour.startswith("fixed:"):
            put("color", {"mode": "fixed", "fixedColor": self.colour.removeprefix("fixed:")})
        if table and self.cell == "gauge":
            put("custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"})
        elif table and self.thresholds is not None:
            kind = "color-background" if self.colour == "background" else "color-text"
            put(
                "custom.cellOptions",
                {"type": kind} | ({"mode": "basic"} if self.colour == "background" else {}),
            )
        if self.link is not None:
            put("links", [self.link])
        if self.hidden:
            put("custom.hidden", True)
        if self.width is not None:
            put("custom.width", self.width)
        return {"matcher": {"id": "byName", "options": self.name}, "properties": properties}


def _nothing(kind: str, text: str) -> Json:
    """What stands in place of no value, in all columns of the kind."""
    return {"matcher": {"id": "byType", "options": kind}, "properties": [{"id": "noValue", "value": text}]}


# A panel's own text is for where its query finds nothing at all. A bar chart would write it under every bar whose label
# it leaves out for want of room too.
_OF_NOTHING: Final = {"table": (_nothing("number", "not known"),), "barchart": (_nothing("string", " "),)}


@dataclass(frozen=True)
class Panel:
    """A rectangle with a title. `empty` is what it says where its query finds nothing."""

    kind: str
    title: str
    description: str
    sql: str
    width: int
    height: int
    empty: str = "nothing in this period"
    columns: tuple[Column, ...] = ()
    standard: Json = field(default_factory=dict)
    thresholds: Json = field(default_factory=lambda: PLAIN)
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    transformations: tuple[Json, ...] = ()
    links: tuple[Json, ...] = ()
    query_format: int = 1

    def json(self, number: int, place: Json) -> Json:
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": place,
            "datasource": DATASOURCE,
            "targets": [target(self.sql, self.query_format)],
            "fieldConfig": {
                "defaults": {
                    **self.standard,
                    "noValue": self.empty,
                    "thresholds": self.thresholds,
                    "mappings": [],
                    "custom": self.custom,
                },
                "overrides": [
                    *_OF_NOTHING.get(self.kind, ()),
                    *(column.override(table=self.kind == "table") for column in self.columns),
                ],
            },
            "options": self.options,
        }
        if self.transformations:
            made["transformations"] = list(self.transformations)
        if self.links:
            made["links"] = list(self.links)
        return made


def target(sql: str, query_format: int = 1) -> Json:
    """A query as the data source keeps it; format 1 is a table, 0 a time series."""
    return {
        "refId": "A",
        "datasource": DATASOURCE,
        "editorType": "sql",
        "queryType": "timeseries" if query_format == 0 else "table",
        "format": query_format,
        "pluginVersion": "4.20.0",
        "rawSql": sql.strip(),
    }


def numbers(
    title: str, description: str, sql: str, *, width: int, height: int = 4, named: bool = True, **more: Any
) -> Panel:
    """One row's columns as large numbers side by side; a text column too."""
    more.setdefault("empty", "not known")
    return Panel(
        "stat",
        title,
        description,
        sql,
        width,
        height,
        options={
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": "/.*/"},
            "orientation": "auto",
            "textMode": "value_and_name" if named else "value",
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "text": {"titleSize": 13, "valueSize": 18},
        },
        **more,
    )


def table(
    title: str, description: str, sql: str, *, width: int = _WIDTH, height: int = 8, **more: Any
) -> Panel:
    return Panel(
        "table",
        title,
        description,
        sql,
        width,
        height,
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "footer": {"show": False, "reducer": ["sum"], "fields": ""},
        },
        custom={"align": "auto", "filterable": False, "minWidth": 66},
        **more,
    )


def bars(
    title: str,
    description: str,
    sql: str,
    *,
    width: int,
    height: int = 8,
    stacked: bool = False,
    horizontal: bool = False,
    **more: Any,
) -> Panel:
    """Columns of numbers beside each other, or on each other, for each text of the first column."""
    return Panel(
        "barchart",
        title,
        description,
        sql,
        width,
        height,
        options={
            "orientation": "horizontal" if horizontal else "vertical",
            "stacking": "normal" if stacked else "none",
            "showValue": "never",
            "groupWidth": 0.8,
            "barWidth": 0.9,
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 0 if horizontal else 100,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        custom={"lineWidth": 0, "fillOpacity": 85, "axisPlacement": "auto", "axisSoftMin": 0},
        **more,
    )


def lines(
    title: str, description: str, sql: str, *, width: int, height: int = 8, as_bars: bool = False, **more: Any
) -> Panel:
    """Numbers over the dashboard's period; the first column is a time."""
    return Panel(
        "timeseries",
        title,
        description,
        sql,
        width,
        height,
        query_format=0,
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        custom={
            "drawStyle": "bars" if as_bars else "line",
            "lineWidth": 1,
            "fillOpacity": 70 if as_bars else 10,
            "showPoints": "auto",
            "spanNulls": False,
            "axisSoftMin": 0,
            "stacking": {"mode": "normal" if as_bars else "none", "group": "A"},
        },
        **more,
    )


def link(title: str, uid: str, **variables: str) -> Json:
    """A link to another of our dashboards."""
    query = "&".join(f"var-{name}={value}" for name, value in variables.items())
    return {"title": title, "url": f"/d/{uid}" + (f"?{query}" if query else ""), "targetBlank": False}


TO_CLIENT: Final = link(
    "What this client uses, costs and owes",
    "spanledger-client",
    client="${__data.fields.client_id:percentencode}",
    month="${month:percentencode}",
)


@dataclass(frozen=True)
class Variable:
    """A choice at the head of a dashboard: the first column is its value, a second one what people read."""

    name: str
    label: str
    description: str
    sql: str
    all_: bool = False
    hidden: bool = False

    def json(self) -> Json:
        made: Json = {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {
                "refId": self.name,
                "editorType": "sql",
                "queryType": "sql",
                "rawSql": self.sql.strip(),
            },
            "definition": self.sql.strip(),
            "refresh": 1,
            "sort": 0,
            "multi": False,
            "includeAll": self.all_,
            "hide": 2 if self.hidden else 0,
            "regex": "",
            "skipUrlSync": False,
            "options": [],
            "current": {},
        }
        if self.all_:
            # Put into a query as it stands, whatever format is asked for: so it brings its quotes.
            made["allValue"] = "'*'"
            made["current"] = {"text": "All", "value": "$__all", "selected": True}
        return made


MONTH: Final = Variable(
    "month",
    "Month",
    "Each client's own month, by its timezone; the present one first.",
    "SELECT month FROM shown_months ORDER BY is_present DESC, month DESC",
)


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]
    by_time: bool = False
    """Whether the time picker chooses what is shown; else the month does, and the picker is hidden."""
    refresh: str = "1m"

    def json(self, others: tuple[Dashboard, ...] = ()) -> Json:
        """`others`: what the head of it leads to."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser" if self.by_time else "utc",
            "time": {"from": "now-24h", "to": "now"},
            "timepicker": {"hidden": not self.by_time},
            "refresh": self.refresh,
            "annotations": {"list": []},
            "links": [self._leading_to(other) for other in others if other is not self],
            "templating": {"list": [variable.json() for variable in self.variables]},
            "panels": _placed(self.panels),
        }

    def _leading_to(self, other: Dashboard) -> Json:
        """A link with what is chosen here and can be chosen there."""
        # Not by `includeVars`: it hands "all" on to where only one can be chosen.
        there = {each.name for each in other.variables if not each.hidden}
        chosen = [
            f"${{{each.name}:queryparam}}" for each in self.variables if each.name in there and not each.all_
        ]
        return {
            "title": other.title,
            "type": "link",
            "url": f"/d/{other.uid}" + (f"?{'&'.join(chosen)}" if chosen else ""),
            "tags": [],
            "asDropdown": False,
            "includeVars": False,
            "keepTime": False,
            "targetBlank": False,
            "icon": "dashboard",
            "tooltip": other.description,
        }


def _placed(panels: tuple[Panel, ...]) -> list[Json]:
    """From left to right, row by row; a row is as high as its highest panel."""
    x = y = row = 0
    placed = []
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _WIDTH:
            x, y, row = 0, y + row, 0
        placed.append(panel.json(number, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x, row = x + panel.width, max(row, panel.height)
    return placed
