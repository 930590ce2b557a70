"""Fixtures and hooks for every folder of tests."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.outbox",
    "support.replay",
    "support.stack",
    "support.ledgers",
    "support.not_run",
    "support.leftovers",
]

# No claim here is about time, so neither a slow example nor a slow machine may fail one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
