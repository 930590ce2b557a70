"""The message that a person would read in Slack, rendered by the engine that Grafana's templates are written for."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.grafana_rules import Alert, provisioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
GRAFANA = "https://grafana.example/"
RUNBOOK = "https://handbook.example/RUNBOOK.md"
SILENCE = "https://grafana.example/alerting/silence/new?alertmanager=grafana&matcher=x"


@dataclass(frozen=True)
class Message:
    title: str
    text: str
    annotations: list[dict[str, str]]
    """Of each alert, in their order."""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@functools.cache
def _renderer() -> str:
    build = ROOT / "tests" / "alerts" / "render" / "build.sh"
    done = subprocess.run(["bash", str(build)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(ROOT / ".build" / "render-alerts" / "render")


def slack_settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Title, text and the rest of the contact point, with the environment put in as Grafana does it."""
    (point,) = provisioned("contact-points")["contactPoints"]
    (receiver,) = point["receivers"]
    given = environment or {"SLACK_WEBHOOK_URL": "http://127.0.0.1:9/", "SPANLEDGER_RUNBOOK_URL": RUNBOOK}
    return {name: _expanded(text, given) for name, text in receiver["settings"].items()}


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    return re.sub(
        r"\$(?:\$|\{(\w+)\}|(\w+))",
        lambda found: environment[found[1] or found[2]] if found[0] != "$$" else "$",
        text,
    )


def message(alerts: Sequence[Alert], *, whole: bool = True) -> Message:
    """What is sent of a group of alerts, which have every label that is asked for unless they are said not to be whole."""
    (template,) = provisioned("templates")["templates"]
    settings = slack_settings()
    firing = any(alert.status == "firing" for alert in alerts)
    data: dict[str, Any] = {
        "Receiver": "spanledger-slack",
        "Status": "firing" if firing else "resolved",
        "ExternalURL": GRAFANA,
        "GroupLabels": {"alertname": alerts[0].labels["alertname"]},
        "Alerts": [
            {
                "Status": alert.status,
                "Labels": alert.labels,
                "Annotations": alert.annotations,
                "Values": alert.values,
                "StartsAt": alert.since.isoformat(),
                "EndsAt": (alert.ended or alert.since).isoformat(),
                "SilenceURL": SILENCE,
            }
            for alert in alerts
        ],
    }
    texts = {name: settings[name] for name in ("title", "text")}
    asked = {"Templates": [template["template"]], "Texts": texts, "Data": data}
    done = subprocess.run(
        [_renderer()], input=json.dumps(asked), capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert not whole or "no value" not in done.stdout, "a template names a label that the alert does not have"
    return Message(
        answer["texts"]["title"],
        answer["texts"]["text"],
        [each["Annotations"] for each in answer["alerts"]],
    )
