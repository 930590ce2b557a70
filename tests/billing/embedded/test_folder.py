"""One data folder, one engine: who holds it, and when it is free again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger_billing.embedded import folder
from spanledger_billing.errors import InvalidInputError, RefusedError, UnreachableError
from support.endpoint import running


def _second(data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spanledger_billing.embedded", str(data), "--port", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_second_endpoint_on_the_folder_is_refused_and_told_which_one_runs(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        second = _second(tmp_path)
        assert second.returncode == 4
        assert f"in use by process {first.process.pid}, at {first.url}" in second.stderr
        assert f"`kill {first.process.pid}`" in second.stderr
        client = first.client()
        assert client.command("SELECT 7") == 7
        client.close()


def test_the_folder_is_free_after_an_orderly_stop_and_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert first.stop() == 0
    with running(tmp_path) as second:
        second.kill9()
    with running(tmp_path) as third:
        client = third.client()
        assert client.command("SELECT 7") == 7
        client.close()


def test_a_folder_stays_held_while_a_child_still_works_on_it(tmp_path: Path) -> None:
    """A run that was killed leaves its components behind for a moment."""
    lock = folder.Lock(folder.prepare(tmp_path))
    lock.describe({"pid": 2**22 + 1, "collector_pid": 0})
    with subprocess.Popen(["sleep", "60"], pass_fds=[lock.descriptor]) as child:
        lock.describe({"pid": 2**22 + 1, "collector_pid": child.pid})
        lock.release()
        with pytest.raises(RefusedError, match=rf"in use by process {child.pid}\n.*`kill {child.pid}`"):
            folder.Lock(tmp_path)
        child.kill()
    folder.Lock(tmp_path).release()


def test_a_lock_that_says_nothing_is_still_a_lock(tmp_path: Path) -> None:
    lock = folder.Lock(tmp_path)
    (tmp_path / "lock").write_text("")
    with pytest.raises(RefusedError, match="in use by process unknown"):
        folder.Lock(tmp_path)
    lock.release()


def test_rows_of_an_insert_that_a_kill_cut_short_are_not_left_lying_about(tmp_path: Path) -> None:
    incoming = folder.prepare(tmp_path) / "incoming"
    incoming.mkdir()
    (incoming / "0123").write_bytes(b"rows")
    with running(tmp_path):
        assert list(incoming.iterdir()) == []


def test_a_folder_whose_name_means_something_in_urls_and_sql_works(tmp_path: Path) -> None:
    odd = tmp_path / "a b&c=d%20+'\"`[f]$HOME;#é"
    with running(odd) as endpoint:
        client = endpoint.client()
        client.command("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
        client.insert("t", [[1]], column_names=["id"])
        assert client.command("SELECT count() FROM t") == 1
        client.close()
    assert any((odd / "clickhouse" / "store").iterdir())


@pytest.mark.parametrize("name", ["a*", "a?", "a{b,c}"])
def test_a_folder_that_the_engine_would_take_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    """An insert from it would find no file, and report that it went well."""
    with pytest.raises(InvalidInputError, match=r"takes for a pattern\n.*--data"):
        folder.prepare(tmp_path / name)


def test_the_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    made = folder.prepare(tmp_path / "new")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (made, *made.iterdir())}
    assert modes == {"new": 0o700, "clickhouse": 0o700, "queue": 0o700, "log": 0o700}


def test_a_folder_that_cannot_be_used_is_named_with_the_option() -> None:
    with pytest.raises(InvalidInputError, match=r"/dev/null/x cannot be used.*\n.*--data"):
        folder.prepare(Path("/dev/null/x"))


def test_where_nothing_runs_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"nothing runs on the data folder.*\n.*spanledger up --data"):
        folder.addresses(tmp_path)


def test_addresses_are_never_half_written(tmp_path: Path) -> None:
    folder.write_addresses(tmp_path, {"clickhouse_url": "http://127.0.0.1:1", "pid": os.getpid()})
    assert folder.addresses(tmp_path) == json.loads((tmp_path / folder.ADDRESSES).read_text())
    assert [path.name for path in tmp_path.iterdir()] == [folder.ADDRESSES]


@pytest.mark.parametrize("asked", ["255", "-1", "1e9", "x", "٣٠٠"])
def test_a_bound_on_memory_that_is_no_number_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from spanledger_billing.embedded.__main__ import memory_bytes

    monkeypatch.setenv("SPANLEDGER_MEMORY_MIB", asked)
    with pytest.raises(InvalidInputError, match="allowed: a whole number of MiB from 256 on"):
        memory_bytes()


def test_the_engine_keeps_to_the_memory_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_MEMORY_MIB", "512")
    with running(tmp_path) as endpoint:
        client = endpoint.client()
        asked = "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"
        assert int(client.command(asked)) == 512 * 2**20
        assert int(client.command("SELECT getSetting('max_memory_usage') FROM system.one")) < 512 * 2**20
        # What does not fit goes by disk.
        grouped = "SELECT count() FROM (SELECT number, any(number) FROM numbers(20000000) GROUP BY number)"
        assert client.command(grouped) == 20_000_000
        client.close()


@pytest.mark.parametrize(
    "arguments",
    [["spanledger_billing.embedded"], ["spanledger_billing.cli", "up", "--data"]],
    ids=["alone", "up"],
)
def test_nothing_starts_where_files_may_not_grow_and_the_limit_is_named(
    arguments: list[str], tmp_path: Path
) -> None:
    limited = (
        "import resource, runpy, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    data = tmp_path / "data"
    refused = subprocess.run(
        [sys.executable, "-c", limited, *arguments, str(data)], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2, refused.stderr
    assert "no file may grow beyond 1,073,741,824 bytes here (ulimit -f)" in refused.stderr
    assert "next: run `ulimit -f unlimited`" in refused.stderr
    assert not data.exists()
