"""A client's standing is that of its own today."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spanledger_billing.clients.reading import read
from spanledger_billing.clients.showing import standings

FILE = b"""
agency: {name: Meridian}
clients:
  - id: acme
    name: ACME
    timezone: America/New_York
    currency: USD
    terms:
      - {from: 2026-03-01, plan: {markup_percent: 30}}
      - {from: 2026-04-01, plan: {markup_percent: 20}, until: 2026-05-01}
      - {from: 2026-06-01, timezone: Asia/Tokyo, until: 2026-07-01}
"""


@pytest.mark.parametrize(
    ("now", "state"),
    [
        # Midnight is at 05:00 UTC in New York's winter, at 04:00 in its summer, and at 15:00 before in Tokyo.
        (datetime(2026, 3, 1, 4, 59, tzinfo=UTC), "begins 2026-03-01"),
        (datetime(2026, 3, 1, 5, 0, tzinfo=UTC), "since 2026-03-01"),
        (datetime(2026, 4, 1, 3, 59, tzinfo=UTC), "since 2026-03-01"),
        (datetime(2026, 4, 1, 4, 0, tzinfo=UTC), "since 2026-04-01"),
        (datetime(2026, 5, 1, 4, 0, tzinfo=UTC), "begins 2026-06-01"),
        (datetime(2026, 5, 31, 14, 59, tzinfo=UTC), "begins 2026-06-01"),
        (datetime(2026, 5, 31, 15, 0, tzinfo=UTC), "since 2026-06-01"),
        (datetime(2026, 6, 30, 15, 0, tzinfo=UTC), "ended 2026-07-01"),
    ],
)
def test_terms_begin_and_end_at_the_clients_local_midnight(now, state):
    (standing,) = standings(read(FILE), now)
    assert standing.state == state
