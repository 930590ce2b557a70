"""Meter every LLM call of an app, per client.

import spanledger

spanledger.instrument()

with spanledger.bill_to("acme", project="seo-bot"):
openai_client.chat.completions.create(...)
"""

from spanledger._version import __version__
from spanledger.context import bill_to
from spanledger.lifecycle import flush, instrument, uninstrument

__all__ = ["__version__", "bill_to", "flush", "instrument", "uninstrument"]
