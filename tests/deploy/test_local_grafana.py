"""`spanledger up --grafana`: a Grafana of this machine is found and started on loopback, and ends with the rest.

A stand-in shows what is done with the program; with a real one this is tried by hand (OPERATIONS.md).
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from spanledger_billing import up
from spanledger_billing.cli import app
from spanledger_billing.embedded import folder
from spanledger_billing.embedded.credentials import password
from spanledger_billing.errors import InvalidInputError
from spanledger_billing.grafana import local
from support import stand_in_grafana
from support.listening import listening_addresses
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stack import StartStack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a Grafana; an empty folder."""
    monkeypatch.setattr(local, "_PACKAGED", tmp_path / "usr")
    monkeypatch.setattr(local, "_PACKAGED_PLUGINS", tmp_path / "var")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_a_grafana_is_found_by_its_home_by_its_program_on_the_path_or_where_packages_put_it(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
):
    program = stand_in_grafana.make(nowhere / "unpacked")
    expected = local.Installation(program, nowhere / "unpacked", nowhere / "unpacked" / "data" / "plugins")

    assert local.find(home=nowhere / "unpacked", data=nowhere) == expected
    assert local.find(binary=program, data=nowhere) == expected
    (nowhere / "path").mkdir()
    (nowhere / "path" / "grafana").symlink_to(program)
    assert local.find(data=nowhere) == expected
    packaged = stand_in_grafana.make(nowhere / "usr", name="grafana-server")
    assert local.find(data=nowhere).binary == packaged


def test_the_plugin_may_lie_in_the_data_folder(nowhere: Path):
    stand_in_grafana.make(nowhere / "unpacked", plugin="another")
    (nowhere / "data" / "grafana" / "plugins" / local.PLUGIN).mkdir(parents=True)
    (nowhere / "data" / "grafana" / "plugins" / local.PLUGIN / "plugin.json").touch()

    found = local.find(home=nowhere / "unpacked", data=nowhere / "data")

    assert found.plugins == nowhere / "data" / "grafana" / "plugins"


def test_without_one_it_is_said_how_to_get_one(nowhere: Path):
    with pytest.raises(
        local.NoGrafanaError, match=r"no Grafana was found on this machine\nnext: install or unpack it"
    ):
        local.find(data=nowhere)


def test_without_its_plugin_it_is_said_how_to_get_that(nowhere: Path):
    stand_in_grafana.make(nowhere / "unpacked", plugin="another")

    with pytest.raises(
        local.NoGrafanaError, match=rf"has no plugin {local.PLUGIN}\nnext: \S+/grafana cli .* plugins install"
    ):
        local.find(home=nowhere / "unpacked", data=nowhere)


@pytest.mark.parametrize("named", [{"binary": "none"}, {"home": "empty"}])
def test_what_is_named_and_is_no_grafana_is_refused(nowhere: Path, named: dict[str, str]):
    stand_in_grafana.make(nowhere / "usr")
    (nowhere / "empty").mkdir()

    with pytest.raises(InvalidInputError, match="with --grafana-"):
        local.find(**{name: nowhere / value for name, value in named.items()}, data=nowhere)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[up.Stack]:
    folder = tmp_path_factory.mktemp("grafana")
    stand_in_grafana.make(folder / "home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GF_SERVER_HTTP_ADDR", "0.0.0.0")
        environment.setenv("GF_AUTH_ANONYMOUS_ENABLED", "true")
        environment.setenv("SPANLEDGER_TOKEN", "token-of-the-apps")
        environment.delenv("SLACK_WEBHOOK_URL", raising=False)
        installed = local.find(home=folder / "home", data=folder / "data")
        with up.start(folder / "data", grafana=installed) as stack:
            yield stack


def running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def seen(stack: up.Stack) -> dict[str, Any]:
    return json.loads((stack.data / "grafana" / "seen.json").read_text())


