"""Macros are expanded as the data source's backend does it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from support.grafana_macros import UnknownMacroError, expand

START = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
END = datetime(2026, 10, 5, 13, 0, tzinfo=UTC)


def expanded(sql: str) -> str:
    return expand(sql, start=START, end=END, interval_s=30)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__timeFilter(t)", "t >= toDateTime(1791201600) AND t <= toDateTime(1791205200)"),
        (
            "$__timeFilter_ms(t)",
            "t >= fromUnixTimestamp64Milli(1791201600000) AND t <= fromUnixTimestamp64Milli(1791205200000)",
        ),
        ("$__dateFilter(d)", "d >= toDate('2026-10-05') AND d <= toDate('2026-10-05')"),
        ("$__fromTime", "toDateTime(1791201600)"),
        ("$__timeTo(t)", "t <= toDateTime(1791205200)"),
        ("$__timeInterval(t)", "toStartOfInterval(toDateTime(t), INTERVAL 30 second)"),
        ("$__timeGroup(t, 5m)", "toStartOfInterval(toDateTime(t), INTERVAL 300 second)"),
        ("$__interval_s + 1", "30 + 1"),
        ("$__timeTo(least(a, 'b)', c))", "least(a, 'b)', c) <= toDateTime(1791205200)"),
    ],
)
def test_a_macro_becomes_what_the_data_source_sends(written: str, sent: str) -> None:
    assert expanded(f"SELECT {written}") == f"SELECT {sent}"


@pytest.mark.parametrize(
    "written",
    ["$__conditionalAll(a, $b)", "$__from", "$client", "${client}", "$__fromTime(1)", "$__timeTo()"],
)
def test_what_the_backend_does_not_know_is_refused(written: str) -> None:
    with pytest.raises(UnknownMacroError):
        expanded(f"SELECT {written}")


def test_a_dollar_sign_within_a_text_stays() -> None:
    assert expanded("SELECT '^a$'") == "SELECT '^a$'"
