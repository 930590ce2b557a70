"""A month with anything unknown in it is not closed, unless the operator accepts each cause by its name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import rollup
from spanledger_billing.cli import app
from spanledger_billing.close import causes, pipeline
from spanledger_billing.close.causes import Inspection
from spanledger_billing.close.closing import _months
from support.applied import apply
from support.closing import TERMS, close, names, store
from support.stored_calls import Call, call, put

OVER = datetime(2026, 11, 1, 4, tzinfo=UTC)
"""When October ends in New York."""
SINCE = call("2026-11-05T12:00", "0")


def found(ledger: Any, month: str = "2026-10", client: str = "acme", **options: Any) -> dict[str, int]:
    """Every cause against closing, and its count."""
    (asked,) = _months(ledger, month, [client])
    return {cause.name: cause.count for cause in Inspection(ledger, month, **options).causes(asked)}


def test_nothing_speaks_against_a_month_whose_calls_are_all_known(october: Any) -> None:
    assert found(october) == {}


def test_one_call_without_a_price_is_a_cause(october: Any) -> None:
    store(october, call("2026-10-11T12:00", None))
    assert found(october) == {"unpriced": 1}


def test_a_call_without_a_price_in_another_month_or_of_another_client_is_none(october: Any) -> None:
    store(
        october,
        call("2026-10-01T03:59:59", None),
        call("2026-11-01T04:00", None),
        call("2026-10-11T12:00", None, client_id="cobalt"),
    )
    assert found(october) == {}


def incomplete(count: int, of: int) -> list[Call]:
    return [
        call("2026-10-12T12:00", "1", incomplete_reason="cut short" if number < count else "")
        for number in range(of)
    ]


@pytest.mark.parametrize(
    ("tolerance", "count", "of", "expected"),
    [
        ("", 1, 100, {}),
        ("", 2, 199, {"incomplete": 2}),
        ("incomplete_tolerance_percent: 2.5", 5, 200, {}),
        ("incomplete_tolerance_percent: 2.5", 5, 199, {"incomplete": 5}),
        ("incomplete_tolerance_percent: 0", 0, 1, {}),
        ("incomplete_tolerance_percent: 0", 1, 1, {"incomplete": 1}),
    ],
    ids=["1 % of 1 %", "just above 1 %", "2.5 % of 2.5 %", "just above 2.5 %", "none of none", "one of none"],
)
def test_incomplete_calls_are_a_cause_beyond_the_tolerance_of_the_terms(
    ledger: Any, tolerance: str, count: int, of: int, expected: dict[str, int]
) -> None:
    apply(ledger, TERMS.replace("    budget: {amount: 1000", f"    {tolerance}\n    budget: {{amount: 1000"))
    store(ledger, SINCE, *incomplete(count, of))
    assert found(ledger) == expected


NOBODY = [("", "unattributed"), ("ghost", "unknown-clients")]


@pytest.mark.parametrize(("client", "cause"), NOBODY)
@pytest.mark.parametrize(
    ("at", "within"),
    [
        ("2026-10-01T03:59:59", False),
        ("2026-10-01T04:00", True),
        ("2026-11-01T03:59:59", True),
        ("2026-11-01T04:00", False),
    ],
)
def test_calls_of_nobody_are_a_cause_within_the_month_by_the_clients_clock(
    october: Any, client: str, cause: str, at: str, within: bool
) -> None:
    store(october, call(at, "1", client_id=client))
    assert found(october) == ({cause: 1} if within else {})


def test_a_clients_call_before_its_terms_began_is_one_of_an_unknown_client(october: Any) -> None:
    apply(
        october,
        TERMS.replace("name: Cobalt", "name: Cobalt").replace(
            "{from: 2026-01-01, plan: {flat_fee: 500}}", "{from: 2026-10-15, plan: {flat_fee: 500}}"
        ),
    )
    store(october, call("2026-10-14T21:59:59", "1", client_id="cobalt"))
    assert found(october) == {"unknown-clients": 1}
    store(october, call("2026-10-14T22:00", "1", client_id="cobalt"))
    assert found(october) == {"unknown-clients": 1}


def test_a_call_of_nobody_that_is_billed_by_its_lines_alone_is_a_cause(october: Any) -> None:
    store(october, call("2026-10-12T12:00", "1", client_id="", line="judge"))
    assert found(october) == {"unattributed": 1}


def test_a_row_of_the_roll_up_that_is_not_what_its_calls_add_up_to_is_a_cause(
    october: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A refresh would make the day again, since it was made a moment ago.
    monkeypatch.setattr(rollup, "refresh_usage", lambda ledger: None)
    october.command(
        "INSERT INTO usage_day SELECT * REPLACE (refreshed_at + 1 AS refreshed_at, calls + 1 AS calls) "
        "FROM usage_day FINAL WHERE day = '2026-10-10'"
    )
    assert found(october) == {"drift": 1}


def test_a_span_that_no_call_stands_for_is_a_cause(october: Any) -> None:
    october.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ScopeName, inserted_at) "
        "VALUES ('2026-10-10 12:00:00', 'f', 'f', 'spanledger', now64(3, 'UTC') - INTERVAL 2 MINUTE)"
    )
    october.command("ALTER TABLE llm_calls DELETE WHERE trace_id = 'f' SETTINGS mutations_sync = 2")
    rollup.refresh_usage(october)
    assert found(october)["drift"] == 1


def test_quarter_hours_of_the_month_that_are_not_rolled_up_are_a_cause(
    october: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "refresh_usage", lambda ledger: None)
    monkeypatch.setattr(rollup, "drift", lambda ledger, months: rollup.Drift())
    put(october, [call("2026-10-12T12:00", "1"), call("2026-11-12T12:00", "1")])
    assert found(october) == {"pipeline-behind": 1}


@pytest.mark.parametrize(("arrived", "expected"), [(-1, {"pipeline-behind": 1}), (0, {})])
def test_until_something_has_arrived_after_the_month_ended_the_pipeline_is_behind(
    ledger: Any, arrived: int, expected: dict[str, int]
) -> None:
    """Where no collector is known whose queue could be looked into."""
    last = OVER + timedelta(milliseconds=arrived)
    store(ledger, call("2026-10-10T12:00", "500"), Call(OVER, Decimal(0), arrived=last))
    assert found(ledger) == expected


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([0], {}),
        ([7, 7, 0], {}),
        ([7] * pipeline.LOOKS, {"pipeline-behind": 1}),
        ([None], {"pipeline-behind": 1}),
    ],
    ids=["empty", "emptied", "full", "no answer"],
)
def test_a_collector_whose_queue_does_not_empty_is_a_cause(
    october: Any, monkeypatch: pytest.MonkeyPatch, waiting: list[int | None], expected: dict[str, int]
) -> None:
    looks = iter(waiting)

    def fetch(url: str) -> str:
        assert url == "http://127.0.0.1:8888/metrics"
        size = next(looks)
        if size is None:
            raise ConnectionRefusedError
        return f'otelcol_exporter_queue_size{{exporter="clickhouse"}} {size}\n'

    monkeypatch.setenv("SPANLEDGER_METRICS_URL", "http://127.0.0.1:8888/metrics")
    monkeypatch.setattr(pipeline, "fetch", fetch)
    monkeypatch.setattr(pipeline, "PAUSE_SECONDS", 0)
    assert found(october) == expected


@pytest.mark.parametrize(
    ("now", "expected"), [(OVER - timedelta(microseconds=1), {"month-not-over": 1}), (OVER, {})]
)
def test_the_month_is_over_at_its_end_by_the_clients_clock(
    october: Any, now: datetime, expected: dict[str, int]
) -> None:
    assert found(october, now=now) == expected


def test_every_cause_is_named_with_its_count_and_its_remedy_at_once(october: Any) -> None:
    store(
        october,
        call("2026-10-11T12:00", None),
        call("2026-10-12T12:00", "1", client_id=""),
        *incomplete(3, 5),
    )
    outcome = close(october, "2026-10", now=OVER - timedelta(days=1))
    assert outcome.refused
    assert [(cause.name, cause.count) for cause in outcome.causes] == [
        ("unpriced", 1),
        ("incomplete", 3),
        ("unattributed", 1),
        ("month-not-over", 1),
    ]
    assert all(cause.found and cause.remedy for cause in outcome.causes)
    assert october.query("SELECT count() FROM closes").first_row[0] == 0


def test_accepting_one_cause_leaves_the_others_standing(october: Any) -> None:
    store(october, call("2026-10-11T12:00", None), call("2026-10-12T12:00", "1", client_id=""))
    outcome = close(october, "2026-10", accept=["unpriced", "drift"])
    assert outcome.refused
    assert names(outcome) == ["unpriced", "unattributed"]


def test_what_was_accepted_is_recorded_with_the_close_and_only_what_there_was(october: Any) -> None:
    store(october, call("2026-10-11T12:00", None), call("2026-10-12T12:00", "1", client_id=""))
    assert close(october, "2026-10", accept=list(causes.NAMES)).head
    (accepted,) = october.query("SELECT accepted FROM closes").first_row
    assert [tuple(each.values()) for each in accepted] == [("unpriced", 1), ("unattributed", 1)]


def test_the_help_lists_every_cause() -> None:
    shown = CliRunner().invoke(app, ["close", "--help"]).stdout
    assert [name for name in re.findall(r"^    (\S+)", shown, re.MULTILINE) if name in causes.NAMES] == list(
        causes.NAMES
    )