def test_it_listens_on_loopback_with_our_provisioning_as_the_ledgers_reader(started: up.Stack):
    environment = seen(started)["environment"]
    assert started.grafana is not None
    pid = started.grafana.pid

    assert {address for address, _ in listening_addresses(pid)} == {"127.0.0.1"}
    assert folder.addresses(started.data)["grafana_url"] == started.grafana_url
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert Path(environment["GF_PATHS_PROVISIONING"]) == ROOT / "dashboards" / "provisioning"
    assert environment["SPANLEDGER_DATASOURCE_USER"] == "reader"
    assert environment["SPANLEDGER_DATASOURCE_PASSWORD"] == password(started.data, "reader")
    assert f":{environment['SPANLEDGER_DATASOURCE_PORT']}" in started.clickhouse_url
    assert environment["SLACK_WEBHOOK_URL"].startswith("http://127.0.0.1:9/")
    assert "SPANLEDGER_TOKEN" not in environment
    assert password(started.data) not in environment.values()


def test_its_administrators_password_is_drawn_into_a_file_that_only_its_owner_reads(started: up.Stack):
    path = started.data / local.PASSWORD_FILE

    assert len(path.read_text().strip()) > 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seen(started)["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == f"$__file{{{path}}}"


def test_it_is_told_every_variable_that_the_provisioning_names(started: up.Stack):
    named = {
        name
        for path in (ROOT / "dashboards" / "provisioning").rglob("*.yaml")
        for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)\}", path.read_text())
    }

    assert named
    assert named - seen(started)["environment"].keys() == set()
    assert all(seen(started)["environment"][name] for name in named)


def test_it_reads_no_settings_but_the_ones_given(started: up.Stack):
    arguments = seen(started)["arguments"]

    assert arguments[0] == "server"
    settings = Path(arguments[arguments.index("--config") + 1])
    assert settings.parent == started.data / "grafana"
    assert settings.read_text() == ""


def test_killed_it_is_started_again_and_it_ends_with_the_rest(tmp_path: Path, start_stack: StartStack):
    stand_in_grafana.make(tmp_path / "home")
    stack = start_stack(grafana=local.find(home=tmp_path / "home", data=tmp_path / "data"))
    assert stack.grafana is not None
    first, plugin = stack.grafana.pid, seen(stack)["plugin"]

    os.kill(first, signal.SIGKILL)
    wait_for(lambda: folder.addresses(stack.data).get("grafana_pid", first) != first, "Grafana again")
    wait_for(lambda: seen(stack)["plugin"] != plugin, "its plugin")
    wait_for(lambda: not running(plugin), "the end of the first one's plugin")
    second, plugin = stack.grafana.pid, seen(stack)["plugin"]
    stack.stop()

    wait_for(lambda: not running(second) and not running(plugin), "the end of both")
    # Nothing that Grafana started keeps the folder.
    folder.Lock(stack.data).release()


def test_that_it_does_not_start_is_said_and_the_pipeline_works(tmp_path: Path, start_stack: StartStack):
    stand_in_grafana.make(tmp_path / "home")
    (tmp_path / "data" / "grafana").mkdir(parents=True)
    (tmp_path / "data" / "grafana" / "broken").touch()
    said: list[str] = []

    stack = start_stack(
        grafana=local.find(home=tmp_path / "home", data=tmp_path / "data"), progress=said.append
    )

    assert any(
        "the Grafana ended before it was ready" in line and "no such thing as a database" in line
        for line in said
    )
    assert "grafana_url" not in folder.addresses(stack.data)
    assert stack.collector.alive
    assert stack.endpoint.alive
    wait_for(lambda: not running(seen(stack)["plugin"]), "the end of what it had started")


def test_the_command_goes_on_without_one_and_says_so(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        up,
        "start",
        lambda *_, grafana, **__: (_ for _ in ()).throw(InvalidInputError(f"started with {grafana}")),
    )

    done = CliRunner().invoke(app, ["up", "--grafana", "--data", str(nowhere / "data")])

    assert (
        "without dashboards: no Grafana was found on this machine\nnext: install or unpack it" in done.stderr
    )
    assert "started with None" in done.stderr
