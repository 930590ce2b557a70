"""The outbox is where the operator says, else the user's own, else the machine's temporary folder."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from spanledger.delivery import Delivery, DeliverySettings
from spanledger.delivery.outbox.folder import Folder, candidates, in_temporary_folder
from support.counting import Counting
from support.finished_spans import submit

Deliver = Any


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with home and temporary folder of their own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("SPANLEDGER_OUTBOX")
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    return tmp_path


def chosen(setting: str = "") -> Path:
    return Folder(setting, 1).path()


def test_by_default_it_is_the_users_state_folder(user: Path, monkeypatch: pytest.MonkeyPatch):
    assert DeliverySettings("http://collector").outbox == ""
    assert chosen() == user / "home" / ".local" / "state" / "spanledger" / "outbox"
    monkeypatch.setenv("XDG_STATE_HOME", str(user / "state"))
    assert chosen() == user / "state" / "spanledger" / "outbox"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/paths/are/to/be/ignored")
    assert chosen() == user / "home" / ".local" / "state" / "spanledger" / "outbox"


def test_a_user_without_a_home_that_can_be_written_has_it_in_the_temporary_folder(
    user: Path, monkeypatch: pytest.MonkeyPatch
):
    (user / "home" / ".local").write_text("not a folder")
    assert chosen() == user / "tmp" / f"spanledger-outbox-{os.geteuid()}"
    monkeypatch.setenv("HOME", "/proc/nonexistent")
    assert chosen() == in_temporary_folder()
    assert in_temporary_folder().stat().st_mode & 0o777 == 0o700


def test_a_folder_that_another_user_has_put_into_the_temporary_folder_is_not_used(
    user: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", "/proc/nonexistent")
    (user / "elsewhere").mkdir()
    in_temporary_folder().symlink_to(user / "elsewhere")
    with pytest.raises(OSError, match=r"No such file|another user"):
        chosen()
    assert Folder("", 1).existing() is None


def test_where_the_temporary_folder_is_was_asked_for_before_anybody_can_fork():
    code = "import tempfile; from spanledger.delivery import Delivery; print(tempfile.tempdir)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == tempfile.gettempdir()


def test_a_machine_without_any_folder_that_can_be_written_has_spans_wait_in_memory(
    monkeypatch: pytest.MonkeyPatch,
):
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.gettempdir", none)
    monkeypatch.setattr("pathlib.Path.mkdir", read_only)
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setenv("HOME", "/proc/nonexistent")
    monkeypatch.delenv("SPANLEDGER_OUTBOX")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    delivery = Delivery(DeliverySettings("http://127.0.0.1:9", linger=3600))
    submit(delivery, "one")
    told = delivery.status()
    assert (told["queued"], told["lost"], told["outbox"]["state"]) == (1, 0, "memory")
    delivery.abandon()
    delivery.shutdown(60)


def test_a_folder_that_is_named_is_the_only_one(user: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPANLEDGER_OUTBOX", f" {user}/named ")
    setting = DeliverySettings("http://collector").outbox
    assert chosen(setting) == user / "named"
    assert candidates("~/outbox") == [user / "home" / "outbox"]
    (user / "file").touch()
    with pytest.raises(NotADirectoryError):
        chosen(str(user / "file" / "outbox"))
    assert list((user / "tmp").iterdir()) == []


def test_looking_for_it_makes_none(user: Path):
    assert Folder("", 1).existing() is None
    assert list((user / "home").iterdir()) == []


def test_the_limit_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch):
    assert DeliverySettings("http://collector").outbox_limit_bytes == 512 * 1024 * 1024
    monkeypatch.setenv("SPANLEDGER_OUTBOX_LIMIT_MB", "2")
    assert DeliverySettings("http://collector").outbox_limit_bytes == 2 * 1024 * 1024
    monkeypatch.setenv("SPANLEDGER_OUTBOX_LIMIT_MB", "much")
    with Counting() as counted:
        assert DeliverySettings("http://collector").outbox_limit_bytes == 512 * 1024 * 1024
    assert counted.kinds == {"bad_setting": 1}


def test_a_fingerprint_tells_senders_and_collectors_apart_and_no_secret():
    def fingerprint(endpoint: str = "http://a", **settings: Any) -> str:
        return DeliverySettings(endpoint, **settings).fingerprint()

    different = [
        fingerprint(),
        fingerprint("http://b"),
        fingerprint(token="t"),
        fingerprint(token="u"),
        fingerprint(headers={"x": "t"}),
    ]
    assert len(set(different)) == len(different)
    assert fingerprint("http://a/") == fingerprint("http://a/v1/traces")
    assert fingerprint(headers={"X": "1", "y": "2"}) == fingerprint(headers={"Y": "2", "x": "1"})
    assert "secret" not in fingerprint(token="secret")
