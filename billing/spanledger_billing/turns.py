"""Turns: of the orders that store calls anew, one works at a time.

Such an order (`prices sync`, `prices apply`, `reprice`, `attribute`) reads calls and stores them one revision
higher. Of two at once the later would put its revision, made of what it read before, in the place of the
earlier's. So each takes a turn: the next number, of which one insert wins. An order that has looked at calls
takes the turn after the one that it looked in, so that nothing it showed can have changed; one that comes too
late is refused, having changed nothing.

A turn without an end is at work, or was killed; whichever, no statement of it runs any more once it has said
nothing for `SILENCE`.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing import orders
from spanledger_billing.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST: Final = timedelta(minutes=5)
"""What one statement may take; the driver waits no longer."""
SILENCE: Final = timedelta(minutes=6)
"""After which a turn without an end counts as one that was killed."""


@dataclass(frozen=True, slots=True)
class _Last:
    """The last turn, as it stands."""

    number: int
    command: str = ""
    ordered_by: str = ""
    began_at: datetime | None = None
    at_work: bool = False
    over_at: datetime | None = None
    """When it counts as killed if it says nothing more."""

    def __str__(self) -> str:
        by = f" of {self.ordered_by}" if self.ordered_by else ""
        return f"spanledger {self.command}{by} of {self.began_at:%Y-%m-%d %H:%M} UTC"


@dataclass(slots=True)
class Turn:
    """The right to store calls anew, until its context ends."""

    ledger: Any
    number: int
    command: str
    turn_id: str = field(default_factory=lambda: secrets.token_hex(8))
    _in_flight: bool = False
    """A statement was sent, and the server has not said what became of it."""

    def run(self, sql: str, parameters: Mapping[str, Any]) -> None:
        """Run a statement that stores calls anew.

        Raises:
            RefusedError: nothing was heard of this turn for so long that another was taken.

        """
        from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

        self.say("goes on")
        last = _last(self.ledger)
        if last.number != self.number:
            raise RefusedError(
                f"this stood still for so long that {last} took its turn; it is not finished",
                next_step="run it again",
            )
        self._in_flight = True
        try:
            self.ledger.command(
                sql,
                parameters=parameters,
                settings={"max_execution_time": int(LONGEST.total_seconds())},
            )
        except DatabaseError as failure:
            # An OperationalError is a connection's: the server may be at it still.
            self._in_flight = isinstance(failure, OperationalError)
            raise
        self._in_flight = False

    def say(self, what: str) -> None:
        """Put it on record. A turn begins by a row that one order alone can write."""
        began = what == "began"
        self.ledger.insert(
            "order_turns",
            [[self.number, self.turn_id, self.command, orders.who(), what]],
            column_names=["number", "turn_id", "command", "ordered_by", "said"],
            settings={
                "async_insert": 0,
                "insert_deduplication_token": f"turn {self.number}" if began else secrets.token_hex(8),
            },
        )

    def end(self) -> None:
        """Let the next order come, unless a statement may still be running."""
        if not self._in_flight:
            self.say("ended")


def seen(ledger: Any) -> int:
    """The number of the last turn: to be asked before calls are looked at, and given to `taken`.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.

    Raises:
        RefusedError: it is not over.

    """
    last = _last(ledger)
    _refuse_at_work(last)
    return last.number


def refuse_since(ledger: Any, number: int) -> None:
    """Refuse to go on where calls may be others now than when `seen` was asked.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        number: what `seen` said.

    Raises:
        RefusedError: an order came since.

    """
    last = _last(ledger)
    if last.number != number:
        raise _came_first(last)


@contextmanager
def taken(ledger: Any, command: str, *, after: int | None = None) -> Iterator[Turn]:
    """Store calls anew in a turn of one's own.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        command: what the order is called.
        after: what `seen` said when the order looked at the calls; None where it looks at them in its turn.

    Raises:
        RefusedError: another order is at work, or came in between; nothing was changed.

    """
    last = _last(ledger)
    if after is not None and last.number != after:
        raise _came_first(last)
    _refuse_at_work(last)
    turn = Turn(ledger, last.number + 1, command)
    turn.say("began")
    if not _is_of(ledger, turn):
        raise _came_first(_last(ledger))
    try:
        yield turn
    except BaseException:
        # What went wrong first is what is told.
        with suppress(Exception):
            turn.end()
        raise
    turn.end()


def _is_of(ledger: Any, turn: Turn) -> bool:
    """Whether the turn's number is its own."""
    found = ledger.query(
        "SELECT turn_id FROM order_turns WHERE number = {number:UInt32} AND said = 'began'",
        parameters={"number": turn.number},
    ).result_rows
    return [str(turn_id) for (turn_id,) in found] == [turn.turn_id]


def _refuse_at_work(last: _Last) -> None:
    if last.at_work:
        raise RefusedError(
            f"{last} is at work on the calls; nothing was changed",
            next_step="run this again once it has ended; "
            f"if it was killed, after {last.over_at:%H:%M:%S} UTC, when that is sure",
        )


def _came_first(last: _Last) -> RefusedError:
    return RefusedError(
        f"{last} came in between, and the calls may be others now; nothing was changed",
        next_step="run this again",
    )


def _last(ledger: Any) -> _Last:
    found = ledger.query(
        """
        SELECT
            number,
            any(command),
            any(ordered_by),
            toString(toDateTime(min(said_at), 'UTC')),
            countIf(said = 'ended') = 0 AND max(said_at) > now64(3, 'UTC') - {silence:UInt32},
            toString(toDateTime(max(said_at), 'UTC') + {silence:UInt32})
        FROM order_turns
        WHERE number = (SELECT max(number) FROM order_turns)
        GROUP BY number
        """,
        parameters={"silence": int(SILENCE.total_seconds())},
    ).result_rows
    if not found:
        return _Last(0)
    number, command, ordered_by, began, at_work, over = found[0]
    return _Last(
        int(number),
        str(command),
        str(ordered_by),
        datetime.fromisoformat(began),
        bool(at_work),
        datetime.fromisoformat(over),
    )
