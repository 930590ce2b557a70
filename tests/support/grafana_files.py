"""What Grafana 11.6 knows in dashboards and provisioning files, and what is found in ours that it does not.

Grafana ignores a key that it does not know, so a misspelt one changes nothing and says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DASHBOARD: Final = _words(
    "annotations description editable fiscalYearStartMonth graphTooltip id links liveNow panels preload refresh "
    "schemaVersion tags templating time timepicker timezone title uid version weekStart"
)
_PANEL: Final = _words(
    "datasource description fieldConfig gridPos hideTimeOverride id interval links maxDataPoints maxPerRow options "
    "pluginVersion repeat repeatDirection targets timeFrom timeShift title transformations transparent type"
)
QUERY: Final = _words(
    "datasource editorType format hide meta pluginVersion queryType rawSql refId intervalMs maxDataPoints"
)
"""Keys of a query of the ClickHouse data source; an alert rule's has them too."""
_VARIABLE: Final = _words(
    "allValue allowCustomValue current datasource definition description hide includeAll label multi name options "
    "query refresh regex skipUrlSync sort type"
)
_LINK: Final = _words("asDropdown icon includeVars keepTime tags targetBlank title tooltip type url")
_STANDARD: Final = _words(
    "color decimals description displayName filterable links mappings max min noValue thresholds unit"
)
_OPTIONS: Final[dict[str, frozenset[str]]] = {
    "stat": _words(
        "colorMode graphMode justifyMode orientation percentChangeColorMode reduceOptions showPercentChange text "
        "textMode wideLayout"
    ),
    "table": _words("cellHeight footer frameIndex showHeader showTypeIcons sortBy"),
    "barchart": _words(
        "barRadius barWidth colorByField fullHighlight groupWidth legend orientation showValue stacking text tooltip "
        "xField xTickLabelMaxLength xTickLabelRotation xTickLabelSpacing"
    ),
    "timeseries": _words("legend orientation timezone tooltip"),
}
_CUSTOM: Final[dict[str, frozenset[str]]] = {
    "stat": frozenset(),
    "table": _words("align cellOptions filterable hidden inspect minWidth width"),
    "barchart": _words(
        "axisBorderShow axisCenteredZero axisColorMode axisGridShow axisLabel axisPlacement axisSoftMax axisSoftMin "
        "axisWidth fillOpacity gradientMode hideFrom lineWidth scaleDistribution thresholdsStyle"
    ),
    "timeseries": _words(
        "axisBorderShow axisCenteredZero axisColorMode axisGridShow axisLabel axisPlacement axisSoftMax axisSoftMin "
        "axisWidth barAlignment barMaxWidth barWidthFactor drawStyle fillBelowTo fillOpacity gradientMode hideFrom "
        "insertNulls lineInterpolation lineStyle lineWidth pointSize scaleDistribution showPoints spanNulls stacking "
        "thresholdsStyle transform"
    ),
}
_UNITS: Final = frozenset({"locale", "none", "percent", "s", "short"})
_TRANSFORMATIONS: Final = frozenset({"groupingToMatrix", "organize"})

_DATASOURCE_FILE: Final = frozenset({"apiVersion", "datasources", "deleteDatasources", "prune"})
_DATASOURCE: Final = _words(
    "access basicAuth database editable isDefault jsonData name orgId secureJsonData type uid url user version"
)
_JSON_DATA: Final = _words(
    "connMaxLifetime customSettings defaultDatabase defaultTable dialTimeout enableRowLimit forwardGrafanaHeaders host "
    "httpHeaders maxIdleConns maxOpenConns path port protocol queryTimeout rowCapacityHint secure tlsAuth "
    "tlsAuthWithCACert tlsSkipVerify username validateSql"
)
_SECURE_JSON_DATA: Final = frozenset({"password", "tlsCACert", "tlsClientCert", "tlsClientKey"})
_PROVIDER_FILE: Final = frozenset({"apiVersion", "providers"})
_PROVIDER: Final = _words(
    "allowUiUpdates disableDeletion editable folder folderUid name options orgId type updateIntervalSeconds"
)


def _unknown(where: str, found: Mapping[str, Any], known: AbstractSet[str]) -> Iterator[str]:
    for key in sorted(set(found) - known):
        yield f"{where}: Grafana knows no {key!r}"


def _missing(where: str, found: Mapping[str, Any], *needed: str) -> Iterator[str]:
    for key in needed:
        if not found.get(key):
            yield f"{where}: {key} is missing"


