"""The whole pipeline on one machine: endpoint, ledger's schema, collector; started, watched, stopped.

The endpoint is there before the collector, and stays longer: what the collector still holds when it is told
to stop lies in its queue on disk, and goes on from there at the next start.
"""

import contextlib
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from sys import executable
from types import TracebackType
from typing import Final, Self

from spanledger_billing.embedded import collector, folder, ports
from spanledger_billing.embedded.credentials import OWNER, PASSWORD_FILES, password
from spanledger_billing.embedded.process import Process, Program
from spanledger_billing.errors import InvalidInputError, OperatorError
from spanledger_billing.grafana import local

LONGEST_BACK_OFF_S: Final = 30.0

Progress = Callable[[str], None]


class Stack:
    """What runs on one data folder. Made by `start`; also a context manager that stops it."""

    def __init__(
        self,
        data: Path,
        settled: dict[str, int],
        tokens: Path | None,
        lock: folder.Lock,
        progress: Progress,
        *,
        grafana: local.Installation | None,
    ) -> None:
        self.data = data
        self.user: Final = OWNER
        self.password = password(data)
        self.password_file = data / PASSWORD_FILES[OWNER]
        self.needs_token = tokens is not None
        self.clickhouse_url = f"http://127.0.0.1:{settled['clickhouse-port']}"
        self.otlp_http_url = f"http://127.0.0.1:{settled['otlp-http-port']}"
        self.otlp_grpc_url = f"http://127.0.0.1:{settled['otlp-grpc-port']}"
        self.metrics_url = f"http://127.0.0.1:{settled['metrics-port']}/metrics"
        self.health_url = f"http://127.0.0.1:{settled['health-port']}/"
        self.grafana_url = f"http://127.0.0.1:{settled['grafana-port']}" if grafana else None
        self._lock = lock
        self._progress = progress
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self.endpoint = Process(
            Program(
                name="endpoint",
                command=[
                    *(executable, "-m", "spanledger_billing.embedded", str(data)),
                    *("--port", str(settled["clickhouse-port"]), "--lock-fd", str(lock.descriptor)),
                ],
                environment={name: value for name, value in os.environ.items() if name != "SPANLEDGER_TOKEN"},
                ready=self._endpoint_answers,
                log=data / "log" / "endpoint.log",
                inherited=[lock.descriptor],
                stop_seconds=30,
                started=self._publish,
            ),
            self._stopping,
        )
        self.collector = Process(
            Program(
                name="collector",
                command=collector.command(tokens=tokens is not None),
                environment=collector.environment(data, settled, self.password, tokens),
                ready=self._collector_answers,
                log=data / "log" / "collector.log",
                inherited=[lock.descriptor],
                started=self._publish,
            ),
            self._stopping,
        )

        self.grafana: Process | None = None
        if grafana is not None:
            program = local.program(
                grafana,
                data,
                settled,
                answers=self._grafana_answers,
                started=self._publish,
            )
            self.grafana = Process(program, self._stopping)

    @property
    def _processes(self) -> tuple[Process, ...]:
        return (self.endpoint, self.collector, *([self.grafana] if self.grafana else []))

    def stop(self) -> None:
        """Collector before ledger, so that nothing is taken in that could not be passed on; again is fine."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        if self.grafana is not None:
            self.grafana.stop()
        self.collector.stop()
        self.endpoint.stop()
        (self.data / folder.ADDRESSES).unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._progress("starting the ledger's database")
        self.endpoint.start()
        self._migrate()
        self._progress("starting the collector")
        self.collector.start()
        self._supervisor.start()
        if self.grafana is not None:
            self._progress("starting Grafana")
            try:
                self.grafana.start()
            except OperatorError as failure:
                # Dashboards are no part of the pipeline, which works without them.
                self.grafana.stop()
                self._progress(str(failure))

    def _migrate(self) -> None:
        from clickhouse_connect import get_client

        from spanledger_billing import migrate

        client = get_client(dsn=self.clickhouse_url, username=self.user, password=self.password)
        # Named only now, since connecting to a database that is not there yet fails.
        client.database = collector.database()
        try:
            migrate.apply(client, progress=lambda name: self._progress(f"migration {name}"))
        finally:
            client.close()

    def _publish(self) -> None:
        addresses = {
            "clickhouse_url": self.clickhouse_url,
            "user": self.user,
            "otlp_http_url": self.otlp_http_url,
            "otlp_grpc_url": self.otlp_grpc_url,
            "metrics_url": self.metrics_url,
            "health_url": self.health_url,
            **({"grafana_url": self.grafana_url} if self.grafana and self.grafana.alive else {}),
            "pid": os.getpid(),
            **{
                f"{process.program.name.lower()}_pid": process.pid
                for process in self._processes
                if process.alive
            },
        }
        self._lock.describe(addresses)
        folder.write_addresses(self.data, addresses)

    def _endpoint_answers(self) -> bool:
        # With the password: that some server listens there does not make it ours.
        request = urllib.request.Request(f"{self.clickhouse_url}/?query=SELECT%201")  # noqa: S310 - loopback
        request.add_header("X-ClickHouse-User", self.user)
        request.add_header("X-ClickHouse-Key", self.password)
        return _answers(request)

    def _collector_answers(self) -> bool:
        return _answers(urllib.request.Request(self.health_url))  # noqa: S310 - loopback

    def _grafana_answers(self) -> bool:
        return _answers(urllib.request.Request(f"{self.grafana_url}/api/health"))  # noqa: S310 - loopback

    def _supervise(self) -> None:
        tries = dict.fromkeys((process.program.name for process in self._processes), 0)
        next_try = dict.fromkeys(tries, 0.0)
        while not self._stopping.wait(0.5):
            for process in self._processes:
                name = process.program.name
                process.trim_log()
                if not process.died:
                    continue
                if time.monotonic() < next_try[name]:
                    continue
                self._progress(f"the {name} ended by itself; starting it again")
                revived = process.revive()
                tries[name] = 0 if revived else tries[name] + 1
                # Also after a start that went well, or what dies at once would be started without a pause.
                next_try[name] = time.monotonic() + min(2.0 ** tries[name], LONGEST_BACK_OFF_S)
                if not revived:
                    self._progress(f"the {name} does not start; next try in {2.0 ** tries[name]:.0f} s")


def start(
    data_dir: str | os.PathLike[str],
    *,
    otlp_http_port: int = 0,
    otlp_grpc_port: int = 0,
    clickhouse_port: int = 0,
    metrics_port: int = 0,
    health_port: int = 0,
    grafana_port: int = 0,
    token: str | None = None,
    tokens_file: str | os.PathLike[str] | None = None,
    grafana: local.Installation | None = None,
    progress: Progress | None = None,
) -> Stack:
    """Starts everything on a data folder and returns when it is ready.

    Args:
        data_dir: made where it is not there.
        otlp_http_port: where apps send to; this and each other port 0 for any free one.
        otlp_grpc_port: the same in gRPC.
        clickhouse_port: the ledger, as ClickHouse's HTTP interface.
        metrics_port: what the collector says of itself.
        health_port: whether the collector works.
        grafana_port: the dashboards, where there is a Grafana.
        token: what senders must show as `Authorization: Bearer TOKEN`; by default they need not.
        tokens_file: several such tokens, one a line.
        grafana: started too, with the dashboards; that it does not start is told, and the rest goes on.
        progress: is told what happens, a line at a time, also later when something is started again.

    Raises:
        InvalidInputError: a port is taken, the collector is not built, the folder cannot be used, or files
            may not grow.
        RefusedError: something runs on the folder already.
        OperatorError: a component did not start.

    """
    folder.check_file_size_limit()
    data = folder.prepare(Path(data_dir))
    lock = folder.Lock(data)
    with contextlib.ExitStack() as undo:
        undo.callback(lock.release)
        # Of a run that was killed: nothing answers there, or something else does.
        (data / folder.ADDRESSES).unlink(missing_ok=True)
        settled = ports.settle(
            {
                "otlp-http-port": otlp_http_port,
                "otlp-grpc-port": otlp_grpc_port,
                "clickhouse-port": clickhouse_port,
                "metrics-port": metrics_port,
                "health-port": health_port,
                **({"grafana-port": grafana_port} if grafana else {}),
            }
        )
        stack = Stack(
            data,
            settled,
            _tokens(data, token, tokens_file),
            lock,
            progress or (lambda _line: None),
            grafana=grafana,
        )
        undo.pop_all()
    try:
        stack._start()  # noqa: SLF001 - the other half of this function
    except BaseException:
        stack.stop()
        raise
    return stack


def _tokens(data: Path, token: str | None, tokens_file: str | os.PathLike[str] | None) -> Path | None:
    if tokens_file is not None:
        path = Path(tokens_file).expanduser().resolve()
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"the tokens file {path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}",
                next_step="name a file with one token a line",
            ) from error
        if not any(line.strip() for line in lines):
            raise InvalidInputError(f"the tokens file {path} holds no token", allowed="one token a line")
        return path
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInputError(
            "the token has characters that no HTTP header may hold", allowed="visible ASCII without spaces"
        )
    path = data / "tokens"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return path


def _answers(request: urllib.request.Request) -> bool:
    # A proxy of the environment's is no way to this very machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
