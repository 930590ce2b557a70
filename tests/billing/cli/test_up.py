"""`spanledger up` as an operator runs it: in the foreground, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger_billing.embedded import folder
from spanledger_billing.errors import UnreachableError
from support import otlp
from support.stack import DataFolder
from support.waiting import wait_for

FREE_PORTS = [
    part
    for option in ("otlp-http", "otlp-grpc", "clickhouse", "metrics", "health")
    for part in (f"--{option}-port", "0")
]


def _is_ready(data: Path, pid: int) -> bool:
    try:
        written = folder.addresses(data)
    except UnreachableError:
        return False
    return written["pid"] == pid and "collector_pid" in written


@contextmanager
def _up(data: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Yields when everything is ready."""
    command = [
        sys.executable,
        "-m",
        "spanledger_billing.cli",
        "up",
        "--data",
        str(data),
        *FREE_PORTS,
        *options,
    ]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(lambda: process.poll() is not None or _is_ready(data, process.pid), "spanledger up")
            yield process
        finally:
            process.kill()


def _printed(process: subprocess.Popen[str]) -> str:
    """What it prints once all runs, to the line that says how to stop it."""
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    return printed


def _gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _pids(data: Path) -> list[int]:
    written = folder.addresses(data)
    return [written["endpoint_pid"], written["collector_pid"]]


@pytest.fixture
def data(tmp_path: Path, data_folder: DataFolder) -> Path:
    """A folder in which it ran before."""
    return data_folder(tmp_path / "data")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_where_everything_is_and_stops_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    with _up(tmp_path) as process:
        addresses, pids = folder.addresses(tmp_path), _pids(tmp_path)
        assert otlp.post(addresses["otlp_http_url"], otlp.request(1)[0]) == 200
        printed = _printed(process)
        process.send_signal(how)
        rest, said = process.communicate()
        printed += rest
    assert process.returncode == 0
    for key in ("otlp_http_url", "otlp_grpc_url", "clickhouse_url", "metrics_url", "health_url"):
        assert addresses[key] in printed
    assert f"password in {tmp_path / 'password'}" in printed
    assert "spanledger.instrument(" in printed
    assert said.rstrip().endswith("stopping")
    assert (tmp_path / "password").read_text().strip() not in printed + said
    assert _gone(pids)
    assert not (tmp_path / folder.ADDRESSES).exists()


def test_a_second_one_on_the_folder_ends_with_4_and_names_the_first(data: Path) -> None:
    with _up(data) as first, _up(data) as second:
        _printed, said = second.communicate()
        assert second.returncode == 4
        assert f"in use by process {first.pid}" in said
        first.send_signal(signal.SIGINT)
        first.communicate()


def test_after_a_kill_nothing_is_left_running_and_the_folder_is_free(data: Path) -> None:
    with _up(data) as killed:
        pids = _pids(data)
        killed.kill()
        killed.communicate()
    wait_for(lambda: _gone(pids), "endpoint and collector to notice that they are alone")
    with _up(data) as again:
        again.send_signal(signal.SIGINT)
        again.communicate()
    assert again.returncode == 0


def test_quiet_means_quiet(data: Path) -> None:
    with _up(data, "--quiet") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")


def test_a_token_from_the_environment_is_asked_for_and_not_printed(data: Path) -> None:
    with _up(data, SPANLEDGER_TOKEN="only-token") as process:
        url = folder.addresses(data)["otlp_http_url"]
        body, _ids = otlp.request(1)
        assert [otlp.post(url, body), otlp.post(url, body, otlp.bearer("only-token"))] == [401, 200]
        printed = _printed(process)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate()
        printed += rest
    assert "token=" in printed
    assert "only-token" not in printed + said


def test_a_taken_port_ends_it_with_2(data: Path, tmp_path: Path) -> None:
    with _up(data) as first:
        port = folder.addresses(data)["clickhouse_url"].rpartition(":")[2]
        with _up(tmp_path / "second", "--clickhouse-port", port) as second:
            _printed, said = second.communicate()
        assert second.returncode == 2
        assert f"port {port} on 127.0.0.1 cannot be used for --clickhouse-port" in said
        first.send_signal(signal.SIGINT)
        first.communicate()
