"""The images themselves: brought up, fed, read through Grafana; and what each user of the server is refused.

Runs where a Docker engine with the official images is, under a project name of its own, so that a pipeline of the same
machine is not touched. Elsewhere the summary names these tests as not run.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException
from testcontainers.compose import DockerCompose

from spanledger_billing.grafana import organisations, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.containers

ROOT = Path(__file__).parents[2]
LONGEST_S = 900
CLIENT, OTHER = "alder-dental", "cobalt-legal"


@dataclass
class Stack:
    compose: DockerCompose
    settings: dict[str, str]

    def run(self, *arguments: str, fine: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.compose.docker_compose_command(), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert not fine or done.returncode == 0, done.stdout + done.stderr
        return done

    def sql(self, user: str, statement: str) -> tuple[int, str]:
        """Exit code, and what was printed or why it was refused; in the server's own container, as nothing else reaches it."""
        password = self.settings[f"SPANLEDGER_{user.upper()}_PASSWORD"]
        done = self.run(
            *("exec", "--no-TTY", "clickhouse", "clickhouse-client", "--user", f"spanledger_{user}"),
            *("--password", password, "--query", statement),
            fine=False,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    @property
    def grafana_url(self) -> str:
        return f"http://127.0.0.1:{self.settings['SPANLEDGER_GRAFANA_PORT']}"

    def grafana(self, user: str = "admin", password: str = "", organisation: int | None = None) -> GrafanaApi:
        api = GrafanaApi(
            (user, password or self.settings["SPANLEDGER_GRAFANA_ADMIN_PASSWORD"]),
            host="127.0.0.1",
            port=int(self.settings["SPANLEDGER_GRAFANA_PORT"]),
            timeout=60,
            organization_id=organisation,
        )
        api.client.s.trust_env = False
        return api


def ask(grafana: GrafanaApi, sql: str) -> list[list[Any]]:
    """The columns that a query through the data source gives, as a panel would get them.

    Raises:
        GrafanaException: the ledger refuses it.

    """
    source = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
    query = {
        "refId": "A",
        "datasource": source,
        "rawSql": sql,
        "format": 1,
        "queryType": "table",
        "editorType": "sql",
    }
    answer = grafana.client.POST("/ds/query", json={"queries": [query], "from": "now-30d", "to": "now"})
    found = answer["results"]["A"]
    if found.get("error"):
        raise GrafanaException(400, found, found["error"])
    return [column for frame in found.get("frames", []) for column in frame["data"]["values"]]


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("compose")
    (folder / "backups").mkdir()
    (folder / "backups").chmod(0o777)
    drawn = subprocess.run([ROOT / "tools" / "env.sh"], capture_output=True, text=True, check=True).stdout
    settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", drawn, flags=re.MULTILINE)) | {
        "SPANLEDGER_BACKUPS": str(folder / "backups"),
        "SPANLEDGER_GRAFANA_PORT": free_port(),
        "SPANLEDGER_OTLP_HTTP_PORT": free_port(),
        "SPANLEDGER_OTLP_GRPC_PORT": free_port(),
    }
    (folder / "env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    with pytest.MonkeyPatch.context() as environment:
        # Before the name in the file: `down --volumes` at the end is for what was made here.
        environment.setenv("COMPOSE_PROJECT_NAME", f"spanledger-test-{secrets.token_hex(4)}")
        for name in settings:
            environment.delenv(name, raising=False)
        with DockerCompose(ROOT, build=True, env_file=str(folder / "env")) as compose:
            yield Stack(compose, settings)


@pytest.fixture(scope="module")
def demo(stack: Stack) -> str:
    """The agency's calls, with prices and terms; what the command printed."""
    return stack.run("--profile", "demo", "run", "--rm", "demo").stdout


def test_the_demos_calls_are_in_the_ledger_as_the_providers_have_them(demo: str):
    assert re.search(r"^ledger equals the providers' books: \d+ calls, .* 0 differences$", demo, re.MULTILINE)


def test_nothing_but_grafana_and_otlp_listens_outside_and_that_on_loopback(stack: Stack):
    lines = stack.run("ps", "--format", "json").stdout.splitlines()
    services = [
        each for line in lines for each in (json.loads(line) if line.startswith("[") else [json.loads(line)])
    ]
    published = {
        (service["Service"], publisher["URL"], publisher["TargetPort"])
        for service in services
        for publisher in service.get("Publishers") or []
        if publisher["PublishedPort"]
    }

    assert published == {
        ("grafana", "127.0.0.1", 3000),
        ("collector", "127.0.0.1", 4317),
        ("collector", "127.0.0.1", 4318),
    }


@pytest.mark.parametrize("token", [None, "wrong"])
def test_spans_without_the_token_are_refused(stack: Stack, token: str | None):
    url = f"http://127.0.0.1:{stack.settings['SPANLEDGER_OTLP_HTTP_PORT']}/v1/traces"
    request = urllib.request.Request(url, data=b"", headers={"Content-Type": "application/x-protobuf"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "dashboards" / "json").glob("*.json")), ids=lambda path: path.stem
)
def test_every_dashboard_is_provisioned_and_every_panel_answers(stack: Stack, demo: str, path: Path):
    grafana = stack.grafana()
    uid = json.loads(path.read_text())["uid"]
    board = grafana.dashboard.get_dashboard(uid)["dashboard"]
    values = {"client": CLIENT, "currency": "USD"}
    ((values["month"],),) = ask(grafana, "SELECT month FROM shown_months WHERE is_present")

    for panel in board["panels"]:
        for target in panel.get("targets", []):
            sql = re.sub(
                r"\$\{(\w+)(?::\w+)?\}|'\$(\w+)'",
                lambda named: f"'{values.get(named[1] or named[2], '*')}'",
                target["rawSql"],
            )
            ask(grafana, sql)
    assert board["panels"]


