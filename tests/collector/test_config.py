"""What the configuration files themselves promise, asked of the collector that reads them."""

import http.server
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from spanledger_billing import resources
from spanledger_billing.embedded import collector, handshake, ports
from support import otlp
from support.waiting import wait_for

FOLDER = resources.folder("collector")


def _collector(command: str, *arguments: str, environment: dict[str, str]) -> str:
    binary = str(collector.binary())
    done = subprocess.run(
        [binary, command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tokens").write_text("one\n")
    return {
        "SPANLEDGER_QUEUE_DIR": str(tmp_path / "queue"),
        "SPANLEDGER_TOKENS_FILE": str(tmp_path / "tokens"),
    }


def _configs(*names: str) -> list[str]:
    return [part for name in names for part in ("--config", str(FOLDER / name))]


def _effective(environment: dict[str, str], *names: str) -> dict[str, Any]:
    return yaml.safe_load(_collector("print-config", *_configs(*names), environment=environment))


@pytest.mark.parametrize("names", [("config.yaml",), ("config.yaml", "auth.yaml")])
def test_the_collector_accepts_its_configuration_with_and_without_tokens(
    names: tuple[str, ...], environment: dict[str, str]
) -> None:
    _collector("validate", *_configs(*names), environment=environment)


def test_nothing_may_let_go_of_a_span_that_was_acknowledged(environment: dict[str, str]) -> None:
    """Each of these losses happens in silence, which is why it is the setting that is checked."""
    effective = _effective(environment, "config.yaml")
    exporter = effective["exporters"]["clickhouse"]
    assert exporter["retry_on_failure"]["enabled"]
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert exporter["sending_queue"]["block_on_overflow"] is False
    assert exporter["async_insert"] is False
    storage = effective["extensions"]["file_storage"]
    assert storage["fsync"] is True
    assert storage.get("recreate", False) is False
    assert [name for name in effective["processors"] if name.startswith("batch")] == []


def test_what_is_put_together_for_an_insert_is_bounded_in_time_and_number() -> None:
    """An insert a request would keep the ledger busy with ten apps; one that waits for long would show late."""
    written = yaml.safe_load((FOLDER / "config.yaml").read_text())
    batch = written["exporters"]["clickhouse"]["sending_queue"]["batch"]
    assert batch == {"enabled": True, "flush_timeout": "1s", "sizer": "items", "min_size": 5000}


def test_asking_for_tokens_takes_nothing_else_away(environment: dict[str, str]) -> None:
    plain, asking = (
        _effective(environment, "config.yaml"),
        _effective(environment, "config.yaml", "auth.yaml"),
    )
    assert set(asking["service"]["extensions"]) == {*plain["service"]["extensions"], "bearertokenauth"}
    for protocol in ("grpc", "http"):
        with_auth = asking["receivers"]["otlp"]["protocols"][protocol]
        without = plain["receivers"]["otlp"]["protocols"][protocol]
        assert with_auth == {
            **without,
            "auth": {"authenticator": "bearertokenauth"},
            "include_metadata": True,
        }
    assert asking["service"]["pipelines"] == plain["service"]["pipelines"]


def test_the_binary_holds_the_modules_of_the_manifest_and_no_others() -> None:
    manifest = yaml.safe_load((FOLDER / "builder.yaml").read_text())
    listed = yaml.safe_load(_collector("components", environment={}))
    for kind in ("receivers", "processors", "exporters", "extensions", "providers"):
        built = {entry["module"] for entry in listed[kind]}
        assert built == {entry["gomod"] for entry in manifest[kind]}, kind


class Asked(http.server.BaseHTTPRequestHandler):
    """A database that lets a driver connect, and then keeps how it is asked, and refuses."""

    limits: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"] or 0))
        answer = b""
        if handshake.is_handshake(asked):
            answer = handshake.answer("26.9.2.1", "UTC")
        else:
            self.limits.update(parse_qs(urlsplit(self.path).query)["max_execution_time"])
        self.send_response(200 if answer else 500)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def test_the_database_gives_an_insert_up_before_the_exporter_does(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Else what is committed after all would be sent again."""
    exporter = _effective(environment, "config.yaml")["exporters"]["clickhouse"]
    # With one, the driver would put its own limit in the place of ours, beyond it.
    assert exporter["timeout"] == "0s"
    assert exporter["connection_params"]["read_timeout"] == "120s"
    settled = ports.settle(
        dict.fromkeys(("otlp-http-port", "otlp-grpc-port", "metrics-port", "health-port"), 0)
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked) as database:
        threading.Thread(target=database.serve_forever, daemon=True).start()
        settled["clickhouse-port"] = database.server_port
        with (tmp_path / "log").open("wb") as log:
            running = subprocess.Popen(
                collector.command(tokens=False),
                env=collector.environment(tmp_path, settled, "secret", None),
                stdout=log,
                stderr=log,
            )
        try:
            body, _ = otlp.request(1)
            wait_for(lambda: _taken(settled["otlp-http-port"], body), "the collector to take a span")
            wait_for(lambda: bool(Asked.limits), "a question to the database")
        finally:
            running.kill()
            running.wait()
            database.shutdown()
    assert Asked.limits == {"60"}


def _taken(port: int, body: bytes) -> bool:
    try:
        return otlp.post(f"http://127.0.0.1:{port}", body) == 200
    except OSError:
        return False
