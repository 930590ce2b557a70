"""Putting a price list in force, and filling what was unpriced.

An import writes its rows under its version and then one row that puts the version in force; broken off before
that, it has changed nothing. Filling sends each unpriced call through the ledger's own pricing again, one
revision higher and with its first arrival kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spanledger_billing import turns
from spanledger_billing.clients.reaching import closed_months
from spanledger_billing.errors import RefusedError
from spanledger_billing.prices import published, trial
from spanledger_billing.prices.overrides_reading import read

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from clickhouse_connect.driver.client import Client

    from spanledger_billing.clients.reaching import ClientMonth
    from spanledger_billing.prices.published import PriceList
    from spanledger_billing.prices.trial import Difference
    from spanledger_billing.turns import Turn

# An insert that read the list before it changed may arrive after the first look for what it left unpriced.
_MOST_PASSES = 5
_CLOSED_IDS = (
    "SELECT trace_id, span_id FROM calls "
    "WHERE bills AND unpriced_reason != '' AND (client_id, month) IN {shut:Array(Tuple(String, String))}"
)


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did."""

    version: str
    source_version: str
    imported: bool
    """False where the list in force is the same."""
    models: int
    filled: int
    """Calls that had no price and have one now."""
    unpriced: int
    """Calls that bill and still have none."""
    left_closed: Sequence[Difference] = ()
    """Those that could have one, in closed months, and were left as they are for want of consent."""

    def refuse_closed(self) -> None:
        """Refuse what was left undone.

        Raises:
            RefusedError: calls in closed months could be priced; those in open ones were.

        """
        if not self.left_closed:
            return
        named = ", ".join(f"{one.client_id} {one.month} ({one.calls:,})" for one in self.left_closed)
        raise RefusedError(
            f"calls of closed months that could be priced were left as they are: {named}; "
            "open months are done",
            allowed="open months; closed ones with --closed, which adjusts the next statements",
            next_step="spanledger prices sync --closed",
        )


def sync(
    client: Client, *, closed: bool = False, progress: Callable[[str, int, int], None] | None = None
) -> Synced:
    """Import the installed price list where it differs from the one in force, and fill what was unpriced.

    The overrides in force stay so.

    Args:
        client: of the ledger's database.
        closed: fill in closed months too, which makes adjustments.
        progress: is told a step, how much of it is done, and how much there is.

    Raises:
        PriceListError: the installed list cannot be taken over; nothing was changed.
        InvalidInputError: the overrides in force do not fit it; nothing was changed.
        RefusedError: another order is at work on the calls; nothing was changed.

    """
    tell = progress or (lambda *_: None)
    tell("reading the price list", 0, 1)
    content = overrides_in_force(client)
    prices = published.installed(
        facts(client), (lambda known: read(content, known, "the overrides in force")) if content else None
    )
    tell("reading the price list", 1, 1)
    return take_over(client, prices, closed=closed, progress=tell)