def test_the_overview_says_what_the_command_line_says(stack: Stack, demo: str):
    told = json.loads(stack.run("run", "--rm", "cli", "usage", "--by", "client", "--format", "json").stdout)
    ((calls,),) = ask(
        stack.grafana(),
        "SELECT toUInt64(sum(calls)) FROM usage_by_day WHERE month IN (SELECT month FROM shown_months WHERE is_present)",
    )

    assert sum(row["calls"] for row in told["rows"]) == calls


REFUSED = "ACCESS_DENIED"


@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("collector", "SELECT count() FROM spanledger.otel_traces"),
        ("collector", "SELECT count() FROM spanledger.calls"),
        ("collector", "INSERT INTO spanledger.llm_calls (trace_id) VALUES ('x')"),
        ("collector", "TRUNCATE TABLE spanledger.otel_traces"),
        ("grafana", "SELECT count() FROM spanledger.llm_calls"),
        ("grafana", "SELECT count() FROM spanledger.otel_traces"),
        ("grafana", "SELECT bytes FROM spanledger.closed_documents"),
        ("grafana", "SELECT * FROM url('http://127.0.0.1:8123/ping', 'LineAsString')"),
        ("billing", "ALTER TABLE spanledger.llm_calls DELETE WHERE 1"),
        ("billing", "TRUNCATE TABLE spanledger.closes"),
        ("billing", "DROP TABLE spanledger.llm_calls"),
        ("billing", "INSERT INTO spanledger.otel_traces (TraceId) VALUES ('x')"),
        ("billing", "CREATE USER somebody"),
        ("migrate", "CREATE USER somebody"),
        ("migrate", "SELECT count() FROM system.query_log"),
    ],
)
def test_a_user_is_refused_what_is_not_its_business(stack: Stack, user: str, statement: str):
    code, printed = stack.sql(user, statement)

    assert code != 0
    assert REFUSED in printed


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO spanledger.usage_by_day (month) VALUES ('x')",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT 1 SETTINGS max_execution_time = 3600",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_grafanas_user_writes_nothing_and_lifts_no_limit(stack: Stack, statement: str):
    code, printed = stack.sql("grafana", statement)

    assert code != 0
    assert re.search(r"READONLY|SETTING_CONSTRAINT_VIOLATION|ACCESS_DENIED", printed)


@pytest.mark.parametrize("user", ["collector", "migrate", "billing", "grafana", "admin"])
def test_no_user_comes_in_without_its_password_nor_does_the_default_one(stack: Stack, user: str):
    for name in (f"spanledger_{user}", "default"):
        done = stack.run(
            *("exec", "--no-TTY", "clickhouse", "clickhouse-client", "--user", name, "--query", "SELECT 1"),
            fine=False,
        )
        assert done.returncode != 0
        assert "AUTHENTICATION_FAILED" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def shared(stack: Stack, demo: str) -> tuple[int, GrafanaApi]:
    """The number of a client's organisation, and Grafana as one of the client's people."""
    for client in (CLIENT, CLIENT, OTHER):
        stack.run("run", "--rm", "admin", "grafana", "share", client)
    admin = stack.grafana()
    (number,) = [
        each["id"] for each in admin.client.GET("/orgs") if each["name"] == organisations.organisation(CLIENT)
    ]
    password = secrets.token_hex(12)
    admin.admin.create_user({"name": "Reader", "login": "reader", "password": password, "OrgId": number})
    return number, stack.grafana("reader", password, number)


