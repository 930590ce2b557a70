"""The agency's day sent to a collector that is there already, and checked where its ledger can be read."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spanledger import settings as app_settings
from spanledger.delivery.outbox import status as outbox
from spanledger_billing import ledger
from spanledger_billing.demo import day, reconcile, terms
from spanledger_billing.doctor import probe
from spanledger_billing.errors import InvalidInputError, OperatorError, UnreachableError
from spanledger_billing.senders.model import stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

PATIENCE_S: Final = 90.0
"""For a span to pass the collector and reach the ledger."""


@dataclass(frozen=True)
class Outcome:
    """What the providers' books say, and how the ledger differs from them."""

    books: reconcile.Tally
    differences: list[reconcile.Difference] | None
    """None where the ledger was not asked."""
    not_asked: str = ""
    """Why; else empty."""
    refusals: tuple[str, ...] = ()
    """Why calls of the demo's sender bill nobody, where the ledger says who may bill whom."""


def endpoint(url: str) -> str:
    """The collector's address.

    Raises:
        InvalidInputError: it is none.

    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.query:
        raise InvalidInputError(
            "--to is not the address of a collector",
            allowed="http://host:4318 or https://host, of OTLP over HTTP",
            next_step="the collector's token goes into SPANLEDGER_TOKEN",
        )
    return url


def spend(
    to: str,
    folder: Path,
    *,
    seed: int,
    rounds: int,
    say: Callable[[str], None],
    told: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Let the agency work, sending to a collector.

    Args:
        to: the collector's address; its token is in the environment.
        folder: for log and outbox.
        seed: of the providers' figures.
        rounds: how often each client's jobs are done.
        say: is told what happens.
        told: is told the number of calls so far.

    Raises:
        UnreachableError: the collector does not take the spans.

    """
    settings = app_settings.resolve(endpoint=endpoint(to))
    trace_id = probe.send(settings)
    with contextlib.ExitStack() as open_:
        connection, not_asked = _ledger_behind(trace_id, open_)
        if connection is not None:
            for what in terms.put_in_force(connection):
                say(f"the ledger had no {what}: the demo's are in force now")
        worked = day.spend(to, seed=seed, rounds=rounds, folder=folder, told=told)
        left = outbox.read(folder / "outbox", 0).spans
        if left:
            raise UnreachableError(
                f"{left} of the demo's spans were not taken by the collector in time",
                next_step=f"python -m spanledger outbox flush --dir {folder / 'outbox'} --endpoint {to}",
            )
        books = reconcile.tally_of_books(worked.books)
        if connection is None:
            return Outcome(books, None, not_asked)
        found = reconcile.wait_until_they_agree(connection, books, worked.began, PATIENCE_S, day.SERVICES)
        refusals = _refusals(connection, settings.token, worked.began) if found else ()
    return Outcome(books, found, refusals=refusals)


def _refusals(connection: Any, token: str | None, since: datetime) -> tuple[str, ...]:
    rows = connection.query(
        "SELECT reason FROM sender_refusals"
        " WHERE stamp = {stamp:String} AND last_call >= {since:DateTime64(9, 'UTC')} ORDER BY reason",
        parameters={"stamp": stamp(token) if token else "", "since": since},
    ).result_rows
    return tuple([reason for (reason,) in rows])


def _ledger_behind(trace_id: str, open_: contextlib.ExitStack) -> tuple[Any, str]:
    """The ledger of the environment, if it is the one that the collector writes to; else None and why."""
    try:
        connection = open_.enter_context(ledger.connect())
    except OperatorError as error:
        return None, error.found
    if probe.arrived(connection, trace_id, PATIENCE_S) is None:
        return None, "the ledger that the environment names does not get what this collector takes"
    return connection, ""
