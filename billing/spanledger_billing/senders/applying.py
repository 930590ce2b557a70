"""`spanledger senders apply`: from the senders in force to what a file says, all or nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spanledger_billing.errors import RefusedError
from spanledger_billing.senders import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spanledger_billing.senders.model import Sender

EVERYBODY: Final = "all clients"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the difference; `mark` is +, ~ or -."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What an apply would do."""

    senders: tuple[Sender, ...]
    file_sha256: str
    before: tables.Version
    lines: tuple[Line, ...]
    """The difference, for people; empty where there is none."""
    without_terms: tuple[str, ...]
    """Clients that a sender may bill and that are under no terms: misspelt, or yet to come."""

    @property
    def begins(self) -> bool:
        """Whether anybody could bill anybody until now."""
        return self.before.senders is None


def plan(ledger: Any, senders: Sequence[Sender], content: bytes) -> Change:
    """What applying senders changes. Writes nothing.

    Args:
        ledger: a client of clickhouse-connect, as `ledger.connect()` gives.
        senders: what the file says.
        content: the file's bytes, by which its version is found again.

    """
    before = tables.current(ledger)
    known = {client_id for (client_id,) in ledger.query("SELECT client_id FROM current_clients").result_rows}
    named = {client_id for sender in senders for client_id in sender.clients or ()}
    return Change(
        senders=tuple(senders),
        file_sha256=hashlib.sha256(content).hexdigest(),
        before=before,
        lines=tuple(_differences(before.senders or (), senders)),
        without_terms=tuple(sorted(named - known)),
    )


def carry_out(ledger: Any, change: Change) -> int:
    """Apply a change; the version in force then.

    Raises:
        RefusedError: another apply came first.

    """
    if not change.lines:
        return change.before.number
    version = change.before.number + 1
    tables.write(ledger, change.senders, version=version, file_sha256=change.file_sha256)
    return version


def lift(ledger: Any) -> int:
    """Let anybody bill anybody again; the version in force then.

    Raises:
        RefusedError: nothing is applied.

    """
    before = tables.current(ledger)
    if before.senders is None:
        raise RefusedError(
            "no senders are applied: anybody who can send may bill anybody already",
            next_step="spanledger senders apply senders.yaml, to change that",
        )
    tables.write(ledger, None, version=before.number + 1)
    return before.number + 1


def clients_of(sender: Sender) -> str:
    """Whom it may bill, for people."""
    return EVERYBODY if sender.clients is None else ", ".join(sender.clients)


def _differences(before: Sequence[Sender], after: Sequence[Sender]) -> Iterator[Line]:
    old = {sender.name: sender for sender in before}
    new = {sender.name: sender for sender in after}
    for name in sorted({*old, *new}):
        if name not in old:
            yield Line("+", f"sender {name} may bill {clients_of(new[name])}")
        elif name not in new:
            yield Line("-", f"sender {name}, who could bill {clients_of(old[name])}")
        else:
            yield from _changes(old[name], new[name])


def _changes(old: Sender, new: Sender) -> Iterator[Line]:
    if old.stamp != new.stamp:
        yield Line("~", f"sender {new.name} shows another token")
    if old.clients is None or new.clients is None:
        if old.clients != new.clients:
            yield Line("~", f"sender {new.name} may bill {clients_of(new)} (was {clients_of(old)})")
        return
    for client_id in sorted({*old.clients, *new.clients}):
        if client_id not in old.clients:
            yield Line("+", f"sender {new.name} may bill {client_id} too")
        elif client_id not in new.clients:
            yield Line("-", f"sender {new.name} may no longer bill {client_id}")
