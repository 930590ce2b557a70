"""What most tests of the schema start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.fixture
def ledger(priced_ledger: Client) -> Client:
    """A ledger without calls, with the installed price list, shared: tests put calls into it and nothing else."""
    return priced_ledger
