"""Grafana's side of a share: an organisation for one client, whose data source is the client's own.

Members of an organisation reach its data sources and no other's: this is where a client's people are let in.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spanledger_billing import resources
from spanledger_billing.errors import InvalidInputError, OperatorError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spanledger_billing.grafana.sharing import Share

DATASOURCE_UID: Final = "clickhouse"
"""What every dashboard calls its data source, in each organisation."""
DEFAULT_URL: Final = "http://127.0.0.1:3000"
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Grafana:
    """Where Grafana's interface is, and who asks: an administrator of the whole server."""

    url: str
    user: str
    password: str = field(repr=False)


def by_environment() -> Grafana:
    """The one that the environment names.

    Raises:
        InvalidInputError: its address or the password is missing or not usable.

    """
    url = os.environ.get("SPANLEDGER_GRAFANA_API") or os.environ.get("SPANLEDGER_GRAFANA_URL") or DEFAULT_URL
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise InvalidInputError(
            "SPANLEDGER_GRAFANA_API is not the address of a Grafana",
            allowed="http://host:3000 or https://host, without a user or password",
            next_step="put these into SPANLEDGER_GRAFANA_ADMIN_USER and …_ADMIN_PASSWORD_FILE",
        )
    return Grafana(url, os.environ.get("SPANLEDGER_GRAFANA_ADMIN_USER") or "admin", _password())


def _password() -> str:
    password = os.environ.get("SPANLEDGER_GRAFANA_ADMIN_PASSWORD", "")
    path = os.environ.get("SPANLEDGER_GRAFANA_ADMIN_PASSWORD_FILE", "")
    if not password and path:
        try:
            password = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as failure:
            raise InvalidInputError(
                "SPANLEDGER_GRAFANA_ADMIN_PASSWORD_FILE cannot be read: "
                f"{getattr(failure, 'strerror', None) or 'not UTF-8'}",
                next_step="name a file that this user may read",
            ) from failure
    if not password:
        raise InvalidInputError(
            "the password of Grafana's administrator is not set",
            next_step="set SPANLEDGER_GRAFANA_ADMIN_PASSWORD or SPANLEDGER_GRAFANA_ADMIN_PASSWORD_FILE",
        )
    return password


def organisation(client_id: str) -> str:
    """Name of a client's organisation; by the id, which stays when a client is renamed."""
    return f"spanledger: {client_id}"


def publish(grafana: Grafana, share: Share, ledger_url: str) -> str:
    """Make the client's organisation with data source and dashboard, or put them right; the dashboard's path.

    Args:
        grafana: where.
        share: what the data source may read, and as whom.
        ledger_url: of the ClickHouse server, as Grafana reaches it.

    Raises:
        UnreachableError: no Grafana answers, or it refuses the password.
        OperatorError: it refuses something else, or cannot read the client's views.

    """

    def make() -> str:
        name = organisation(share.client_id)
        with _api(grafana) as server:
            number = _number(server, name)
            if number is None:
                number = int(server.organization.create_organization(name)["orgId"])
        with _api(grafana, number) as inside:
            _put_data_source(inside, datasource(share, ledger_url))
            health = inside.datasource.health(DATASOURCE_UID)
            if health.get("status") != "OK":
                raise OperatorError(
                    f"Grafana cannot read the client's views: {str(health.get('message', ''))[:300]}",
                    next_step="let Grafana reach the ledger, and run it again",
                )
            shown = dashboard(with_cost=share.with_cost)
            made = inside.dashboard.update_dashboard({"dashboard": shown, "overwrite": True})
            _show_first(inside, str(made["uid"]))
        return f"{made['url']}?orgId={number}"

    return str(_asked(grafana, make))


def withdraw(grafana: Grafana, client_id: str) -> bool:
    """Delete the client's organisation with all that is in it; False where there was none.

    Raises:
        UnreachableError, OperatorError: as `publish`.

    """

    def delete() -> bool:
        with _api(grafana) as server:
            number = _number(server, organisation(client_id))
            if number is not None:
                server.organizations.delete_organization(number)
            return number is not None

    return bool(_asked(grafana, delete))