def dashboard(board: Mapping[str, Any]) -> list[str]:
    """What is wrong with a dashboard's JSON; nothing where all is well."""
    title = str(board.get("title"))
    found = [
        *_unknown(title, board, _DASHBOARD),
        *_missing(title, board, "uid", "title", "description", "schemaVersion", "panels"),
    ]
    if board.get("id") is not None:
        found.append(f"{title}: an id belongs to one database; Grafana gives it")
    if board.get("schemaVersion", 0) > 41:
        found.append(f"{title}: schemaVersion is newer than Grafana 11.6")
    text = str(board)
    found += [
        f"{title}: {name} is never filled in in a dashboard"
        for name in re.findall(r"\$\{?[A-Z][A-Z_]+\b|\$__file", text)
    ]
    names = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{([a-z_]+)(?::[a-z]+)?\}", text)) - {"__data"}
    found += [f"{title}: ${{{name}}} is no variable of it" for name in sorted(used - names)]
    for link in board["links"]:
        found += _unknown(f"{title}, link", link, _LINK)
    for variable in board["templating"]["list"]:
        where = f"{title}, variable {variable.get('name')}"
        found += _unknown(where, variable, _VARIABLE)
        found += _missing(where, variable, "name", "label", "description", "datasource", "query")
    found += _places(title, board["panels"])
    for panel in board["panels"]:
        found += _panel(f"{title}, {panel.get('title')}", panel)
    return found


def _places(title: str, panels: list[Any]) -> Iterator[str]:
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) < len(ids):
        yield f"{title}: two panels have one id"
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{title}, {panel['title']}: wider than the page"
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if (x, y) in taken:
                    yield f"{title}, {panel['title']}: lies on {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]


def _panel(where: str, panel: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(where, panel, _PANEL)
    yield from _missing(where, panel, "id", "title", "description", "datasource", "targets")
    kind = panel["type"]
    if kind not in _OPTIONS:
        yield f"{where}: a panel of type {kind} is not among those we use"
        return
    yield from _unknown(f"{where}, options", panel["options"], _OPTIONS[kind])
    defaults = panel["fieldConfig"]["defaults"]
    yield from _missing(where, defaults, "noValue")
    yield from _unknown(f"{where}, standard options", defaults, _STANDARD | {"custom"})
    yield from _unknown(f"{where}, custom", defaults["custom"], _CUSTOM[kind])
    yield from _unit(where, defaults)
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        properties = {each["id"]: each["value"] for each in override["properties"]}
        yield from _unknown(
            f"{where}, {name}", properties, _STANDARD | {f"custom.{key}" for key in _CUSTOM[kind]}
        )
        yield from _unit(f"{where}, {name}", properties)
    for each in panel.get("transformations", ()):
        if each["id"] not in _TRANSFORMATIONS:
            yield f"{where}: the transformation {each['id']} is not among those we use"
    for target in panel["targets"]:
        yield from query(where, target)


def _unit(where: str, options: Mapping[str, Any]) -> Iterator[str]:
    if options.get("unit", "none") not in _UNITS:
        yield f"{where}: the unit {options['unit']} is not among those we use"


def query(where: str, target: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a query of the ClickHouse data source."""
    yield from _unknown(f"{where}, query", target, QUERY)
    yield from _missing(
        f"{where}, query", target, "refId", "editorType", "queryType", "rawSql", "pluginVersion"
    )
    if (target.get("queryType"), target.get("format")) not in {("table", 1), ("timeseries", 0)}:
        yield f"{where}: queryType and format say different things"


def environment(text: str, known: AbstractSet[str]) -> list[str]:
    """Variables of a provisioning file that Grafana would not fill in, or that nobody sets."""
    found = []
    for whole, name in re.findall(r"(?<!\$)(\$\{([^}]*)\}|\$[A-Za-z_]\w*)", text):
        if not name:
            found.append(f"{whole} is filled in too; write it ${{…}}, or $$ for a dollar sign")
        elif not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            found.append(f"{whole}: Grafana knows no default and no expression")
        elif name not in known:
            found.append(f"{name} is set by nobody")
    return found


def datasources(content: Mapping[str, Any]) -> list[str]:
    found = [
        *_unknown("data sources", content, _DATASOURCE_FILE),
        *_missing("data sources", content, "apiVersion"),
    ]
    for each in content["datasources"]:
        where = f"data source {each.get('name')}"
        found += _unknown(where, each, _DATASOURCE)
        found += _missing(where, each, "uid", "type", "access", "orgId", "jsonData", "secureJsonData")
        found += _unknown(f"{where}, jsonData", each["jsonData"], _JSON_DATA)
        found += _unknown(f"{where}, secureJsonData", each["secureJsonData"], _SECURE_JSON_DATA)
    return found


def providers(content: Mapping[str, Any]) -> list[str]:
    found = [*_unknown("providers", content, _PROVIDER_FILE), *_missing("providers", content, "apiVersion")]
    for each in content["providers"]:
        where = f"provider {each.get('name')}"
        found += _unknown(where, each, _PROVIDER)
        found += _missing(where, each, "orgId", "folder", "type")
        found += _unknown(f"{where}, options", each["options"], {"path", "foldersFromFilesStructure"})
    return found
