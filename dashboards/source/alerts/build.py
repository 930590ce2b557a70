"""Grafana's provisioning files for alerts, made of `rules.yaml`, `slack.tmpl` and what is said here.

    python dashboards/source/alerts/build.py [FOLDER]

writes them to FOLDER, dashboards/provisioning/alerting unless given.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "provisioning" / "alerting"
RUNBOOK = "https://github.com/spanledger/spanledger/blob/main/dashboards/RUNBOOK.md"
"""For other receivers; ours takes SPANLEDGER_RUNBOOK_URL, which annotations cannot in older releases."""
HEAD = "# Made by dashboards/source/alerts/build.py; do not edit.\n"

ONE_QUERY: dict[str, Any] = {
    "editorType": "sql",
    "queryType": "table",
    "format": 1,
    "pluginVersion": "4.20.0",
    "intervalMs": 60000,
    "maxDataPoints": 43200,
}
EXPRESSION = {"type": "__expr__", "uid": "__expr__"}


def rules(source: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group["name"],
                # Not the dashboards' folder: Grafana finds this one by its title, makes it before that one is there, and of
                # two with one title it may take either, and resolve what fired in the other. Nor a title with that one's
                # word in it: releases that clear up folders of dashboards at their start take it for one of them.
                "folder": "billing alerts",
                "interval": group["every"],
                "rules": [_rule(rule) for rule in group["rules"]],
            }
            for group in source["groups"]
        ],
    }


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    fires = rule["fires"]
    numbers = {fires["number"]: fires["is"], **rule.get("numbers", {})}
    data: list[dict[str, Any]] = []
    for name, number in numbers.items():
        data += [
            _query(rule, name, number),
            _expression(name, type="reduce", expression=f"{name}_query", reducer="last"),
        ]
    condition = {"evaluator": {"type": "gt", "params": [fires["above"]]}}
    data.append(_expression("fires", type="threshold", expression=fires["number"], conditions=[condition]))
    texts = {
        key: " ".join(rule[key].split())
        for key in ("mark", "facts", "dashboard", "superseded")
        if key in rule
    }
    texts["summary"] = f"{{subject}}: {texts['facts']}"
    return {
        "uid": f"spanledger-{rule['uid']}",
        "title": rule["title"],
        "condition": "fires",
        "data": data,
        # Views of offenders are empty while all is well.
        "noDataState": rule.get("on_no_rows", "OK"),
        # One rule tells of a ledger that does not answer, instead of all at once.
        "execErrState": rule.get("on_error", "KeepLast"),
        "for": rule.get("pending", "0s"),
        "annotations": {
            **{key: _text(text, rule) for key, text in texts.items()},
            "runbook_url": f"{RUNBOOK}#{anchor(rule['title'])}",
        },
        "labels": {} if "severity" in rule["labels"] else {"severity": rule.get("severity", "warning")},
        "isPaused": False,
    }


def anchor(heading: str) -> str:
    """What a heading of a Markdown page is linked as."""
    return heading.lower().replace(" ", "-")


def _query(rule: dict[str, Any], name: str, number: str) -> dict[str, Any]:
    """One number a row: more than one in a query is more than Grafana's alerting takes."""
    columns = [text if text == label else f"{text} AS {label}" for label, text in rule["labels"].items()]
    sql = f"SELECT {', '.join(columns)}, toFloat64({number}) AS value FROM {rule['from']}"
    ref = f"{name}_query"
    return {
        "refId": ref,
        "datasourceUid": "clickhouse",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": ref, **ONE_QUERY, "rawSql": sql},
    }


def _expression(ref: str, **model: Any) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": ref, "datasource": EXPRESSION, **model},
    }


