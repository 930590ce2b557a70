"""`up.start`: the whole pipeline, watched and ended in order."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger_billing import up
from spanledger_billing.embedded import collector, folder, ports, process
from spanledger_billing.errors import InvalidInputError, OperatorError, RefusedError
from support import otlp
from support.listening import listening_addresses
from support.stack import StartStack, client_of, wait_until_stored
from support.waiting import wait_for


@contextmanager
def _taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_what_runs_is_described_in_the_folder_and_only_while_it_runs(start_stack: StartStack) -> None:
    stack = start_stack()
    written = folder.addresses(stack.data)
    assert written == {
        "clickhouse_url": stack.clickhouse_url,
        "user": stack.user,
        "otlp_http_url": stack.otlp_http_url,
        "otlp_grpc_url": stack.otlp_grpc_url,
        "metrics_url": stack.metrics_url,
        "health_url": stack.health_url,
        "pid": os.getpid(),
        "endpoint_pid": stack.endpoint.pid,
        "collector_pid": stack.collector.pid,
    }
    stack.stop()
    assert not (stack.data / folder.ADDRESSES).exists()


def test_every_port_of_every_component_is_on_loopback(stack: up.Stack) -> None:
    listening = {
        address for one in (stack.endpoint, stack.collector) for address in listening_addresses(one.pid)
    }
    assert {address for address, _port in listening} == {"127.0.0.1"}
    told = (
        stack.clickhouse_url,
        stack.otlp_http_url,
        stack.otlp_grpc_url,
        stack.metrics_url,
        stack.health_url,
    )
    assert {port for _address, port in listening} == {
        int(url.partition("127.0.0.1:")[2].partition("/")[0]) for url in told
    }


def test_a_second_start_on_the_folder_is_refused_and_harms_nothing(start_stack: StartStack) -> None:
    stack = start_stack()
    before = folder.addresses(stack.data)
    with pytest.raises(RefusedError, match=f"in use by process {os.getpid()}, at {stack.clickhouse_url}"):
        start_stack()
    assert folder.addresses(stack.data) == before
    body, ids = otlp.request(1)
    assert otlp.post(stack.otlp_http_url, body) == 200
    wait_until_stored(stack, ids)


def test_what_dies_by_itself_is_started_again_and_that_is_said(start_stack: StartStack) -> None:
    said: list[str] = []
    stack = start_stack(progress=said.append)
    for component, name in ((stack.collector, "collector"), (stack.endpoint, "endpoint")):
        dead = component.pid
        os.kill(dead, signal.SIGKILL)
        wait_for(
            lambda one=component, pid=dead, key=f"{name}_pid": (
                one.alive and one.pid != pid and folder.addresses(stack.data).get(key) == one.pid
            ),
            f"the {name} to be started again",
        )
        assert f"the {name} ended by itself; starting it again" in said
    body, ids = otlp.request(1)
    wait_for(lambda: otlp.post(stack.otlp_http_url, body) == 200, "the collector")
    wait_until_stored(stack, ids)


def test_what_was_ended_on_purpose_stays_down(start_stack: StartStack) -> None:
    said: list[str] = []
    stack = start_stack(progress=said.append)
    stack.collector.kill9()
    os.kill(stack.endpoint.pid, signal.SIGKILL)
    # The supervisor has been round once it has seen the other one.
    wait_for(
        lambda: stack.endpoint.alive and any("endpoint ended" in line for line in said), "the supervisor"
    )
    assert not stack.collector.alive
    stack.collector.restart()
    assert stack.collector.alive


def test_a_stop_ends_everything_and_can_be_repeated(start_stack: StartStack) -> None:
    stack = start_stack()
    pids = [stack.endpoint.pid, stack.collector.pid]
    stack.stop()
    stack.stop()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    start_stack()


def test_data_is_there_again_at_the_next_start(start_stack: StartStack) -> None:
    first = start_stack()
    body, ids = otlp.request(5)
    assert otlp.post(first.otlp_http_url, body) == 200
    wait_until_stored(first, ids)
    first.stop()
    second = start_stack()
    wait_until_stored(second, ids)
    assert second.password == first.password
    client = client_of(second)
    assert client.command("SELECT count() FROM llm_calls FINAL") == 5
    client.close()


@pytest.mark.parametrize("option", ports.DEFAULT)
def test_a_port_that_is_taken_is_named_with_its_option(option: str) -> None:
    with _taken_port() as port, pytest.raises(InvalidInputError, match=rf"port {port} .*--{option}"):
        ports.settle({**dict.fromkeys(ports.DEFAULT, 0), option: port})


def test_free_ports_are_all_different() -> None:
    settled = ports.settle(dict.fromkeys(ports.DEFAULT, 0))
    assert len(set(settled.values())) == len(ports.DEFAULT)
    assert 0 not in settled.values()


def test_a_port_asked_for_twice_is_refused() -> None:
    with _taken_port() as port:
        pass
    with pytest.raises(InvalidInputError, match=f"port {port}"):
        ports.settle({"otlp-http-port": port, "otlp-grpc-port": port})


def test_nothing_is_left_of_a_start_that_was_refused(start_stack: StartStack) -> None:
    with _taken_port() as port, pytest.raises(InvalidInputError):
        start_stack(clickhouse_port=port)
    start_stack(clickhouse_port=port)


def test_a_collector_that_is_not_built_is_named_with_the_command_that_builds_it(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(collector.resources, "folder", lambda _name: tmp_path / "elsewhere" / "collector")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInputError, match=r"the collector is not built.*\n.*`make collector`"):
        start_stack()


def test_a_binary_that_is_named_and_is_none_is_an_error(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_COLLECTOR_BINARY", "/dev/null")
    with pytest.raises(InvalidInputError, match="no program that can be run"):
        start_stack()


def test_a_collector_that_ends_at_once_is_shown_with_the_end_of_its_log(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho cannot start: no such thing\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setenv("SPANLEDGER_COLLECTOR_BINARY", str(broken))
    with pytest.raises(OperatorError, match=r"collector ended before it was ready.*\n.*no such thing"):
        start_stack()
    monkeypatch.delenv("SPANLEDGER_COLLECTOR_BINARY")
    start_stack()


@pytest.mark.parametrize("token", ["two words", "line\nend", "é", "tab\t"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(
    start_stack: StartStack, token: str
) -> None:
    with pytest.raises(InvalidInputError, match="visible ASCII") as refused:
        start_stack(token=token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("\n \n", "holds no token")])
def test_a_tokens_file_without_tokens_is_refused(
    start_stack: StartStack, tmp_path: Path, content: str | None, said: str
) -> None:
    """With none, everybody would be turned away for ever."""
    tokens = tmp_path / "tokens"
    if content is not None:
        tokens.write_text(content)
    with pytest.raises(InvalidInputError, match=said):
        start_stack(tokens_file=tokens)


def test_a_token_is_kept_in_a_file_of_its_owners_only(start_stack: StartStack) -> None:
    stack = start_stack(token="only-token")
    assert stat.S_IMODE((stack.data / "tokens").stat().st_mode) == 0o600
    body, _ids = otlp.request(1)
    assert otlp.post(stack.otlp_http_url, body) == 401
    assert otlp.post(stack.otlp_http_url, body, otlp.bearer("only-token")) == 200
    environment = Path(f"/proc/{stack.collector.pid}/environ").read_bytes()
    assert b"only-token" not in environment


def test_settings_of_the_apps_telemetry_and_of_docker_do_not_reach_the_collector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPANLEDGER_OTLP_HOST", "0.0.0.0")
    monkeypatch.setenv("SPANLEDGER_TOKEN", "secret")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    ports = dict.fromkeys(
        ("otlp-http-port", "otlp-grpc-port", "clickhouse-port", "metrics-port", "health-port"), 1
    )
    told = collector.environment(tmp_path, ports, "password", None)
    assert told["SPANLEDGER_OTLP_HOST"] == "127.0.0.1"
    assert [name for name in told if name.startswith("OTEL_") or name == "SPANLEDGER_TOKEN"] == []


def test_the_ledger_cannot_be_put_where_the_engine_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_DATABASE", "default")
    with pytest.raises(InvalidInputError, match="keeps nothing"):
        collector.database()


def test_a_log_that_has_grown_is_cut_and_its_last_piece_kept(
    start_stack: StartStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = start_stack()
    log = stack.data / "log" / "collector.log"
    before = log.read_bytes()
    monkeypatch.setattr(process, "MAX_LOG_BYTES", len(before) - 1)
    wait_for(log.with_name("collector.log.1").exists, "the supervisor to cut the log")
    assert before in log.with_name("collector.log.1").read_bytes()
    monkeypatch.undo()
    stack.collector.restart()
    # What it writes goes on in the emptied file, from its start.
    assert b"\0" not in log.read_bytes()
    assert b"Everything is ready" in log.read_bytes()
