"""Where the components are: as the environment says, else where `spanledger up` runs them, else the usual."""

import os
from pathlib import Path
from typing import Final

from spanledger_billing import ledger
from spanledger_billing.embedded import folder
from spanledger_billing.errors import UnreachableError

USUAL_METRICS: Final = "http://127.0.0.1:8888/metrics"


class Places:
    """Collector and its metrics; the ledger itself is found by `ledger.connect`."""

    def __init__(self, data_folder: Path | None = None) -> None:
        """With a data folder, what runs there comes before what the environment says."""
        running = _running(data_folder)
        named = {} if data_folder else os.environ
        self.metrics_url = named.get("SPANLEDGER_METRICS_URL") or running.get("metrics_url") or USUAL_METRICS
        self.otlp_endpoint = None if named.get("SPANLEDGER_ENDPOINT") else running.get("otlp_http_url")
        """None for what the instrumentation takes by itself."""


def _running(data_folder: Path | None) -> dict[str, str]:
    if data_folder is None and os.environ.get("SPANLEDGER_CLICKHOUSE_URL"):
        return {}  # the ledger is on a server, and the collector with it
    default = Path(os.environ.get("SPANLEDGER_DATA") or ledger.DEFAULT_DATA_FOLDER)
    try:
        return folder.addresses(data_folder or default)
    except UnreachableError:
        return {}
