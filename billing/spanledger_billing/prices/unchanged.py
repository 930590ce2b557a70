"""Which calls cost by the list in force what they cost already, told without pricing each.

What a call costs hangs on the model that its name means, on that model's cards, and on the facts. So of all
calls that were priced by one list and name the same model, one is tried: where it comes to the same model as
before, and that model's cards and the facts are the same in both lists, all of them cost the same. A new list
changes few models, and a month has millions of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.prices import again

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = tuple[str, str, str, str]

KIND: Final = (
    "(toString(price_version), toString(provider), "
    "lowerUTF8(toString(if(response_model != '', response_model, request_model))), "
    # Only where the provider is not known does the host say whose prices hold.
    "if(provider IN ('', '_OTHER'), toString(host), ''))"
)
"""Of a row of llm_calls: the list that priced it, and what its model is found by."""

OTHERWISE_PRICED: Final = """
    bills AND price_version != (SELECT version FROM price_list_in_force)
    AND NOT (price_version = '' AND unpriced_reason = '')
"""
"""Of a row of llm_calls: another list than the one in force priced it, or none could."""

CHANGEABLE: Final = f"""
    {OTHERWISE_PRICED}
    AND call_time >= {{begins:DateTime('UTC')}} AND call_time < {{ends:DateTime('UTC')}}
"""

HOURS: Final = """
    SELECT hour FROM touched_quarters
    WHERE quarter >= {begins:DateTime('UTC')} AND quarter < {ends:DateTime('UTC')}
"""
"""Hours of the sorting key under which calls of this time stand."""

_ONE_OF_EACH: Final = f"""
    SELECT
        {KIND} AS kind,
        argMin((hour, toString(claimed_client_id), trace_id, span_id), call_time) AS one,
        any(toString(price_provider)) AS provider_before,
        any(toString(price_model)) AS model_before
    FROM llm_calls
    WHERE hour IN ({HOURS}) AND {CHANGEABLE}
    GROUP BY kind
    HAVING uniqExact(price_provider, price_model) = 1
"""  # noqa: S608 - constants

_TRIED: Final = f"""
    SELECT *, call_time AS asked_at FROM llm_calls FINAL
    WHERE hour IN ({HOURS})
        AND (hour, toString(claimed_client_id), trace_id, span_id) IN (SELECT one FROM ({_ONE_OF_EACH}))
"""  # noqa: S608 - constants

_CARDS: Final = """
    SELECT
        toString(version) AS list,
        toString(provider) AS sold_by,
        model AS sold,
        SHA256(arrayStringConcat(arrayMap(c -> c.2, arraySort(groupArray((
            card,
            toString((
                valid_from, valid_until, minute_from, minute_until, processing, service_tier, speed,
                input_tokens_above, mapSort(rates)
            ))
        )))))) AS content
    FROM price_cards FINAL
    GROUP BY list, sold_by, sold
"""
# Where a provider's or host's prices are looked up shows in the call that was tried.
_FACTS: Final = """
    SELECT
        toString(version) AS list,
        SHA256(arrayStringConcat(arraySort(groupArray(toString((kind, subject, value)))))) AS content
    FROM price_list_facts FINAL
    WHERE kind != 'provider'
    GROUP BY list
"""


def kinds(ledger: Any, parameters: Mapping[str, Any]) -> list[Kind]:
    """The kinds of calls whose cost the list in force leaves as it is.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        parameters: `begins` and `ends`, between which the calls lie.

    """
    asked = f"""
        WITH (SELECT version FROM price_list_in_force) AS newest
        SELECT each.kind
        FROM ({_ONE_OF_EACH}) AS each
        ANY INNER JOIN ({again.priced(ledger, _TRIED)}) AS tried
            ON each.one.1 = tried.hour AND each.one.2 = toString(tried.claimed_client_id)
            AND each.one.3 = tried.trace_id AND each.one.4 = tried.span_id
        LEFT JOIN ({_CARDS}) AS cards_before
            ON cards_before.list = each.kind.1 AND cards_before.sold_by = each.provider_before
            AND cards_before.sold = each.model_before
        LEFT JOIN ({_CARDS}) AS cards_now
            ON cards_now.list = newest AND cards_now.sold_by = each.provider_before
            AND cards_now.sold = each.model_before
        LEFT JOIN ({_FACTS}) AS facts_before ON facts_before.list = each.kind.1
        LEFT JOIN ({_FACTS}) AS facts_now ON facts_now.list = newest
        WHERE tried.price_version = 'provider' AND each.kind.1 = 'provider'
            OR each.kind.1 NOT IN ('', 'provider')
            AND toString(tried.price_provider) = each.provider_before
            AND tried.price_model = each.model_before
            AND cards_before.content = cards_now.content AND facts_before.content = facts_now.content
    """  # noqa: S608 - of the schema
    return [tuple(kind) for (kind,) in ledger.query(asked, parameters=dict(parameters)).result_rows]
