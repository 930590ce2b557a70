"""The macros of Grafana's ClickHouse data source, expanded as its backend does (release 4.20).

Only what works in dashboards and in alert rules alike is listed; any other `$…` in a query fails its test.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_MACRO = re.compile(r"\$__(?P<name>\w+)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class UnknownMacroError(Exception):
    """A query uses what the data source does not know, or knows in the browser only."""


def expand(sql: str, *, start: datetime, end: datetime, interval_s: int = 60) -> str:
    """The query as ClickHouse gets it, for a panel from `start` to `end` whose points are `interval_s` apart."""
    macros = _macros(start, end, interval_s)
    expanded, at = [], 0
    while found := _MACRO.search(sql, at):
        expanded.append(sql[at : found.start()])
        name = found["name"]
        if name not in macros:
            raise UnknownMacroError(f"$__{name} is no macro of the data source's backend: {sorted(macros)}")
        arguments, at = _arguments(sql, found.end())
        least, most, macro = macros[name]
        if not least <= len(arguments) <= most:
            raise UnknownMacroError(f"$__{name} takes {least} to {most} arguments, not {arguments}")
        expanded.append(macro(*arguments))
    text = "".join(expanded) + sql[at:]
    if "$" in _without_text(text):
        left = sorted(set(re.findall(r"\$\{?\w*", _without_text(text))))
        raise UnknownMacroError(f"{', '.join(left)} was left in the query: no variable of that name is given")
    return text


def _macros(
    start: datetime, end: datetime, interval_s: int
) -> dict[str, tuple[int, int, Callable[..., str]]]:
    """Name -> least and most arguments, and the expansion."""
    f, t = int(start.timestamp()), int(end.timestamp())
    f_ms, t_ms = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
    from_ms, to_ms = f"fromUnixTimestamp64Milli({f_ms})", f"fromUnixTimestamp64Milli({t_ms})"

    def times(column: str) -> str:
        return f"{column} >= toDateTime({f}) AND {column} <= toDateTime({t})"

    def dates(column: str) -> str:
        return f"{column} >= toDate('{start:%Y-%m-%d}') AND {column} <= toDate('{end:%Y-%m-%d}')"

    def both(day: str, time: str) -> str:
        return f"({dates(day)}) AND ({times(time)})"

    return {
        "timeFilter": (1, 1, times),
        "timeFilter_ms": (1, 1, lambda c: f"{c} >= {from_ms} AND {c} <= {to_ms}"),
        "dateFilter": (1, 1, dates),
        "dateTimeFilter": (2, 2, both),
        "dt": (2, 2, both),
        "timeFrom": (1, 1, lambda c: f"{c} >= toDateTime({f})"),
        "timeTo": (1, 1, lambda c: f"{c} <= toDateTime({t})"),
        "fromTime": (0, 0, lambda: f"toDateTime({f})"),
        "toTime": (0, 0, lambda: f"toDateTime({t})"),
        "fromTime_ms": (0, 0, lambda: from_ms),
        "toTime_ms": (0, 0, lambda: to_ms),
        "timeInterval": (
            1,
            1,
            lambda c: f"toStartOfInterval(toDateTime({c}), INTERVAL {interval_s} second)",
        ),
        "timeInterval_ms": (
            1,
            1,
            lambda c: f"toStartOfInterval(toDateTime64({c}, 3), INTERVAL {interval_s * 1000} millisecond)",
        ),
        "timeGroup": (
            2,
            2,
            lambda c, every: f"toStartOfInterval(toDateTime({c}), INTERVAL {_seconds(every)} second)",
        ),
        "interval_s": (0, 0, lambda: str(interval_s)),
        "interval_ms": (0, 0, lambda: str(interval_s * 1000)),
    }


def _seconds(every: str) -> int:
    found = re.fullmatch(r"(\d+)([smhdw])", every.strip("'\" "))
    if not found:
        raise UnknownMacroError(f"{every} is no length of time such as 5m")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def _arguments(sql: str, at: int) -> tuple[list[str], int]:
    """What stands in the parentheses that begin here, split at its outer commas, and where it goes on."""
    if at >= len(sql) or sql[at] != "(":
        return [], at
    depth, begin, arguments, quoted = 0, at + 1, [], False
    for i in range(at, len(sql)):
        sign = sql[i]
        if sign == "'":
            quoted = not quoted
        if quoted:
            continue
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            last = sql[begin:i].strip()
            return [*arguments, last] if last or arguments else [], i + 1
        if sign == "," and depth == 1:
            arguments.append(sql[begin:i].strip())
            begin = i + 1
    raise UnknownMacroError(f"no closing parenthesis for the one after {sql[:at]}")


def _without_text(sql: str) -> str:
    return re.sub(r"'(?:[^'\\]|\\.|'')*'", "''", sql)
