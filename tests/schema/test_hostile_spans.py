"""Whatever a span says, it is stored, given a reason, and holds up nothing that comes with it or behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from spanledger import names
from support.spans import deliver, span

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MEGABYTE = "x" * 1_000_000
NASTY = [
    "abc", "-5", "1e30", "1" + "0" * 30, "NaN", "inf", "-inf", "", " 7", "0x10", "1_000", "7.5", "'; DROP TABLE x; --",
    '"', "\\", "\x00", "a\x00b", "\u202e", "é" * 300, MEGABYTE, "9" * 13, "true", "[1]", "\n", "{database}",
]  # fmt: skip
TEXTS = [
    value
    for name, value in vars(names).items()
    if name.isupper() and isinstance(value, str) and name != "SCOPE"
]
ATTRIBUTES = sorted(
    {value for value in TEXTS if not value.endswith(".")}
    | set(names.USAGE.values())
    | {names.LABEL_PREFIX + "team", names.SERVER_TOOL_PREFIX + "web_search"}
)


@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value[:20]))
def test_any_value_in_any_attribute_is_stored_and_blocks_nothing(ledger: Client, value: str) -> None:
    hostile = [span(extra={attribute: value}) for attribute in ATTRIBUTES]
    everywhere = span(extra=dict.fromkeys(ATTRIBUTES, value))
    innocent = span({"input": 1000, "output": 100})
    deliver(ledger, [*hostile, everywhere, innocent])
    deliver(ledger, [span({"input": 1000, "output": 100})])
    assert ledger.query("SELECT count() FROM llm_calls FINAL").first_row == (len(hostile) + 3,)
    assert ledger.query(
        "SELECT cost_usd, reasons FROM calls WHERE trace_id = %(id)s", parameters={"id": innocent.trace_id}
    ).first_row == (Decimal("0.0035"), [])


@pytest.mark.parametrize(
    "quantity", ["abc", "-5", "1e30", "1" + "0" * 30, "NaN", "inf", "7.5", "9" * 13, "\x00", MEGABYTE]
)
@pytest.mark.parametrize("unit", ["input", "output", "cache_read"])
def test_a_quantity_that_is_none_leaves_the_call_unpriced_with_its_reason(
    ledger: Client, unit: str, quantity: str
) -> None:
    deliver(ledger, [span({"input": 1000, "output": 100, unit: quantity})])
    cost, unpriced, reasons = ledger.query("SELECT cost_usd, unpriced_reason, reasons FROM calls").first_row
    assert cost is None
    assert unpriced == "quantity not usable"
    assert reasons == [f"quantity not usable: {unit}"]
    assert ledger.query("SELECT reason, calls FROM unparsed").result_rows == [
        (f"quantity not usable: {unit}", 1)
    ]


def test_a_quantity_just_below_the_bound_is_taken(ledger: Client) -> None:
    deliver(ledger, [span({"input": 10**12 - 1, "output": 0})])
    # gpt-4o costs USD 2.50 per million tokens in.
    assert ledger.query("SELECT cost_usd, reasons FROM calls").first_row == (Decimal("2499999.9999975"), [])


def test_a_missing_client_is_unattributed_and_counted(ledger: Client) -> None:
    deliver(ledger, [span(client_id="")])
    assert ledger.query("SELECT client_state, client_id, bills FROM calls").first_row == (
        "unattributed",
        "",
        True,
    )
    assert ledger.query("SELECT service, calls, cost_usd FROM unattributed").first_row == (
        "shop", 1, Decimal("0.0035"),
    )  # fmt: skip


def test_client_ids_too_long_to_be_keys_stay_apart_and_say_so(ledger: Client) -> None:
    deliver(ledger, [span(client_id="x" * 128), span(client_id="x" * 129), span(client_id=MEGABYTE)])
    rows = ledger.query(
        "SELECT client_id, reasons FROM calls ORDER BY length(client_id), client_id"
    ).result_rows
    assert [reasons for _, reasons in rows] == [["client id too long"], ["client id too long"], []]
    assert rows[2][0] == "x" * 128
    assert len({client for client, _ in rows}) == 3
    assert all(client.startswith("sha256:") for client, _ in rows[:2])


@pytest.mark.parametrize(
    "start", ["1970-01-01 00:00:00.000000000", "2200-01-01 00:00:00.000000000", "1900-01-01 00:00:00.000000000",
              "2261-12-31 23:59:59.999999999", "2106-02-07 06:28:16.000000000", "2149-06-07 00:00:00.000000000"]
)  # fmt: skip
def test_a_start_that_cannot_be_counts_at_its_first_arrival(ledger: Client, start: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    call = span(at=start)
    deliver(ledger, [call, span()])
    deliver(ledger, [call])
    row = ledger.query(
        "SELECT reasons, call_time, month, cost_usd FROM calls WHERE trace_id = %(id)s",
        parameters={"id": call.trace_id},
    ).result_rows
    assert len(row) == 1
    reasons, call_time, month, cost = row[0]
    assert reasons == ["time not plausible"]
    assert before <= call_time <= datetime.now(UTC)
    assert month == f"{call_time:%Y-%m}"
    assert cost == Decimal("0.0035")


@pytest.mark.parametrize(
    ("offset", "plausible"),
    [
        (timedelta(days=-399, hours=-23), True),
        (timedelta(days=-400, seconds=-60), False),
        (timedelta(minutes=59), True),
        (timedelta(minutes=61), False),
    ],
)
def test_a_start_is_plausible_from_400_days_before_to_an_hour_after_its_arrival(
    ledger: Client, offset: timedelta, plausible: bool
) -> None:
    deliver(ledger, [span(at=datetime.now(UTC) + offset)])
    assert ledger.query("SELECT reasons FROM calls").first_row == (
        [] if plausible else ["time not plausible"],
    )


def test_two_hundred_days_in_one_batch_are_taken(ledger: Client) -> None:
    now = datetime.now(UTC)
    deliver(ledger, [span(at=now - timedelta(days=day)) for day in range(200)])
    assert ledger.query("SELECT count(), uniqExact(day) FROM calls").first_row == (200, 200)


def test_two_hundred_years_in_one_batch_are_taken(ledger: Client) -> None:
    years = [
        span(at=f"{year}-0{month}-01 00:00:00.000000000") for year in range(1950, 2150) for month in (1, 4, 7)
    ]
    deliver(ledger, years)
    deliver(ledger, reversed(years))
    assert ledger.query("SELECT count() FROM calls").first_row == (600,)


def test_a_thousand_tools_and_labels_do_not_swell_the_ledger(ledger: Client) -> None:
    many = {f"{names.LABEL_PREFIX}l{n}": "x" * 500 for n in range(1000)}
    many |= {f"{names.SERVER_TOOL_PREFIX}t{n}": "1" for n in range(1000)}
    deliver(ledger, [span(extra=many)])
    labels, longest, quantities, reasons = ledger.query(
        "SELECT length(labels), max(arrayMax(arrayMap(v -> length(v), mapValues(labels)))), any(length(quantities)), "
        "any(reasons) FROM llm_calls GROUP BY labels"
    ).first_row
    assert (labels, longest, quantities) == (16, 128, 64)
    assert reasons == ["project or labels cut", "too many quantities"]


def test_bytes_that_are_no_text_are_stored_as_text(ledger: Client) -> None:
    ledger.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ScopeName, SpanAttributes) "
        "SELECT now64(9), 'a', 'b', 'spanledger', map('client_id', unhex('ff00fe'), 'gen_ai.response.model', unhex('ff'))"
    )
    assert ledger.query("SELECT isValidUTF8(client_id), isValidUTF8(model) FROM calls").first_row == (1, 1)


def test_a_month_outside_the_calendar_is_not_dropped(own_ledger: Client) -> None:
    own_ledger.command("TRUNCATE TABLE calendar")
    deliver(own_ledger, [span(at=datetime(2026, 11, 3, 12, tzinfo=UTC))])
    assert own_ledger.query("SELECT month, toString(day) FROM calls").first_row == ("2026-11", "2026-11-03")


def test_a_missing_price_list_blocks_nothing_and_is_the_reason(unpriced_ledger: Client) -> None:
    deliver(unpriced_ledger, [span()])
    assert unpriced_ledger.query("SELECT cost_usd, unpriced_reason FROM calls").first_row == (
        None,
        "no price list",
    )


def test_settings_of_the_connection_that_inserts_do_not_change_what_is_stored(ledger: Client) -> None:
    for setting in ("join_use_nulls", "transform_null_in", "group_by_use_nulls"):
        ledger.set_client_setting(setting, 1)
        try:
            deliver(ledger, [span()])
        finally:
            ledger.set_client_setting(setting, 0)
    assert ledger.query("SELECT count(), sum(cost_usd) FROM calls").first_row == (3, Decimal("0.0105"))
