"""The views answer as schema/README.md promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from spanledger_billing import resources
from support.spans import deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

README = (resources.folder("schema") / "README.md").read_text(encoding="utf-8")
CONTRACT = README.split("## The read contract")[1].split("\n## ")[0]


def promised() -> dict[str, str]:
    """Column and type of `calls`, as the table of the README has them."""
    columns: dict[str, str] = {}
    for names, types in re.findall(r"^\| (`[^|]+`) \| (`[^|]+`) \|", CONTRACT, re.MULTILINE):
        listed, kinds = re.findall(r"`([^`]+)`", names), re.findall(r"`([^`]+)`", types)
        columns |= dict(zip(listed, kinds * len(listed) if len(kinds) == 1 else kinds, strict=True))
    return columns


def test_calls_has_the_columns_of_the_read_contract_and_no_other(ledger: Client) -> None:
    described = {row[0]: row[1] for row in ledger.query("DESCRIBE TABLE calls").result_rows}
    plain = {name: re.sub(r"LowCardinality\((\w+)\)", r"\1", kind) for name, kind in described.items()}
    assert plain == promised()


def test_every_billing_call_without_a_cost_has_a_reason(ledger: Client) -> None:
    deliver(
        ledger,
        [
            span(),
            span({}, usage_found="false"),
            span({"input": "x", "output": 1}),
            span(response_model="no-such-model"),
            span(usage_complete="false"),
            span({}, billable="pending", billing_key="k", usage_found="false"),
        ],
    )
    unexplained = "SELECT count() FROM calls WHERE bills AND cost_usd IS NULL AND unpriced_reason = '' AND incomplete_reason = ''"
    assert ledger.query(unexplained).result_rows == [(0,)]
    assert ledger.query("SELECT countIf(cost_usd IS NULL), count() FROM calls").result_rows == [(4, 6)]


def test_costs_add_up_to_the_cost(ledger: Client) -> None:
    deliver(
        ledger,
        [
            span({"input": 1000, "output": 77, "cache_read": 300}),
            span(provider="x_ai", provider_cost_usd="1.5"),
        ],
    )
    assert ledger.query(
        "SELECT count() FROM calls WHERE arraySum(mapValues(costs)) != cost_usd"
    ).result_rows == [(0,)]


def test_what_metering_failed_at_is_a_reason(ledger: Client) -> None:
    deliver(ledger, [span({}, usage_found="false", metering_error="reader")])
    assert ledger.query("SELECT reason, calls FROM unparsed").result_rows == [
        ("metering failed at: reader", 1)
    ]


def test_freshness_tells_how_long_ago_the_last_span_arrived(ledger: Client) -> None:
    query = "SELECT spans, last_call, lag_seconds FROM pipeline_freshness"
    assert ledger.query(query).result_rows[0][::2] == (0, None)
    called = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    deliver(ledger, [span(at=called), span(at=called, scope="somebody.else")])
    spans, last_call, lag = ledger.query(query).result_rows[0]
    assert (spans, last_call) == (1, called)
    assert 0 <= lag < 300


def test_an_insert_repeated_as_it_was_is_not_stored_twice(ledger: Client) -> None:
    batch = [span(), span()]
    deliver(ledger, batch)
    deliver(ledger, batch)
    assert ledger.query("SELECT arrivals, calls FROM duplicates").result_rows == [(2, 2)]


@pytest.mark.parametrize("table", ["llm_calls", "keyed_calls", "otel_traces"])
def test_no_engine_in_the_money_path_adds_up(ledger: Client, table: str) -> None:
    engine = ledger.query(
        "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = %(table)s",
        parameters={"table": table},
    ).result_rows[0][0]
    assert engine in ("MergeTree", "ReplacingMergeTree")


def test_nothing_that_adds_up_at_insert_is_anywhere_in_the_ledger(ledger: Client) -> None:
    rows = ledger.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND (engine LIKE '%Summing%' OR engine LIKE '%Aggregating%')"
    ).result_rows
    assert rows == []
