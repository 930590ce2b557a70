"""Fixtures and hooks for every folder of tests."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.outbox",
    "support.replay",
    "support.stack",
    "support.ledgers",
    "support.not_run",
    "support.leftovers",
]

# No claim here is about time, so neither a slow example nor a slow machine may fail one. In CI the examples are the
# same each time: a change is judged by what it changes, and the search goes on in everybody's own runs.
settings.register_profile(
    "untimed",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")
