"""What the configuration files themselves promise, asked of the collector that reads them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_billing import resources
from spanledger_billing.embedded import collector

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
