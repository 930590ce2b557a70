"""A ledger that cannot be reached says what was found and what to do; no password is ever shown."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from spanledger_billing import ledger as connecting
from spanledger_billing.errors import InvalidInputError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from spanledger_billing.up import Stack

SETTINGS = ("URL", "USER", "PASSWORD", "PASSWORD_FILE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(f"SPANLEDGER_CLICKHOUSE_{name}", raising=False)
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path / "data"))


def nobody_listens_at() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_nothing_that_runs_is_said_with_the_command_that_starts_it() -> None:
    with pytest.raises(UnreachableError, match=r"nothing runs on the data folder(.|\n)*spanledger up"):
        connecting.connect()


def test_a_server_that_does_not_answer_is_said_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    url = nobody_listens_at()
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", url)
    with pytest.raises(UnreachableError, match=rf"no ledger answers at {url}(.|\n)*spanledger up"):
        connecting.connect()


@pytest.mark.parametrize(
    "url", ["localhost:8123", "tcp://host:9000", "http://me:s3cret@host:8123", "http://"]
)
def test_an_address_that_is_none_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", url)
    with pytest.raises(InvalidInputError, match="not the address of a ClickHouse server") as refused:
        connecting.address()
    assert "s3cret" not in str(refused.value)


def test_a_password_file_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", "http://127.0.0.1:8123")
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidInputError, match="PASSWORD_FILE cannot be read"):
        connecting.address()


def test_a_password_comes_from_its_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", "http://127.0.0.1:8123")
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "password"))
    where = connecting.address()
    assert where.password == "s3cret"
    assert "s3cret" not in repr(where)


def test_the_ledger_of_a_data_folder_is_found_by_itself(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    with connecting.connect() as client:
        assert client.query("SELECT count() FROM calls").result_rows[0][0] >= 0


def test_a_wrong_password_is_said_and_not_shown(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_URL", stack.clickhouse_url)
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_USER", stack.user)
    monkeypatch.setenv("SPANLEDGER_CLICKHOUSE_PASSWORD", "wr0ng")
    with pytest.raises(UnreachableError, match="refuses user 'spanledger'") as refused:
        connecting.connect()
    assert "wr0ng" not in str(refused.value)


def test_a_database_that_is_not_there_is_said_with_the_command_that_makes_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_DATA", str(stack.data))
    monkeypatch.setenv("SPANLEDGER_DATABASE", "elsewhere")
    with pytest.raises(UnreachableError, match=r"no database 'elsewhere'(.|\n)*spanledger migrate"):
        connecting.connect()
