"""Every query of every dashboard runs as Grafana sends it, and answers in the shape that its panel draws."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support import dashboards, grafana_macros
from support.dashboard_world import BALLAST, MONTH

BOARDS = dashboards.boards()
QUERIES = [query for board in BOARDS.values() for query in dashboards.queries(board)]
SOMEBODY = {"month": MONTH, "client": "glade", "provider": "openai", "currency": "USD"}
EVERYBODY = {"month": MONTH, "client": "'*'", "provider": "'*'", "currency": "USD"}
NOTHING = {"month": "2020-02", "client": "o'no one", "provider": "none", "currency": "USD"}
VIEWS = re.compile(r"\b(?:FROM|(?<!ARRAY )JOIN)\s+([a-z_0-9]+)\b(?!\()")
OFF_THE_CONTRACT = {"usage_day", "usage_15m", "llm_calls", "otel_traces", "keyed_calls"}
OF_ALL_TIME = {
    "calls",
    "unpriced",
    "incomplete",
    "unattributed",
    "unparsed",
    "duplicates",
    "drift_rollup",
    "drift_rows",
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.title}")
def test_it_runs_and_draws(reader: Any, query: dashboards.Query) -> None:
    found = reader.query(dashboards.ready(query.sql, SOMEBODY))
    if query.is_variable:
        assert found.result_rows
        assert len(found.column_names) in {1, 2}
        assert all(isinstance(value, str) and value for row in found.result_rows for value in row)
    else:
        _shape(query, found)
        _painted(reader, query, found.column_names)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.title}")
def test_it_reads_the_period_that_it_shows_and_not_the_years_before(
    reader: Any, query: dashboards.Query
) -> None:
    answer = reader.raw_query(dashboards.ready(query.sql, SOMEBODY), fmt="JSON")
    assert json.loads(answer)["statistics"]["rows_read"] < BALLAST


@pytest.mark.parametrize(
    "query",
    [query for query in QUERIES if query.dashboard == "spanledger-models"],
    ids=lambda query: query.title,
)
def test_it_runs_for_everybody(reader: Any, query: dashboards.Query) -> None:
    assert reader.query(dashboards.ready(query.sql, EVERYBODY)).result_rows


@pytest.mark.parametrize(
    "query",
    [query for query in QUERIES if "${" in query.sql],
    ids=lambda query: f"{query.dashboard}: {query.title}",
)
def test_it_runs_where_there_is_nothing_and_shows_nobody_elses(reader: Any, query: dashboards.Query) -> None:
    found = reader.query(dashboards.ready(query.sql, NOTHING))
    if not query.is_variable:
        shown = {str(value).lower() for row in found.result_rows for value in row}
        assert not shown & {"acme", "cobalt", "glade", "openai", "gpt-4o-2024-08-06"}


def _painted(reader: Any, query: dashboards.Query, columns: Any) -> None:
    """The columns that a panel paints are columns that its query has."""
    (panel,) = [each for each in BOARDS[query.dashboard]["panels"] if each["title"] == query.title]
    painted = {
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byName"
    }
    if not columns:
        described = reader.query(f"DESCRIBE ({dashboards.ready(query.sql, SOMEBODY)})").result_rows
        columns = [row[0] for row in described]
    assert painted <= set(columns)


def _shape(query: dashboards.Query, found: Any) -> None:
    """What the panel can draw: named columns, each once, of types that the data source turns into fields."""
    assert len(set(found.column_names)) == len(found.column_names)
    for name, kind in zip(found.column_names, found.column_types, strict=True):
        plain = re.sub(r"^(?:LowCardinality|Nullable)\((.*)\)$", r"\1", kind.name)
        assert re.match(r"(String|U?Int(8|16|32|64)$|Float64|Decimal\(|DateTime)", plain), (
            f"{name} is {kind.name}"
        )
    if query.time_series and found.result_rows:
        times = [row[0] for row in found.result_rows]
        assert found.column_types[0].name.startswith("DateTime")
        assert times == sorted(set(times))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.title}")
def test_it_reads_the_contract_and_no_view_of_all_time(query: dashboards.Query) -> None:
    views = set(VIEWS.findall(query.sql))
    assert views
    assert not views & (OFF_THE_CONTRACT | OF_ALL_TIME)


def test_grafanas_user_may_read_every_view_that_a_panel_reads() -> None:
    grants = (dashboards.FOLDER.parent / "schema" / "users" / "grafana.sql").read_text(encoding="utf-8")
    granted = set(re.findall(r"SELECT ON \{database\}\.(\w+)", grants))
    read = {view for query in QUERIES for view in VIEWS.findall(query.sql)}
    assert read <= granted


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.title}")
def test_what_a_reader_chooses_is_quoted(query: dashboards.Query) -> None:
    assert not re.search(r"\$\{(?:month|client|provider|currency)\}", query.sql)


def test_a_macro_that_only_the_browser_knows_fails() -> None:
    with pytest.raises(grafana_macros.UnknownMacroError):
        dashboards.ready("SELECT 1 WHERE $__conditionalAll(a = 1, $client)", {})


def test_a_variable_that_is_not_there_fails() -> None:
    with pytest.raises(dashboards.UnknownVariableError):
        dashboards.ready("SELECT ${moth:singlequote}", {"month": MONTH})


def test_every_panel_says_something_where_there_is_nothing(reader: Any) -> None:
    """A number that is not known is NULL, and never the zero of an empty sum."""
    nothing = {"month": "2020-02", "client": "nobody", "provider": "'*'", "currency": "USD"}
    for uid, title, column in (
        ("spanledger-overview", "Month to date, USD", "Charge"),
        ("spanledger-models", "The month's calls, USD", "Cost"),
    ):
        (row,) = dashboards.rows(reader, uid, title, **nothing)
        assert row[column] is None
    for uid, title in (
        ("spanledger-overview", "Clients that cost more than they pay"),
        ("spanledger-client", "Month to date, ${currency}"),
        ("spanledger-budgets", "Budget by client"),
    ):
        assert dashboards.rows(reader, uid, title, **nothing) == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.title}")
def test_no_name_or_comment_holds_a_quote_that_would_hide_a_macro(query: dashboards.Query) -> None:
    """The data source looks for macros outside of texts, and takes any quote for the beginning of one."""
    without_texts = re.sub(r"'[^']*'", "", query.sql)
    assert "'" not in without_texts
    assert all("'" not in name for name in re.findall(r'"([^"]*)"', query.sql))
    assert "--" not in without_texts
