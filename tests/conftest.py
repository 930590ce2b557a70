"""Fixtures and hooks for every folder of tests."""

pytest_plugins = ["support.not_run", "support.leftovers"]
