"""The collector of embedded mode: where its binary is, and what its configuration is filled in with."""

import os
import shutil
from pathlib import Path
from typing import Final

from spanledger_billing import resources
from spanledger_billing.errors import InvalidInputError

BINARY: Final = "otelcol-spanledger"
MEMORY_MIB: Final = 1024


def binary() -> Path:
    """`SPANLEDGER_COLLECTOR_BINARY`, else what `make collector` built, else what is on the PATH.

    Raises:
        InvalidInputError: none of them is there.

    """
    named = os.environ.get("SPANLEDGER_COLLECTOR_BINARY", "")
    if named:
        if os.access(named, os.X_OK):
            return Path(named)
        raise InvalidInputError(
            f"SPANLEDGER_COLLECTOR_BINARY is {named!r}, which is no program that can be run",
            next_step="build the collector with `make collector`, and unset the variable",
        )
    built = resources.folder("collector").parent / ".build" / "collector" / BINARY
    if os.access(built, os.X_OK):
        return built
    on_path = shutil.which(BINARY)
    if on_path:
        return Path(on_path)
    raise InvalidInputError(
        f"the collector is not built: there is no {built}",
        next_step="run `make collector` in a checkout of spanledger, "
        "or set SPANLEDGER_COLLECTOR_BINARY to the binary it builds",
    )


def command(*, tokens: bool) -> list[str]:
    """With `tokens`, senders must show one."""
    folder = resources.folder("collector")
    files = ["config.yaml", "auth.yaml"] if tokens else ["config.yaml"]
    configs = [part for name in files for part in ("--config", str(folder / name))]
    return [str(binary()), *configs]


def environment(data: Path, ports: dict[str, int], password: str, tokens: Path | None) -> dict[str, str]:
    """All that config.yaml leaves open, so that nothing of it is taken from the operator's own environment.

    There a variable for the Docker set-up could make the collector of this machine listen beyond loopback.
    Only how much may wait on disk is the operator's to say.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        # OTEL_* would configure the collector's own telemetry, with what was meant for the apps'.
        if not name.startswith(("OTEL_", "SPANLEDGER_")) or name == "SPANLEDGER_QUEUE_BYTES"
    }
    ours = {
        "SPANLEDGER_OTLP_HOST": "127.0.0.1",
        "SPANLEDGER_OTLP_HTTP_PORT": str(ports["otlp-http-port"]),
        "SPANLEDGER_OTLP_GRPC_PORT": str(ports["otlp-grpc-port"]),
        "SPANLEDGER_CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{ports['clickhouse-port']}",
        "SPANLEDGER_CLICKHOUSE_USER": "spanledger",
        "SPANLEDGER_CLICKHOUSE_PASSWORD": password,
        "SPANLEDGER_CLICKHOUSE_COMPRESS": "none",
        "SPANLEDGER_DATABASE": database(),
        "SPANLEDGER_QUEUE_DIR": str(data / "queue"),
        "SPANLEDGER_METRICS_HOST": "127.0.0.1",
        "SPANLEDGER_METRICS_PORT": str(ports["metrics-port"]),
        "SPANLEDGER_HEALTH_HOST": "127.0.0.1",
        "SPANLEDGER_HEALTH_PORT": str(ports["health-port"]),
        "SPANLEDGER_COLLECTOR_MEMORY_MIB": str(MEMORY_MIB),
        # Go collects garbage in time instead of running into the limit.
        "GOMEMLIMIT": f"{MEMORY_MIB * 8 // 10}MiB",
    }
    if tokens is not None:
        ours["SPANLEDGER_TOKENS_FILE"] = str(tokens)
    return {**inherited, **ours}


def database() -> str:
    """The ledger's database.

    Raises:
        InvalidInputError: it is the one that can hold no tables here.

    """
    name = os.environ.get("SPANLEDGER_DATABASE") or "spanledger"
    if name in {"default", "system"}:
        raise InvalidInputError(
            f"SPANLEDGER_DATABASE is {name!r}, in which the embedded engine keeps nothing",
            next_step="unset it, or give the ledger a name of its own",
        )
    return name
