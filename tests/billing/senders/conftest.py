"""A ledger without senders, which the command line finds too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spanledger_billing import ledger as connection

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.fixture
def ledger(priced_ledger: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(connection, "connect", lambda *_: priced_ledger)
    return priced_ledger
