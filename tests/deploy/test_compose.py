"""The containers, as far as their files say: what is published, pinned, limited, and who holds which secret.

What only an engine with the images can show is in test_server_stack.py.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_billing import users
from spanledger_billing.doctor.alerts import NOBODY

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "collector" / "Dockerfile"]
SECRETS = {
    "SPANLEDGER_TOKEN",
    "SPANLEDGER_GRAFANA_ADMIN_PASSWORD",
    "SPANLEDGER_ADMIN_PASSWORD",
    *(variable for variable, _ in users.PASSWORDS.values()),
}

_INTERPOLATED = re.compile(r"\$\{([A-Z_]+)")


def _example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, flags=re.MULTILINE))


def _mebibytes(limit: str) -> int:
    return int(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]


def test_the_example_has_every_variable_of_the_compose_file_and_no_other():
    of_compose = {*_INTERPOLATED.findall(TEXT), COMPOSE["secrets"]["otlp_tokens"]["environment"]}

    assert _example().keys() == of_compose


def test_every_variable_of_the_example_is_explained_above_it():
    lines = EXAMPLE.splitlines()
    bare = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if re.match(r"[A-Z_]+=", line) and not re.match(r"# \S|[A-Z_]+=", before)
    ]

    assert bare == []


def test_no_secret_has_a_default_and_each_is_asked_for_by_a_message():
    example = _example()

    assert {name: example[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")
    asked = re.findall(r"\$\{([A-Z_]+)(:\?[^}]+)?[^}]*\}", TEXT)
    assert {name for name, message in asked if name in SECRETS and not message} == set()
    assert {name for name, message in asked if message} == SECRETS


def test_defaults_in_the_compose_file_are_those_of_the_example():
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", TEXT))
    example = _example()

    assert {name: value for name, value in defaults.items() if example[name] not in {value, ""}} == {}


def test_a_drawn_env_file_fills_every_secret_differently_and_nothing_else():
    done = subprocess.run(
        [ROOT / "tools" / "env.sh"], capture_output=True, text=True, check=True, cwd=ROOT / "tests"
    )
    drawn = dict(re.findall(r"^([A-Z_]+)=(.*)$", done.stdout, flags=re.MULTILINE))
    example = _example()

    assert {name for name in example if drawn[name] != example[name]} == SECRETS
    assert len({drawn[name] for name in SECRETS}) == len(SECRETS)
    assert all(re.fullmatch(r"[0-9a-f]{48}", drawn[name]) for name in SECRETS)


def test_only_grafana_and_otlp_are_published_and_by_default_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert {name: [port.rpartition(":")[2] for port in ports] for name, ports in published.items()} == {
        "collector": ["4317", "4318"],
        "grafana": ["3000"],
    }
    assert all(
        port.startswith("${SPANLEDGER_BIND:-127.0.0.1}:") for ports in published.values() for port in ports
    )
    assert [name for name, service in SERVICES.items() if service.get("network_mode")] == []


def test_otlp_asks_for_a_token():
    collector = SERVICES["collector"]
    entry = (ROOT / "collector" / "Dockerfile").read_text().splitlines()[-1]
    authorised = yaml.safe_load((ROOT / "collector" / "auth.yaml").read_text())

    assert "/etc/spanledger/auth.yaml" in entry
    assert collector["environment"]["SPANLEDGER_TOKENS_FILE"] == "/run/secrets/otlp_tokens"
    assert collector["secrets"] == ["otlp_tokens"]
    assert all("auth" in protocol for protocol in authorised["receivers"]["otlp"]["protocols"].values())


def test_a_service_that_is_given_a_secret_of_the_environment_has_a_file_system_that_can_be_written():
    """Compose writes such a secret into the container, and refuses to where it is read-only."""
    assert [
        name for name, service in SERVICES.items() if "secrets" in service and service.get("read_only")
    ] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_ours_or_pinned_by_version(name: str):
    image = SERVICES[name]["image"]

    assert ("build" in SERVICES[name] and image.startswith("spanledger/")) or re.search(r":\d+\.\d+", image)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_base_image_is_pinned_by_version(path: Path):
    text = path.read_text()
    stages = set(re.findall(r" AS (\w+)$", text, flags=re.MULTILINE))
    bases = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)

    assert [base for base in bases if base not in stages and not re.search(r":\d+\.\d+", base)] == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_no_image_of_ours_runs_as_root(path: Path):
    assert re.findall(r"^USER (\d+)", path.read_text(), flags=re.MULTILINE)[-1] == "10001"


def test_the_collector_image_is_built_from_the_manifest_of_embedded_mode_by_the_same_builder():
    text = (ROOT / "collector" / "Dockerfile").read_text()
    script = (ROOT / "collector" / "build.sh").read_text()
    builder = "go.opentelemetry.io/collector/cmd/builder@v"

    assert re.findall(rf"{builder}([\d.]+)", text) == re.findall(rf"{builder}([\d.]+)", script)
    assert "builder.yaml" in text
    assert (
        SERVICES["collector"]["image"] == "spanledger/collector:" + re.findall(rf"{builder}([\d.]+)", text)[0]
    )


def test_what_always_runs_leaves_a_quarter_of_four_gigabytes_to_the_machine():
    limits = {
        name: _mebibytes(service["mem_limit"])
        for name, service in SERVICES.items()
        if service["restart"] == "unless-stopped"
    }

    assert sum(limits.values()) <= 3 * 1024 + 128
    # With the one that runs at the time: they run one after the other.
    one_shots = [
        _mebibytes(service["mem_limit"]) for service in SERVICES.values() if service["restart"] == "no"
    ]
    assert sum(limits.values()) + max(one_shots) <= 4 * 1024


def test_the_collector_refuses_spans_before_the_kernel_would_kill_it():
    collector = SERVICES["collector"]

    assert int(collector["environment"]["SPANLEDGER_COLLECTOR_MEMORY_MIB"]) < _mebibytes(
        collector["mem_limit"]
    )


def test_what_stays_up_is_watched_restarted_and_waited_for():
    staying = {name: service for name, service in SERVICES.items() if service["restart"] == "unless-stopped"}

    assert staying.keys() == {"clickhouse", "collector", "grafana"}
    assert [name for name, service in staying.items() if "healthcheck" not in service] == []
    assert SERVICES["users"]["depends_on"]["clickhouse"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["depends_on"]["users"]["condition"] == "service_completed_successfully"
    assert SERVICES["collector"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["grafana"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_each_service_connects_as_a_user_of_its_own():
    connected = {
        name: service["environment"].get("SPANLEDGER_CLICKHOUSE_USER")
        or service["environment"].get("SPANLEDGER_DATASOURCE_USER")
        or service["environment"].get("CLICKHOUSE_USER")
        for name, service in SERVICES.items()
    }

    assert connected == {
        "clickhouse": "spanledger_admin",
        "users": "spanledger_admin",
        "admin": "spanledger_admin",
        "migrate": "spanledger_migrate",
        "collector": "spanledger_collector",
        "grafana": "spanledger_grafana",
        "cli": "spanledger_billing",
        "demo": "spanledger_billing",
    }


def test_grafana_is_told_every_variable_that_its_provisioning_names():
    """It knows no defaults, and does not start where a contact point's address is empty."""
    named = {
        name
        for path in (ROOT / "dashboards" / "provisioning").rglob("*.yaml")
        for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)\}", path.read_text())
    }

    assert named
    assert named - SERVICES["grafana"]["environment"].keys() == set()


def test_the_command_line_is_told_where_alerts_go_as_grafana_is():
    told = [SERVICES[name]["environment"]["SLACK_WEBHOOK_URL"] for name in ("grafana", "cli")]
    assert told[0] == told[1]
    assert told[0].endswith(f"{NOBODY}}}")


def test_all_that_must_outlive_a_container_is_on_a_volume():
    mounted = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if volume[0] not in ".$"}
        for name, service in SERVICES.items()
    }

    assert {name: volumes for name, volumes in mounted.items() if volumes} == {
        "clickhouse": {"ledger"},
        "collector": {"queue"},
        "grafana": {"grafana"},
    }
    assert COMPOSE["volumes"].keys() == {"ledger", "queue", "grafana"}


def test_every_file_that_is_mounted_or_copied_is_there():
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    copied = [
        path.parent / name
        for path in DOCKERFILES
        for names in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), flags=re.MULTILINE)
        for name in names.split()
    ]

    assert [path for path in (*(ROOT / name for name in mounted), *copied) if not path.exists()] == []


def test_what_the_operators_image_needs_is_not_ignored_when_it_is_built():
    kept = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)

    assert {name for names in copied for name in names.split()} == kept