def test_a_clients_person_reads_the_clients_views(stack: Stack, shared: tuple[int, GrafanaApi]):
    _, reader = shared

    ((client,), (name,)) = ask(reader, "SELECT client_id, name FROM current_clients")
    ((charge,),) = ask(reader, "SELECT sum(charge) FROM margins")
    ((whole,),) = ask(
        stack.grafana(),
        f"SELECT sum(charge) FROM margins WHERE client_id = '{CLIENT}' AND client_state = 'known'",
    )

    assert (client, name) == (CLIENT, "Alder Dental")
    assert charge == whole > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM spanledger.margins",
        "SELECT count() FROM spanledger.calls",
        f"SELECT count() FROM {sharing.name_of(OTHER, 'spanledger')}.margins",
        "SELECT count() FROM system.query_log",
        "SELECT * FROM url('http://127.0.0.1:8123/ping', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', 'spanledger.margins')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM merge('spanledger', '.*')",
    ],
)
def test_and_nothing_else_whatever_is_asked(shared: tuple[int, GrafanaApi], sql: str):
    _, reader = shared

    with pytest.raises(
        GrafanaException, match=r"(?i)not enough privileges|ACCESS_DENIED|497|does not exist|no table"
    ):
        ask(reader, sql)


def test_nor_does_another_organisation_let_it_in(stack: Stack, shared: tuple[int, GrafanaApi]):
    number, reader = shared

    assert [each["orgId"] for each in reader.client.GET("/user/orgs")] == [number]
    reader.client.s.headers["X-Grafana-Org-Id"] = "1"
    try:
        with pytest.raises(GrafanaException):
            ask(reader, "SELECT 1")
    finally:
        reader.client.s.headers["X-Grafana-Org-Id"] = str(number)


def test_unshared_the_user_is_gone_and_so_is_the_organisation(stack: Stack, shared: tuple[int, GrafanaApi]):
    stack.run("run", "--rm", "admin", "grafana", "unshare", OTHER)

    names = [each["name"] for each in stack.grafana().client.GET("/orgs")]
    assert organisations.organisation(OTHER) not in names
    assert organisations.organisation(CLIENT) in names
    _, users = stack.sql("admin", "SELECT name FROM system.users WHERE name LIKE 'share%'")
    assert users.splitlines() == [sharing.name_of(CLIENT, "spanledger")]


def test_a_second_run_of_users_and_migrate_changes_nothing(stack: Stack, demo: str):
    assert "as they should be" in stack.run("run", "--rm", "users").stderr
    assert "nothing to apply" in stack.run("run", "--rm", "migrate").stderr


def test_a_backup_is_made_by_the_server_and_can_be_restored(stack: Stack, demo: str):
    stack.run("run", "--rm", "admin", "backup", "tried")

    held = stack.run("run", "--rm", "admin", "restore", "tried", "--check").stdout
    refused = stack.run("run", "--rm", "admin", "restore", "tried", fine=False)

    assert re.match(r"it holds \d+ calls", held)
    assert (Path(stack.settings["SPANLEDGER_BACKUPS"]) / "tried").is_dir()
    assert refused.returncode == 4


def test_what_was_accepted_outlives_the_kill_of_every_container(stack: Stack, demo: str):
    _, before = stack.sql("admin", "SELECT count() FROM spanledger.calls")
    stack.run("kill", "--signal", "KILL", "clickhouse", "collector")
    stack.run("up", "--wait")

    _, after = stack.sql("admin", "SELECT count() FROM spanledger.calls")
    assert after == before
    assert int(before) > 0


def test_no_secret_is_in_a_log(stack: Stack, demo: str):
    text = "".join(stack.compose.get_logs())
    drawn = [value for value in stack.settings.values() if re.fullmatch(r"[0-9a-f]{48}", value)]

    assert len(drawn) > 5
    assert [name for name, value in stack.settings.items() if value in drawn and value in text] == []
    assert os.environ.get("COMPOSE_PROJECT_NAME", "").startswith("spanledger-test-")
