"""Fixtures and hooks for every folder of tests."""

pytest_plugins = [
    "support.outbox",
    "support.replay",
    "support.stack",
    "support.ledgers",
    "support.not_run",
    "support.leftovers",
]
