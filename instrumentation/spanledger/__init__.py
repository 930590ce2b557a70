"""Meter every LLM call of an app, per client."""

from spanledger._version import __version__

__all__ = ["__version__"]