THOUSANDS = (
    ' | reReplaceAll "^(-?\\\\d+)(\\\\d{3})" "$1,$2"'
    + ' | reReplaceAll "^(-?\\\\d+)(\\\\d{3})," "$1,$2,"' * 3
)
NUMBERS = {
    form: "{{ with $values.NAME }}{{ " + how + " }}{{ else }}?{{ end }}"
    for form, how in {
        "money": 'printf (printf "%%.%sf" $labels.decimals) .Value' + THOUSANDS,
        "usd": 'printf "%.2f" .Value' + THOUSANDS,
        "whole": 'printf "%.0f" .Value' + THOUSANDS,
        "percent": 'printf "%.1f" .Value',
        "day": 'humanizeTimestamp .Value | reReplaceAll " .*" ""',
        "span": "humanizeDuration .Value",
    }.items()
}
"""A number may be missing, where its query failed or saw other rows, and a label, where there is no row: Grafana logs
a template that fails on that, and sends it as it stands."""
LABELS = {
    "": "{{ $labels.NAME }}",
    "amount": "{{ with $labels.NAME }}{{ ." + THOUSANDS + " }}{{ else }}?{{ end }}",
    "quoted": "{{ urlquery $labels.NAME }}",
}


def _text(text: str, rule: dict[str, Any]) -> str:
    """The text in Grafana's template language.

    Raises:
        ValueError: it names what the rule does not have.

    """
    numbers = {rule["fires"]["number"], *rule.get("numbers", {})}

    def one(found: re.Match[str]) -> str:
        name, form = found["name"], found["form"] or ""
        forms, names = (NUMBERS, numbers) if form in NUMBERS else (LABELS, rule["labels"])
        if name not in names or form not in forms:
            raise ValueError(
                f"{rule['uid']}: {found[0]} is none of its labels {list(rule['labels'])} in one of the forms "
                f"{list(LABELS)}, nor of its numbers {sorted(numbers)} in one of {list(NUMBERS)}"
            )
        return forms[form].replace("NAME", name)

    return re.sub(r"(?<!\{)\{(?P<name>\w+)(?: (?P<form>\w+))?\}(?!\})", one, text)


def contact_points() -> dict[str, Any]:
    text = '{{ template "spanledger.slack.text" . }}'
    # The only place where the environment reaches a message: templates and annotations know nothing of it.
    runbook = '<${SPANLEDGER_RUNBOOK_URL}#{{ template "spanledger.slack.anchor" . }}|What to do>'
    settings = {
        "url": "${SLACK_WEBHOOK_URL}",
        "username": "spanledger",
        "title": '{{ template "spanledger.slack.title" . }}',
        "text": f"{text}\n{runbook}",
    }
    receiver = {
        "uid": "spanledger-slack",
        "type": "slack",
        "settings": settings,
        "disableResolveMessage": False,
    }
    return {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": "spanledger-slack", "receivers": [receiver]}],
    }


def policies() -> dict[str, Any]:
    tree = {
        "orgId": 1,
        "receiver": "spanledger-slack",
        # A message per rule, whatever the number of clients.
        "group_by": ["alertname"],
        # Longer than the time between two evaluations: who crosses in the same minute is in the same message.
        "group_wait": "75s",
        "group_interval": "5m",
        # Grafana forgets after five days what it has sent, so a longer time would be no longer.
        "repeat_interval": "5d",
        "routes": [
            {
                "receiver": "spanledger-slack",
                "object_matchers": [
                    ["severity", "=", "critical"],
                    ["alertname", "=~", "Pipeline stalled|Drift|DatasourceError"],
                ],
                "group_by": ["alertname"],
                "group_wait": "75s",
                "group_interval": "5m",
                # Nobody is billed right while one of these lasts.
                "repeat_interval": "12h",
            }
        ],
    }
    return {"apiVersion": 1, "policies": [tree]}


def templates() -> dict[str, Any]:
    template = (HERE / "slack.tmpl").read_text(encoding="utf-8")
    return {"apiVersion": 1, "templates": [{"orgId": 1, "name": "spanledger", "template": template}]}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML calls it
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def files() -> dict[str, str]:
    """File name -> content."""
    source = yaml.safe_load((HERE / "rules.yaml").read_text(encoding="utf-8"))
    made = {
        "contact-points.yaml": contact_points(),
        "policies.yaml": policies(),
        "rules.yaml": rules(source),
        "templates.yaml": templates(),
    }
    return {
        name: HEAD + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
        for name, content in made.items()
    }


def main(folder: Path = OUT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
