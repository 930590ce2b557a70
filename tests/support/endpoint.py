"""The embedded endpoint as a process of its own, on the real engine."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect

from spanledger_billing.embedded import credentials, folder


@dataclass
class Endpoint:
    """An endpoint and the way to reach it."""

    process: subprocess.Popen[str]
    data: Path
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def password(self, user: str = credentials.OWNER) -> str:
        return credentials.password(self.data, user)

    def client(self, user: str = credentials.OWNER, **options: Any) -> Any:
        login = {"username": user, "password": self.password(user), "database": "test"}
        return clickhouse_connect.get_client(dsn=self.url, **{**login, **options})

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


@contextmanager
def running(data: Path, program: Sequence[str] = ("-m", "spanledger_billing.embedded")) -> Iterator[Endpoint]:
    command = [sys.executable, *program, str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # It prints its addresses when it is ready, or nothing and ends.
            printed = process.stdout.readline()
            while printed and "ClickHouse HTTP interface" not in printed:
                printed = process.stdout.readline()
            assert printed, process.stderr and process.stderr.read()
            endpoint = Endpoint(process, data, folder.addresses(data)["clickhouse_url"])
            client = endpoint.client(database="default")
            client.command("CREATE DATABASE IF NOT EXISTS test")
            client.close()
            yield endpoint
        finally:
            process.kill()
