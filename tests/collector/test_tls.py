"""OTLP over TLS: the collector's certificate, and the one it may ask its senders for."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from spanledger.delivery.collector import Accepted, Answer, Collector, NotNow
from spanledger.delivery.settings import DeliverySettings
from spanledger_billing import resources
from spanledger_billing.embedded import collector
from support import otlp
from support.waiting import wait_for

FOLDER = resources.folder("collector")
CONFIGS = ("config.yaml", "auth.yaml", "tls.yaml")
TOKEN = "a-token"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An authority and what it signed: the collector's certificate and an app's."""
    _openssl("req", "-x509", *_key(tmp_path, "authority"), "-subj", "/CN=authority")
    for name in ("collector", "app"):
        _openssl(
            *("req", "-x509", *_key(tmp_path, name), "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", f"{tmp_path}/authority.pem", "-CAkey", f"{tmp_path}/authority.key"),
        )
    return tmp_path


def _key(folder: Path, name: str) -> list[str]:
    files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
    return ["-newkey", "rsa:2048", "-nodes", "-days", "1", *files]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@contextmanager
def _free_ports(count: int) -> Iterator[list[str]]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        yield [str(one.getsockname()[1]) for one in sockets]


@contextmanager
def _listening(folder: Path, **settings: str) -> Iterator[str]:
    """A collector with all three files, whose database is away; its OTLP/HTTP address."""
    with _free_ports(5) as ports:
        http, grpc, metrics, health, nobody = ports
    (folder / "tokens").write_text(f"{TOKEN}\n")
    environment = {
        "SPANLEDGER_OTLP_HTTP_PORT": http,
        "SPANLEDGER_OTLP_GRPC_PORT": grpc,
        "SPANLEDGER_METRICS_PORT": metrics,
        "SPANLEDGER_HEALTH_PORT": health,
        "SPANLEDGER_CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{nobody}",
        "SPANLEDGER_QUEUE_DIR": str(folder / "queue"),
        "SPANLEDGER_TOKENS_FILE": str(folder / "tokens"),
        "SPANLEDGER_TLS_CERTIFICATE": str(folder / "collector.pem"),
        "SPANLEDGER_TLS_KEY": str(folder / "collector.key"),
        "PATH": os.environ["PATH"],
        **settings,
    }
    configs = [part for name in CONFIGS for part in ("--config", str(FOLDER / name))]
    with (folder / "collector.log").open("w") as log:
        process = subprocess.Popen([collector.binary(), *configs], env=environment, stdout=log, stderr=log)
        try:
            wait_for(lambda: _connects(int(http)), "the collector to listen")
            yield f"https://127.0.0.1:{http}"
        finally:
            process.terminate()
            process.wait(30)


def _connects(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _sent(url: str, folder: Path, *, own: str | None = None, **settings: str) -> Answer:
    sender = Collector(
        DeliverySettings(
            endpoint=url,
            certificate=str(folder / "authority.pem"),
            client_certificate=f"{folder}/{own}.pem" if own else None,
            client_key=f"{folder}/{own}.key" if own else None,
            token=settings.get("token", TOKEN),
        )
    )
    try:
        return sender.export(otlp.request(1)[0])
    finally:
        sender.close()


def test_with_a_certificate_the_collector_speaks_tls_only_and_still_asks_for_a_token(certificates: Path):
    with _listening(certificates) as url:
        assert isinstance(_sent(url, certificates), Accepted)
        assert not isinstance(_sent(url.replace("https", "http"), certificates), Accepted)
        unknown = _sent(url, certificates, token="another")
        assert isinstance(unknown, NotNow)
        assert "401" in unknown.reason


def test_with_an_authority_for_senders_only_those_whom_it_signed_get_in(certificates: Path):
    with _listening(certificates, SPANLEDGER_TLS_CLIENT_CA=str(certificates / "authority.pem")) as url:
        assert isinstance(_sent(url, certificates, own="app"), Accepted)
        assert isinstance(_sent(url, certificates), NotNow)
        _openssl("req", "-x509", *_key(certificates, "stranger"), "-subj", "/CN=app")
        assert isinstance(_sent(url, certificates, own="stranger"), NotNow)
