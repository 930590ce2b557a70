"""The servers that agencies' apps run in: each call of each of their workers is delivered once, however a worker ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.fake_collector import FakeCollector
from support.replay import Replay
from support.waiting import wait_for

CALLS = 24
"""Enough for each of two workers to get some."""

APP = """
import os

import httpx

import spanledger

spanledger.instrument(endpoint=os.environ["COLLECTOR"])


def call(client_id):
    "One LLM call for a client, and by which process."
    with spanledger.bill_to(client_id), httpx.Client(trust_env=False) as http:
        http.post(
            os.environ["PROVIDER"] + "/v1/chat/completions",
            json={"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
        ).raise_for_status()
    return str(os.getpid())


def wsgi(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [call(environ["PATH_INFO"].strip("/")).encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    async with httpx.AsyncClient(trust_env=False) as http:
        with spanledger.bill_to(scope["path"].strip("/")):
            await http.post(
                os.environ["PROVIDER"] + "/v1/chat/completions",
                json={"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
            )
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""

TASKS = """
from celery import Celery

import app

tasks = Celery("tasks")
tasks.conf.update(
    broker_url="filesystem://",
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"},
    worker_prefetch_multiplier=1,
)


@tasks.task
def call(client_id):
    with open("workers", "a") as workers:
        workers.write(app.call(client_id) + "\\n")
"""

ANSWER = {
    "kind": "json",
    "status": 200,
    "headers": {"content-type": "application/json"},
    "json": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: FakeCollector, replay: Replay) -> Path:
    """Where the app is, and the environment that it needs."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "tasks.py").write_text(TASKS)
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("COLLECTOR", collector.url)
    replay.play(ANSWER)
    monkeypatch.setenv("PROVIDER", f"http://127.0.0.1:{replay.port}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server, with what it says in a file beside the app."""
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as server,
    ):
        try:
            yield server
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60, trust_env=False).is_success
    except httpx.TransportError:
        return False


def send_what_is_left(folder: Path) -> None:
    """As an operator does, or the next start: a server kills a worker that does not end, or answer, in time."""
    subprocess.run(
        [sys.executable, "-m", "spanledger", "outbox", "flush", "--endpoint", os.environ["COLLECTOR"]],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def clients(collector: FakeCollector) -> list[str]:
    """Of each call that arrived, however often it was sent: whoever is killed cannot say what it had sent."""
    called = {
        span.span_id: attribute.value.string_value
        for request in list(collector.received)
        for span in request.spans
        for attribute in span.attributes
        if attribute.key == "client_id"
    }
    return sorted(called.values())


GUNICORN = ("gunicorn", "--workers", "2", "--bind")
UVICORN = ("uvicorn", "app:asgi", "--workers", "2", "--port")


@pytest.mark.parametrize(
    "command",
    [
        (*GUNICORN, "127.0.0.1:{port}", "app:wsgi"),
        (*GUNICORN, "127.0.0.1:{port}", "--threads", "4", "--preload", "app:wsgi"),
        (*UVICORN, "{port}"),
    ],
    ids=["gunicorn", "gunicorn, preloaded, threads", "uvicorn"],
)
def test_each_call_of_a_web_servers_workers_is_delivered_once_though_one_is_killed(
    command: tuple[str, ...], folder: Path, collector: FakeCollector
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(folder, *(part.format(port=port) for part in command)) as server:
        wait_for(lambda: server.poll() is not None or _answers(f"{url}/first"), "the server")
        said = (folder / "said").read_text
        workers: set[str] = set()
        before: set[str] = set()
        # Until both have had one.
        while len(workers) < 2 and len(before) < 50 * CALLS:
            before.add(f"before-{len(before)}")
            answer = httpx.get(f"{url}/before-{len(before) - 1}", timeout=30, trust_env=False)
            workers.add(answer.raise_for_status().text)
        assert len(workers) == 2, said()
        killed = workers.pop()
        os.kill(int(killed), signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{killed}").exists(), "the worker's end")
        # What it had not sent, another sends.
        collector.wait_until(lambda: set(clients(collector)) >= before)
        after = {f"after-{number}" for number in range(CALLS)}
        for client in after:
            wait_for(lambda client=client: _answers(f"{url}/{client}"), "an answer")
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    send_what_is_left(folder)
    assert clients(collector) == sorted({"first"} | before | after)


def test_each_call_of_celerys_workers_is_delivered_once(folder: Path, collector: FakeCollector) -> None:
    send = "import tasks; [tasks.call.delay(f'client-{n}') for n in range(" + str(CALLS) + ")]"
    subprocess.run([sys.executable, "-c", send], cwd=folder, check=True)
    ran = folder / "workers"
    worker = ("celery", "-A", "tasks", "worker", "--concurrency", "2", "--max-tasks-per-child", "3")
    with running(folder, *worker) as server:
        wait_for(
            lambda: server.poll() is not None or (ran.exists() and len(ran.read_text().split()) == CALLS),
            "the tasks",
        )
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    assert len(set(ran.read_text().split())) > 2, (folder / "said").read_text()
    send_what_is_left(folder)
    assert clients(collector) == sorted(f"client-{number}" for number in range(CALLS))
