"""Grafana's files are what their source says, and have nothing that Grafana refuses or passes over in silence."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_billing.cli import COMMANDS
from support.grafana_rules import PROVISIONING, queries, rules
from support.slack_messages import slack_settings

ROOT = Path(__file__).parents[2]
ALERTING = PROVISIONING / "alerting"
SOURCE = ROOT / "dashboards" / "source" / "alerts"
RUNBOOK = (ROOT / "dashboards" / "RUNBOOK.md").read_text(encoding="utf-8")
FILES = sorted(ALERTING.glob("*.yaml"))
RULES = rules()
HEADINGS = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)

ANY = object()
TEXTS: dict[str, Any] = {}
RULE = {
    "uid": str, "title": str, "condition": str, "data": [{
        "refId": str, "datasourceUid": str, "relativeTimeRange": {"from": int, "to": int}, "model": ANY,
    }],
    "noDataState": str, "execErrState": str, "for": str, "annotations": TEXTS, "labels": TEXTS, "isPaused": bool,
    "dashboardUid": str, "panelId": int,
}  # fmt: skip
ROUTE: dict[str, Any] = {
    "receiver": str, "group_by": [str], "object_matchers": [[str]], "group_wait": str, "group_interval": str,
    "repeat_interval": str, "mute_time_intervals": [str], "continue": bool,
}  # fmt: skip
ROUTE["routes"] = [ROUTE]
SLACK = dict.fromkeys(
    ("url", "token", "recipient", "username", "icon_emoji", "icon_url", "mentionUsers", "mentionGroups",
     "mentionChannel", "endpointUrl", "title", "text"), str,
)  # fmt: skip
KNOWN = {
    "apiVersion": int,
    "groups": [{"orgId": int, "name": str, "folder": str, "interval": str, "rules": [RULE]}],
    "contactPoints": [{
        "orgId": int, "name": str,
        "receivers": [{"uid": str, "type": str, "settings": SLACK, "disableResolveMessage": bool}],
    }],
    "policies": [{"orgId": int, **ROUTE}],
    "templates": [{"orgId": int, "name": str, "template": str}],
}  # fmt: skip
"""What Grafana 11.6 reads of a provisioning file; it passes over any other key in silence."""
MODEL = {
    "refId", "editorType", "queryType", "format", "pluginVersion", "intervalMs", "maxDataPoints", "rawSql",
}  # fmt: skip
STATES = {
    "noDataState": {"NoData", "Alerting", "OK", "KeepLast"},
    "execErrState": {"Error", "Alerting", "OK", "KeepLast"},
}


def unknown(content: Any, known: Any, path: str = "") -> list[str]:
    """Paths of what is not known, or is of another type."""
    if known is ANY:
        return []
    if known is TEXTS:
        return [path for text in content.values() if not isinstance(text, str)]
    if isinstance(known, dict):
        if not isinstance(content, dict):
            return [path]
        return [
            wrong
            for key, value in content.items()
            for wrong in (unknown(value, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"])
        ]
    if isinstance(known, list):
        if not isinstance(content, list):
            return [path]
        return [
            wrong for at, each in enumerate(content) for wrong in unknown(each, known[0], f"{path}[{at}]")
        ]
    return [] if type(content) is known else [path]


def test_the_files_are_those_that_the_source_makes_now(tmp_path: Path) -> None:
    """If not: make dashboards."""
    runpy.run_path(str(SOURCE / "build.py"))["main"](tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text(encoding="utf-8") for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_has_no_key_that_grafana_does_not_know(path: Path) -> None:
    assert unknown(yaml.safe_load(path.read_text()), KNOWN) == []


def test_a_misspelt_key_and_a_value_of_another_type_are_found() -> None:
    rule = {"uid": "a", "titel": "A", "for": 5, "data": [{"refID": "A"}], "labels": {"a": 1}}
    assert unknown({"groups": [{"rules": [rule]}]}, KNOWN) == [
        ".groups[0].rules[0].titel",
        ".groups[0].rules[0].for",
        ".groups[0].rules[0].data[0].refID",
        ".groups[0].rules[0].labels",
    ]


def test_every_rule_has_a_uid_of_its_own_that_grafana_takes() -> None:
    uids = [
        rule["uid"]
        for group in yaml.safe_load((ALERTING / "rules.yaml").read_text())["groups"]
        for rule in group["rules"]
    ]
    assert len(set(uids)) == len(uids) >= 10
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid) for uid in uids)
    assert len({rule["title"] for rule in RULES.values()}) == len(uids)


@pytest.mark.parametrize("uid", RULES)
def test_a_rule_is_whole(uid: str) -> None:
    rule = RULES[uid]
    required = {
        "uid",
        "title",
        "condition",
        "data",
        "noDataState",
        "execErrState",
        "for",
        "annotations",
        "labels",
    }
    assert required <= rule.keys()
    assert all(rule[key] in states for key, states in STATES.items())
    refs = [step["refId"] for step in rule["data"]]
    assert rule["condition"] in refs
    assert len(set(refs)) == len(refs)
    for step in rule["data"]:
        model = step["model"]
        assert model["refId"] == step["refId"]
        if step["datasourceUid"] == "__expr__":
            assert model["datasource"] == {"type": "__expr__", "uid": "__expr__"}
            assert model["expression"] in refs[: refs.index(step["refId"])]
        else:
            assert step["datasourceUid"] == "clickhouse"
            assert set(model) == MODEL
            assert (model["editorType"], model["queryType"], model["format"]) == ("sql", "table", 1)
    assert all(" AS subject, " in query for query in queries(rule).values())
    assert {"summary", "facts", "dashboard", "runbook_url"} <= rule["annotations"].keys()


def test_only_a_ledger_that_does_not_answer_is_told_by_an_error_and_by_one_rule() -> None:
    assert [uid for uid, rule in RULES.items() if rule["execErrState"] != "KeepLast"] == ["pipeline-stalled"]
    assert {rule["noDataState"] for rule in RULES.values()} == {"OK", "KeepLast"}
    # Their views always have rows.
    always = [uid for uid, rule in RULES.items() if rule["noDataState"] == "KeepLast"]
    assert sorted(always) == ["drift", "pipeline-stalled"]


@pytest.mark.parametrize("uid", RULES)
def test_a_rule_asks_for_few_numbers_each_of_them_used(uid: str) -> None:
    rule = RULES[uid]
    assert len(queries(rule)) <= 3
    texts = " ".join(rule["annotations"].values())
    compared = {
        step["model"]["expression"] for step in rule["data"] if step["model"].get("type") == "threshold"
    }
    for ref in queries(rule):
        name = ref.removesuffix("_query")
        assert f"with $values.{name} }}}}" in texts or name in compared, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dollar_sign_means_the_environment_only_where_it_is_meant(path: Path) -> None:
    """Grafana expands `$X` in titles, labels, policies and contact points, `${X}` in annotations too where it is new."""
    content = yaml.safe_load(path.read_text())
    for group in content.get("groups", []):
        assert "$" not in f"{group['name']}{group['folder']}"
        for rule in group["rules"]:
            assert "$" not in rule["title"] + "".join(rule["labels"].values())
            assert not any("${" in text for text in rule["annotations"].values())
    assert "$" not in str(content.get("policies", ""))
    variables = re.findall(r"\$\{?\w*\}?", str(content.get("contactPoints", "")))
    assert set(variables) <= {"${SLACK_WEBHOOK_URL}", "${SPANLEDGER_RUNBOOK_URL}"}


def test_the_contact_point_takes_its_address_and_the_runbooks_from_the_environment() -> None:
    given = {
        "SLACK_WEBHOOK_URL": "https://hooks.example/x",
        "SPANLEDGER_RUNBOOK_URL": "https://wiki.example/r",
    }
    settings = slack_settings(given)
    assert settings["url"] == "https://hooks.example/x"
    assert "<https://wiki.example/r#{{" in settings["text"]


def test_one_message_is_about_one_rule_and_waits_for_who_crosses_in_the_same_minute() -> None:
    (tree,) = yaml.safe_load((ALERTING / "policies.yaml").read_text())["policies"]
    for route in (tree, *tree["routes"]):
        assert route["group_by"] == ["alertname"]
        assert route["group_wait"] == "75s"
    assert RULES["budget-reached"]["interval"] == "1m"


@pytest.mark.parametrize("uid", RULES)
def test_a_rule_has_a_heading_in_the_runbook_and_links_to_it(uid: str) -> None:
    title = RULES[uid]["title"]
    assert title in HEADINGS
    assert RULES[uid]["annotations"]["runbook_url"].endswith(
        f"/dashboards/RUNBOOK.md#{title.lower().replace(' ', '-')}"
    )


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_of_the_runbook_is_a_rule_with_meaning_check_and_remedy(heading: str) -> None:
    assert heading in {rule["title"] for rule in RULES.values()}
    text = RUNBOOK.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Meaning", "Check", "Remedy"]


def test_the_runbook_names_commands_that_are_there() -> None:
    named = set(re.findall(r"`spanledger (\w+)", RUNBOOK))
    assert named <= {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("uid", RULES)
def test_a_message_links_to_a_dashboard_with_the_variables_that_it_has(uid: str) -> None:
    boards = [json.loads(path.read_text()) for path in (ROOT / "dashboards" / "json").glob("*.json")]
    variables = {board["uid"]: {each["name"] for each in board["templating"]["list"]} for board in boards}
    board, _, given = RULES[uid]["annotations"]["dashboard"].partition("?")
    assert set(re.findall(r"var-(\w+)=", given)) <= variables[board]
