"""A Grafana that this machine has, for embedded mode: found, and started on loopback with our provisioning.

It reads the ledger as the endpoint's `reader`, and keeps data of its own in `grafana` in the data folder.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spanledger_billing import resources
from spanledger_billing.embedded import collector
from spanledger_billing.embedded.credentials import READER, drawn, password
from spanledger_billing.embedded.process import Program
from spanledger_billing.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLUGIN: Final = "grafana-clickhouse-datasource"
PASSWORD_FILE: Final = "grafana-password"  # noqa: S105 - a file's name
ADMIN: Final = "admin"
FIRST_START_SECONDS: Final = 300.0
"""Its database is made at the first start, which takes minutes on a slow disk."""

NO_SLACK: Final = "http://127.0.0.1:9/no-webhook-configured"
"""Grafana does not start without an address; there nobody listens, so nothing leaves."""
RUNBOOK: Final = "https://github.com/spanledger/spanledger/blob/main/dashboards/RUNBOOK.md"

_PACKAGED: Final = Path("/usr/share/grafana")
"""Where Grafana's packages for Debian and Red Hat put it, and its plugins."""
_PACKAGED_PLUGINS: Final = Path("/var/lib/grafana/plugins")


@dataclass(frozen=True)
class Installation:
    """A Grafana on this machine."""

    binary: Path
    home: Path
    """Holds `conf/defaults.ini` and `public`."""
    plugins: Path
    """Holds the ClickHouse data source."""


class NoGrafanaError(InvalidInputError):
    """There is none here, or none that could read the ledger."""


def find(
    binary: Path | None = None, home: Path | None = None, plugins: Path | None = None, *, data: Path
) -> Installation:
    """What was named, or what is where Grafana's packages put it or on the PATH.

    Args:
        binary: `grafana`, or `grafana-server` of releases before 13.
        home: Grafana's home path.
        plugins: the folder of its plugins.
        data: the data folder; plugins may lie in its `grafana/plugins`.

    Raises:
        NoGrafanaError: nothing was named and nothing found, or the plugin is missing.
        InvalidInputError: what was named is no Grafana.

    """
    program = _binary(binary, home)
    found_home = _home(program, home)
    places = (
        [plugins]
        if plugins is not None
        else [data / "grafana" / "plugins", found_home / "data" / "plugins", _PACKAGED_PLUGINS]
    )
    for place in places:
        if (place / PLUGIN / "plugin.json").is_file() or (place / PLUGIN / "dist" / "plugin.json").is_file():
            return Installation(program, found_home, place)
    raise NoGrafanaError(
        f"the Grafana of {found_home} has no plugin {PLUGIN}",
        next_step=f"{program.parent / 'grafana'} cli --homepath {found_home} "
        f"--pluginsDir {data / 'grafana' / 'plugins'} plugins install {PLUGIN}",
    )


def _binary(binary: Path | None, home: Path | None) -> Path:
    if binary is not None:
        if binary.is_file() and os.access(binary, os.X_OK):
            return binary.absolute()
        raise InvalidInputError(
            f"{binary} is no program that can be run",
            allowed="the program grafana, or grafana-server of an older release",
            next_step="name it with --grafana-binary or SPANLEDGER_GRAFANA_BINARY",
        )
    for folder in [home] if home is not None else [_PACKAGED]:
        inside = [folder / "bin", *sorted((folder / "bin").glob("*-*"))]
        for candidate in (place / name for place in inside for name in ("grafana", "grafana-server")):
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return candidate.absolute()
    on_path = shutil.which("grafana") or shutil.which("grafana-server")
    if on_path:
        return Path(on_path).resolve()
    raise NoGrafanaError(
        "no Grafana was found on this machine",
        next_step="install or unpack it (https://grafana.com/grafana/download, 11.6 or later) and name its "
        "folder with --grafana-home or SPANLEDGER_GRAFANA_HOME; docker-compose.yml brings one along",
    )


def _home(binary: Path, home: Path | None) -> Path:
    for folder in [home.absolute()] if home is not None else [*binary.parents, _PACKAGED]:
        if (folder / "conf" / "defaults.ini").is_file():
            return folder
    raise InvalidInputError(
        f"{home or binary} does not belong to a Grafana's home: conf/defaults.ini is not there",
        allowed="the folder that holds Grafana's conf and public",
        next_step="name it with --grafana-home or SPANLEDGER_GRAFANA_HOME",
    )


def program(
    installed: Installation,
    data: Path,
    ports: Mapping[str, int],
    *,
    answers: Callable[[], bool],
    started: Callable[[], None],
) -> Program:
    """Grafana on a data folder, as a process of `spanledger up`."""
    folder = data / "grafana"
    folder.mkdir(exist_ok=True, mode=0o700)
    # Empty, and named: else Grafana reads what its home or /etc holds, which may open it to the network.
    settings = folder / "grafana.ini"
    settings.touch(mode=0o600)
    drawn(data / PASSWORD_FILE)
    subcommand = [] if installed.binary.name == "grafana-server" else ["server"]
    return Program(
        name="Grafana",
        command=[
            *(str(installed.binary), *subcommand),
            *("--homepath", str(installed.home), "--config", str(settings)),
        ],
        environment=environment(installed, data, ports),
        ready=answers,
        log=data / "log" / "grafana.log",
        # Not the folder's lock: it would go on to Grafana's plugins.
        inherited=(),
        started=started,
        ready_seconds=FIRST_START_SECONDS,
        has_children=True,
    )


def environment(installed: Installation, data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Grafana's settings and all that the provisioning leaves open; nothing else of the operator's."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        # Settings for another Grafana could make this one listen beyond loopback; ours hold tokens.
        if not name.startswith(("GF_", "OTEL_", "SPANLEDGER_")) or name.startswith("GF_PLUGINS_")
    }
    dashboards = resources.folder("dashboards")
    port = ports["grafana-port"]
    return inherited | {
        "GF_SERVER_PROTOCOL": "http",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_PATHS_DATA": str(data / "grafana"),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(installed.plugins),
        "GF_PATHS_PROVISIONING": str(dashboards / "provisioning"),
        "GF_LOG_MODE": "console",
        "GF_LOG_LEVEL": "warn",
        "GF_SECURITY_ADMIN_USER": ADMIN,
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{data / PASSWORD_FILE}}}",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ALERTING_ENABLED": "false",
        "GF_UNIFIED_ALERTING_ENABLED": "true",
        # Nothing leaves this machine but the alerts.
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(dashboards / "json" / "overview.json"),
        "SPANLEDGER_DATASOURCE_HOST": "127.0.0.1",
        "SPANLEDGER_DATASOURCE_PORT": str(ports["clickhouse-port"]),
        "SPANLEDGER_DATASOURCE_PROTOCOL": "http",
        "SPANLEDGER_DATASOURCE_USER": READER,
        "SPANLEDGER_DATASOURCE_PASSWORD": password(data, READER),
        "SPANLEDGER_DATABASE": collector.database(),
        "SPANLEDGER_DASHBOARDS": str(dashboards / "json"),
        "SPANLEDGER_RUNBOOK_URL": os.environ.get("SPANLEDGER_RUNBOOK_URL") or RUNBOOK,
        "SLACK_WEBHOOK_URL": os.environ.get("SLACK_WEBHOOK_URL") or NO_SLACK,
    }
