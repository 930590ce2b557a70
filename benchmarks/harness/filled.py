"""A ledger with a month of calls of a hundred clients, made inside the engine, and the same calls as raw spans."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, Final

from harness.report import say

MONTH: Final = "2026-10"
START, END = "2026-10-01 00:00:00", "2026-11-01 00:00:00"
CLIENTS: Final = 100
BLOCK: Final = 500_000
CURRENCIES = {"USD": Decimal(1), "EUR": Decimal("0.9143"), "JPY": Decimal("151.25")}
PLANS = (
    "{markup_percent: 30}",
    "{tiers: [{from_cost_usd: 0, markup_percent: 40}, {from_cost_usd: 100, markup_percent: 25}], minimum: 50}",
    "{flat_fee: 500}",
    "{flat_fee: 300, allowance_cost_usd: 200, overage_markup_percent: 25}",
    "{markup_percent: 20, fixed_fee: 99, overrides: [{model: 'claude-opus-*', markup_percent: 10}]}",
)
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC")


def clients_yaml() -> bytes:
    stretches = [
        f"""
  - id: client-{number:03}
    name: Client {number}
    timezone: {ZONES[number % len(ZONES)]}
    currency: {list(CURRENCIES)[number % 3]}
    budget: {{amount: 1000, basis: {"cost" if number % 2 else "charge"}}}
    terms:
      - {{from: 2026-01-01, plan: {PLANS[number % len(PLANS)]}}}
      - {{from: 2026-10-16, plan: {PLANS[(number + 1) % len(PLANS)]}}}"""
        for number in range(CLIENTS)
    ]
    rates = "\n".join(
        f"  - {{currency: {code}, from: 2026-01-01, units_per_usd: {rate}, source: benchmark}}"
        for code, rate in CURRENCIES.items()
        if code != "USD"
    )
    return f"agency: {{name: Meridian}}\nexchange_rates:\n{rates}\nclients:{''.join(stretches)}\n".encode()


# One row of llm_calls per number; 7 models of 3 providers, 3 projects, 4 units, spread over the month.
CALLS = """
INSERT INTO llm_calls (
    hour, claimed_client_id, trace_id, span_id, revision, first_arrival, recorded_at, call_time, started_at, service,
    client_id, project, provider, operation, host, request_model, response_model, response_id, billable, usage_found,
    usage_complete, service_tier, http_status, duration_ms, quantities, units, costs, cost_usd, bills, price_version,
    price_provider, price_model
)
WITH
    sipHash64(number) AS h,
    toDateTime64('{start}', 9, 'UTC') + INTERVAL (number * {span} / {calls}) MILLISECOND AS at,
    (h % 7) + 1 AS m,
    ['gpt-5', 'gpt-5-mini', 'gpt-4o', 'claude-opus-4', 'claude-sonnet-4', 'gemini-3-flash', 'gemini-3-pro'][m] AS name,
    ['openai', 'openai', 'openai', 'anthropic', 'anthropic', 'gcp.gemini', 'gcp.gemini'][m] AS by,
    concat('client-', leftPad(toString(intDiv(h, 7) % {clients}), 3, '0')) AS who,
    toDecimal128(100 + intDiv(h, 1000) % 4000, 12) AS tokens_in,
    toDecimal128(10 + intDiv(h, 5000000) % 900, 12) AS tokens_out,
    toDecimal128(intDiv(h, 90000) % 2000, 12) AS cached,
    map('input', tokens_in, 'cache_read', cached, 'output', tokens_out) AS used,
    map(
        'input', toDecimal128(tokens_in * 3, 18) / 1000000, 'cache_read', toDecimal128(cached, 18) / 3333333,
        'output', toDecimal128(tokens_out * 15, 18) / 1000000
    ) AS priced
SELECT
    toStartOfHour(at), who, lower(hex(sipHash128(number, 'trace'))), lower(hex(sipHash64(number, 'span'))), 0,
    at + INTERVAL 1 SECOND, at + INTERVAL 2 SECOND, at, at, concat('app-', toString(h % 5)), who,
    ['', 'seo-bot', 'support'][h % 3 + 1], by, 'chat', concat(by, '.example'), name, name,
    lower(hex(sipHash64(number, 'response'))), 'yes', true, true, 'standard', 200, h % 20000, used, used, priced,
    arraySum(mapValues(priced)), true, '1', by, name
FROM numbers({first}, {count})
"""

# The same calls as the collector would have written them, for the reference.
SPANS = """
INSERT INTO otel_reference (Timestamp, TraceId, SpanId, ServiceName, ScopeName, SpanAttributes, inserted_at)
SELECT
    call_time, trace_id, span_id, service, 'spanledger',
    map(
        'client_id', client_id, 'spanledger.project', project, 'gen_ai.provider.name', provider,
        'gen_ai.operation.name', operation, 'gen_ai.request.model', request_model,
        'gen_ai.response.model', response_model, 'gen_ai.response.id', response_id,
        'gen_ai.usage.input_tokens', toString(toUInt64(quantities['input'] + quantities['cache_read'])),
        'gen_ai.usage.cache_read.input_tokens', toString(toUInt64(quantities['cache_read'])),
        'gen_ai.usage.output_tokens', toString(toUInt64(quantities['output'])),
        'spanledger.usage.provider_cost_usd', toString(cost_usd), 'http.response.status_code', '200'
    ),
    first_arrival
FROM llm_calls
WHERE hour >= toDateTime('{first}', 'UTC') AND hour < toDateTime('{last}', 'UTC')
"""


def fill(ledger: Any, calls: int) -> float:
    began = time.perf_counter()
    for first in range(0, calls, BLOCK):
        ledger.command(
            CALLS.format(
                start=START,
                span=31 * 86_400_000,
                calls=calls,
                clients=CLIENTS,
                first=first,
                count=min(BLOCK, calls - first),
            )
        )
        say(f"{min(first + BLOCK, calls):,} calls")
    return time.perf_counter() - began


def fill_reference(ledger: Any) -> None:
    ledger.command("CREATE TABLE otel_reference AS otel_traces")
    ledger.command("ALTER TABLE otel_reference REMOVE TTL")
    for day in range(1, 32):
        last = f"2026-10-{day + 1:02} 00:00:00" if day < 31 else END
        ledger.command(SPANS.format(first=f"2026-10-{day:02} 00:00:00", last=last))
    say("the spans of the reference")


# A second of calls that arrive now, a thousand of them, as the collector writes them.
ARRIVING = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ServiceName, ScopeName, SpanAttributes)
WITH sipHash64(number, {second}) AS h
SELECT
    now64(9, 'UTC') - INTERVAL 2 SECOND, lower(hex(sipHash128(number, {second}))), lower(hex(h)), 'app', 'spanledger',
    map(
        'client_id', concat('client-', leftPad(toString(h % {clients}), 3, '0')), 'gen_ai.provider.name', 'openai',
        'gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'gpt-4o', 'gen_ai.response.model', 'gpt-4o',
        'gen_ai.response.id', lower(hex(h)), 'gen_ai.usage.input_tokens', toString(100 + h % 4000),
        'gen_ai.usage.output_tokens', toString(10 + h % 900), 'spanledger.billable', 'yes',
        'spanledger.usage.found', 'true', 'spanledger.usage.complete', 'true', 'http.response.status_code', '200'
    )
FROM numbers(1000)
"""
