"""Where statements come from: what the command line needs of the ledger, and no more."""

from collections.abc import Sequence
from typing import Protocol

from spanledger_billing.statements.model import Copy, Statement
from spanledger_billing.statements.rendering import Format


class Source(Protocol):
    """Statements of one ledger."""

    def clients(self, month: str) -> Sequence[str]:
        """Ids of the clients that have a statement in this month, in the order of the ids."""

    def statement(self, client_id: str, month: str) -> Statement:
        """The client's month as a full copy: frozen where it is closed, else as the ledger has it now.

        Raises:
            InvalidInputError: there is no such client, or it has no terms in this month.

        """

    def frozen(self, client_id: str, month: str, copy: Copy, form: Format) -> bytes | None:
        """The document that was stored when the month was closed; None while it is open."""