def datasource(share: Share, ledger_url: str) -> dict[str, Any]:
    """The data source as Grafana's interface takes it."""
    parts = urlsplit(ledger_url)
    secure = parts.scheme == "https"
    return {
        "uid": DATASOURCE_UID,
        "name": "spanledger",
        "type": "grafana-clickhouse-datasource",
        "access": "proxy",
        "isDefault": True,
        "jsonData": {
            "host": parts.hostname,
            "port": parts.port or (8443 if secure else 8123),
            "protocol": "http",
            "secure": secure,
            "username": share.user,
            "defaultDatabase": share.database,
            "dialTimeout": "10",
            "queryTimeout": "30",
            # It would send a setting, which a user that only reads may not choose.
            "enableRowLimit": False,
        },
        "secureJsonData": {"password": share.password},
    }


def dashboard(*, with_cost: bool) -> dict[str, Any]:
    """The dashboard that a client sees."""
    file = "client.json" if with_cost else "client-without-cost.json"
    text = (resources.folder("dashboards") / "share" / file).read_text(encoding="utf-8")
    return dict(json.loads(text))


@contextlib.contextmanager
def _api(grafana: Grafana, organisation_number: int | None = None) -> Iterator[Any]:
    """Grafana's interface as the administrator has it, within an organisation where one is named."""
    from grafana_client.api import GrafanaApi

    parts = urlsplit(grafana.url)
    # Any: half of its methods have no types.
    api: Any = GrafanaApi(
        (grafana.user, grafana.password),
        protocol=parts.scheme,
        host=parts.hostname,
        port=parts.port,
        url_path_prefix=parts.path.strip("/"),
        timeout=_TIMEOUT_S,
        organization_id=organisation_number,
    )
    # A proxy of the environment's is no way to this very machine.
    api.client.s.trust_env = parts.hostname not in _LOOPBACK
    with api.client.s:
        yield api


def _number(server: Any, name: str) -> int | None:
    # Not by its path /orgs/name/NAME, where a name may not hold a slash.
    found = server.client.GET("/orgs", params={"query": name, "perpage": 1000})
    return next((int(each["id"]) for each in found if each["name"] == name), None)


def _put_data_source(inside: Any, wanted: dict[str, Any]) -> None:
    there = {each["uid"] for each in inside.datasource.list_datasources()}
    if DATASOURCE_UID in there:
        inside.datasource.update_datasource_by_uid(DATASOURCE_UID, wanted)
    else:
        inside.datasource.create_datasource(wanted)


def _show_first(inside: Any, uid: str) -> None:
    from grafana_client.model import PersonalPreferences

    inside.organization.patch_preferences(PersonalPreferences(homeDashboardUID=uid))


def _asked(grafana: Grafana, ask: Callable[[], object]) -> object:
    """What Grafana answers; its refusals as errors that say what to do."""
    from grafana_client.client import GrafanaException, GrafanaUnauthorizedError
    from niquests.exceptions import RequestException

    try:
        return ask()
    except GrafanaUnauthorizedError as failure:
        raise UnreachableError(
            f"Grafana at {grafana.url} refuses user {grafana.user!r} with this password",
            next_step="set SPANLEDGER_GRAFANA_ADMIN_PASSWORD to the one that it has now",
        ) from failure
    except GrafanaException as failure:
        raise OperatorError(
            f"Grafana at {grafana.url} answers: {str(failure.message)[:300]}",
            next_step="give an administrator of the whole server, mend what it says, and run it again",
        ) from failure
    except (RequestException, OSError) as failure:
        raise UnreachableError(
            f"no Grafana answers at {grafana.url}",
            next_step="start it, or set SPANLEDGER_GRAFANA_API to where it is reached from here",
        ) from failure
