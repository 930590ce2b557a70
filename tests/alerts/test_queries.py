"""The rules' queries run on the embedded endpoint, and their answers are what Grafana's expressions take."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import resources, up
from spanledger_billing.embedded import credentials
from support.grafana_macros import expand
from support.grafana_rules import ShapeError, numbers, queries, rules
from support.stack import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = rules()
CONTRACT = (resources.folder("schema") / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def endpoint(stack: up.Stack) -> Iterator[Any]:
    """As the user that Grafana is there."""
    password = credentials.password(stack.data, credentials.READER)
    client = client_of(stack, username=credentials.READER, password=password)
    yield client
    client.close()


@pytest.mark.parametrize("uid", RULES)
def test_a_query_runs_and_has_one_number_and_otherwise_texts(endpoint: Any, uid: str) -> None:
    now = datetime.now(UTC)
    labels = set()
    for ref, query in queries(RULES[uid]).items():
        sql = expand(query, start=now - timedelta(minutes=10), end=now)
        numbers(endpoint.query(sql))
        described = {row[0]: row[1] for row in endpoint.query(f"DESCRIBE TABLE ({sql})").result_rows}
        # A NULL would be a number that Grafana drops, or a label that it refuses.
        assert described.pop("value") == "Float64", ref
        assert set(described.values()) <= {"String", "LowCardinality(String)"}, ref
        labels.add(tuple(described))
    # Of other labels, a number would be no number of the alert.
    assert len(labels) == 1


@pytest.mark.parametrize("uid", RULES)
def test_a_query_reads_the_read_contract_and_nothing_else(uid: str) -> None:
    for query in queries(RULES[uid]).values():
        read = re.findall(r"\b(?:FROM|JOIN) (\w+)", query)
        assert read
        assert all(f"`{view}`" in CONTRACT for view in read), query


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("SELECT 'a' AS client, 1 AS value, 2 AS other", "value', 'other"),
        ("SELECT 'a' AS client", r"these are: \[\]"),
        ("SELECT today() AS day, 1 AS value", "day"),
        ("SELECT true AS late, 1 AS value", "late"),
        ("SELECT NULL::Nullable(String) AS client, 1 AS value", "NULL"),
        ("SELECT 'a' AS client, NULL::Nullable(Float64) AS value", "NULL"),
        ("SELECT arrayJoin(['a', 'a']) AS client, 1 AS value", "two rows"),
    ],
)
def test_an_answer_of_another_shape_is_found(endpoint: Any, sql: str, wrong: str) -> None:
    with pytest.raises(ShapeError, match=wrong):
        numbers(endpoint.query(sql))
