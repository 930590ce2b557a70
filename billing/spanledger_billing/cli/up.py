"""`spanledger up`: the whole pipeline on this machine, in the foreground."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from spanledger_billing.up import Stack

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
"""Where apps send to that were told nothing else."""


def up(
    *,
    data: Annotated[
        Path, typer.Option(envvar="SPANLEDGER_DATA", help="Folder of all data; made where it is not there.")
    ] = Path("spanledger-data"),
    otlp_http_port: Annotated[
        int,
        typer.Option(envvar="SPANLEDGER_OTLP_HTTP_PORT", help="Where apps send to. 0: any free port."),
    ] = 4318,
    otlp_grpc_port: Annotated[
        int, typer.Option(envvar="SPANLEDGER_OTLP_GRPC_PORT", help="The same in gRPC.")
    ] = 4317,
    clickhouse_port: Annotated[
        int, typer.Option(envvar="SPANLEDGER_CLICKHOUSE_PORT", help="The ledger, as ClickHouse speaks HTTP.")
    ] = 8123,
    metrics_port: Annotated[
        int, typer.Option(envvar="SPANLEDGER_METRICS_PORT", help="The collector's own metrics.")
    ] = 8888,
    health_port: Annotated[
        int, typer.Option(envvar="SPANLEDGER_HEALTH_PORT", help="Whether the collector works.")
    ] = 13133,
    tokens_file: Annotated[
        Path | None,
        typer.Option(
            envvar="SPANLEDGER_TOKENS_FILE",
            help="Senders must show one of its tokens (one a line). For a single one: SPANLEDGER_TOKEN.",
        ),
    ] = None,
    grafana: Annotated[
        bool, typer.Option("--grafana", help="Start the Grafana of this machine too, with the dashboards.")
    ] = False,
    grafana_port: Annotated[
        int, typer.Option(envvar="SPANLEDGER_GRAFANA_PORT", help="Where it listens.")
    ] = 3000,
    grafana_home: Annotated[
        Path | None,
        typer.Option(
            envvar="SPANLEDGER_GRAFANA_HOME",
            help="Its home, with conf and public; else that of Grafana's packages.",
            show_default=False,
        ),
    ] = None,
    grafana_binary: Annotated[
        Path | None,
        typer.Option(
            envvar="SPANLEDGER_GRAFANA_BINARY",
            help="Its program; else that in its home or on the PATH.",
            show_default=False,
        ),
    ] = None,
    grafana_plugins: Annotated[
        Path | None,
        typer.Option(
            envvar="SPANLEDGER_GRAFANA_PLUGINS",
            help="Its plugins; else DATA/grafana/plugins, or where its home or its packages have them.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Run ledger and collector on this machine until Ctrl-C; all data in one folder.

    Everything listens on 127.0.0.1 only. The ledger asks for the password in DATA/password.
    """
    from spanledger_billing import up as pipeline
    from spanledger_billing.cli import output
    from spanledger_billing.grafana import local

    say, show = output.console(stderr=True), output.console()
    say.quiet = show.quiet = quiet
    installed = None
    if grafana:
        try:
            installed = local.find(
                grafana_binary, grafana_home, grafana_plugins, data=data.expanduser().absolute()
            )
        except local.NoGrafanaError as missing:
            say.print(f"without dashboards: {missing}", soft_wrap=True)
    # SIGINT as well: what a script runs in the background begins with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with (
        contextlib.suppress(KeyboardInterrupt),
        pipeline.start(
            data,
            otlp_http_port=otlp_http_port,
            otlp_grpc_port=otlp_grpc_port,
            clickhouse_port=clickhouse_port,
            metrics_port=metrics_port,
            health_port=health_port,
            token=os.environ.get("SPANLEDGER_TOKEN"),
            tokens_file=tokens_file,
            grafana_port=grafana_port,
            grafana=installed,
            progress=lambda line: say.print(line, style="dim"),
        ) as stack,
    ):
        show.print(_summary(stack), soft_wrap=True)
        try:
            threading.Event().wait()
        finally:
            # Once is enough: a second Ctrl-C must not cut the orderly stop short.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            say.print("stopping", style="dim")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _summary(stack: Stack) -> str:
    """One line each, however wide the screen is: an address or a path is there to be copied."""
    from spanledger_billing.grafana import local

    told = {
        "apps send to": f"{stack.otlp_http_url} (OTLP/HTTP), {stack.otlp_grpc_url} (gRPC)",
        "the ledger": f"{stack.clickhouse_url}, user {stack.user}, password in {stack.password_file}",
        "the collector": f"{stack.metrics_url}, {stack.health_url}",
    }
    if stack.grafana is not None and stack.grafana.alive:
        password = stack.data / local.PASSWORD_FILE
        told["the dashboards"] = f"{stack.grafana_url}, user {local.ADMIN}, password in {password}"
    told["all data"] = str(stack.data)
    token = ", token=…" if stack.needs_token else ""
    endpoint = "" if stack.otlp_http_url == DEFAULT_ENDPOINT else f'endpoint="{stack.otlp_http_url}"'
    arguments = f"{endpoint}{token}".removeprefix(", ")
    told["next"] = f"spanledger.instrument({arguments}) in an app, then `spanledger usage`; Ctrl-C stops"
    width = max(map(len, told))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in told.items())