def take_over(
    client: Client,
    prices: PriceList,
    *,
    closed: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Synced:
    """Put a list in force where it is not, and fill what was unpriced.

    Raises:
        RefusedError: another order is at work on the calls; nothing was changed.

    """
    tell = progress or (lambda *_: None)
    with turns.taken(client, "prices sync") as turn:
        imported = in_force(client) != prices.version
        if imported:
            put_in_force(client, prices, progress=tell)
        shut = frozenset() if closed else closed_months(client)
        before = _unpriced(client)
        fill(turn, shut, progress=tell)
        after = _unpriced(client)
    return Synced(
        version=prices.version,
        source_version=prices.source_version,
        imported=imported,
        models=len(prices.models),
        filled=before - after,
        unpriced=after,
        left_closed=trial.fillable(client, shut),
    )


def in_force(client: Client) -> str:
    """The version of the list in force; empty before the first import."""
    return str(_value(client, "SELECT version FROM price_list_in_force"))


def overrides_in_force(client: Client) -> bytes:
    """The file of overrides that is part of the list in force; empty where there is none."""
    found = client.query(
        "SELECT content FROM price_overrides WHERE sha256 = "
        "(SELECT argMax(overrides, (imported_at, version)) FROM price_imports) LIMIT 1"
    ).result_rows
    return str(found[0][0]).encode() if found else b""


def put_in_force(
    client: Client, prices: PriceList, *, progress: Callable[[str, int, int], None] | None = None
) -> None:
    """Write a list's rows, and then the row that makes them count."""
    tell = progress or (lambda *_: None)
    version = prices.version
    tables = list(_tables(prices))
    for done, (table, columns, rows) in enumerate(tables):
        tell("writing the price list", done, len(tables))
        client.insert(table, [(version, *row) for row in rows], column_names=["version", *columns])
    sha256 = prices.overrides.sha256
    if sha256:
        client.insert(
            "price_overrides",
            [(sha256, prices.overrides.content.decode("utf-8-sig"))],
            column_names=["sha256", "content"],
        )
    client.insert(
        "price_imports",
        [
            (
                version,
                published.SOURCE,
                prices.source_version,
                prices.content_sha256,
                sha256,
                datetime.now(UTC),
            )
        ],
        column_names=["version", "source", "source_version", "content_sha256", "overrides", "imported_at"],
    )
    tell("writing the price list", len(tables), len(tables))


def fill(
    turn: Turn,
    shut: Collection[ClientMonth] = (),
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Price again each call that bills and for whose price the list in force was not asked yet.

    Args:
        turn: in which they are.
        shut: months that are left as they are.
        progress: is told a step, how much of it is done, and how much there is.

    """
    tell = progress or (lambda *_: None)
    wanted = "SELECT * FROM calls_to_price"
    if shut:
        wanted += f" WHERE (trace_id, span_id) NOT IN ({_CLOSED_IDS})"
    for _ in range(_MOST_PASSES):
        months = turn.ledger.query(
            f"SELECT toStartOfMonth(hour) AS month, count() FROM ({wanted}) GROUP BY month ORDER BY month",  # noqa: S608 - constants
            parameters={"shut": sorted(shut)},
        ).result_rows
        total, done = sum(count for _, count in months), 0
        if not total:
            return
        for month, count in months:
            tell("pricing what was unpriced", done, total)
            turn.run(
                f"INSERT INTO call_arrivals SELECT * FROM ({wanted}) "  # noqa: S608 - constants
                "WHERE hour >= toDateTime({month:String}, 'UTC') "
                "AND hour < toDateTime(addMonths(toDate({month:String}), 1), 'UTC')",
                {"month": month.isoformat(), "shut": sorted(shut)},
            )
            done += count
        tell("pricing what was unpriced", done, total)


def _tables(prices: PriceList) -> Iterator[tuple[str, Sequence[str], list[tuple[Any, ...]]]]:
    """(table, its columns besides the version, rows) of a list."""
    # From 1: 0 is what SQL has where no card applies.
    numbers = itertools.count(1)
    numbered = [(model, [(next(numbers), card) for card in model.cards]) for model in prices.models]
    yield (
        "price_cards",
        (
            *("card", "provider", "model_provider", "model", "valid_from", "valid_until", "minute_from"),
            *(
                "minute_until",
                "processing",
                "service_tier",
                "speed",
                "input_tokens_above",
                "rates",
                "sources",
            ),
        ),
        [
            (
                *(number, model.provider, model.owner, model.key, card.valid_from, card.valid_until),
                *(card.minute_from, card.minute_until, card.processing, card.service_tier, card.speed),
                *(card.input_tokens_above, {unit: tuple(rate) for unit, rate in card.rates.items()}),
                dict(card.sources),
            )
            for model, own in numbered
            for number, card in own
        ],
    )
    yield (
        "price_models",
        ("provider", "model", "cards"),
        [
            (
                model.provider,
                model.key,
                [
                    (
                        *(number, card.valid_from, card.valid_until, card.minute_from, card.minute_until),
                        *(card.processing, card.service_tier, card.speed, card.input_tokens_above),
                    )
                    for number, card in own
                ],
            )
            for model, own in numbered
        ],
    )
    yield "price_names", ("provider", "name", "model"), list(prices.names)
    yield (
        "price_rules",
        ("provider", "rules"),
        [
            (provider, [(list(rule.must), list(rule.must_not), rule.model) for rule in own])
            for provider, own in prices.rules
        ],
    )
    yield "price_list_facts", ("kind", "subject", "value"), list(prices.facts)


def facts(client: Client) -> list[tuple[str, str, str]]:
    """What the ledger knows beside the published list, as (kind, subject, value)."""
    return [
        (str(kind), str(subject), str(value))
        for kind, subject, value in client.query(
            "SELECT kind, subject, value FROM price_facts FINAL ORDER BY kind, subject"
        ).result_rows
    ]


def _unpriced(client: Client) -> int:
    return int(_value(client, "SELECT count() FROM calls WHERE bills AND unpriced_reason != ''"))


def _value(client: Client, query: str) -> Any:
    return client.query(query).result_rows[0][0]
