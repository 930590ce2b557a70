"""The files are what their source makes, and hold nothing that Grafana would ignore or fail at."""

from __future__ import annotations

import copy
import runpy
from typing import Any

import pytest
import yaml

from support import dashboards, grafana_files

BOARDS = dashboards.boards()
PROVISIONING = dashboards.FOLDER / "provisioning"
SET_FOR_GRAFANA = {
    "SPANLEDGER_DATASOURCE_HOST", "SPANLEDGER_DATASOURCE_PORT", "SPANLEDGER_DATASOURCE_PROTOCOL",
    "SPANLEDGER_DATASOURCE_USER", "SPANLEDGER_DATASOURCE_PASSWORD", "SPANLEDGER_DATABASE", "SPANLEDGER_DASHBOARDS",
}  # fmt: skip
"""What docker-compose.yml and `spanledger up --grafana` set."""


def test_the_json_is_what_make_dashboards_makes_of_the_source() -> None:
    built = runpy.run_path(str(dashboards.FOLDER / "source" / "build.py"))["built"]()
    there = [path for folder in ("json", "share") for path in (dashboards.FOLDER / folder).glob("*.json")]
    assert {path: path.read_text(encoding="utf-8") for path in there} == built


def test_there_are_five_dashboards() -> None:
    assert set(BOARDS) == {
        f"spanledger-{name}" for name in ("overview", "client", "budgets", "models", "pipeline")
    }


@pytest.mark.parametrize("uid", BOARDS)
def test_a_dashboard_holds_nothing_that_grafana_does_not_know(uid: str) -> None:
    assert grafana_files.dashboard(BOARDS[uid]) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda board: board.update(shemaVersion=39), "knows no 'shemaVersion'"),
        (lambda board: board.pop("uid"), "uid is missing"),
        (lambda board: board.update(id=3), "Grafana gives it"),
        (lambda board: board["panels"][0].pop("description"), "description is missing"),
        (lambda board: board["panels"][0]["targets"][0].update(rawSQL=""), "knows no 'rawSQL'"),
        (lambda board: board["panels"][1].update(id=1), "two panels have one id"),
        (lambda board: board["panels"][1].update(gridPos={"x": 0, "y": 0, "w": 2, "h": 2}), "lies on"),
        (lambda board: board["panels"][0].update(title="of ${monht}"), "${monht} is no variable"),
        (lambda board: board.update(title="${SPANLEDGER_DATABASE}"), "never filled in"),
        (
            lambda board: board["panels"][0]["fieldConfig"]["defaults"].update(unit="currencyUSD"),
            "unit currencyUSD",
        ),
        (lambda board: board["panels"][0]["targets"][0].update(format=0), "say different things"),
    ],
)
def test_a_mistake_in_a_dashboard_is_found(change: Any, says: str) -> None:
    board = copy.deepcopy(BOARDS["spanledger-overview"])
    change(board)
    assert any(says in each for each in grafana_files.dashboard(board)), grafana_files.dashboard(board)


@pytest.mark.parametrize("uid", BOARDS)
def test_links_lead_to_dashboards_that_are_there_and_to_variables_they_have(uid: str) -> None:
    urls = [
        link["url"]
        for panel in BOARDS[uid]["panels"]
        for link in [
            *panel.get("links", ()),
            *(
                link
                for override in panel["fieldConfig"]["overrides"]
                for each in override["properties"]
                if each["id"] == "links"
                for link in each["value"]
            ),
        ]
    ]
    for url in urls:
        path, _, query = url.partition("?")
        board = BOARDS[path.removeprefix("/d/")]
        names = {f"var-{variable['name']}" for variable in board["templating"]["list"]}
        assert {part.partition("=")[0] for part in query.split("&")} <= names, url
    assert urls or uid in {"spanledger-models", "spanledger-pipeline"}


@pytest.mark.parametrize("uid", BOARDS)
def test_the_head_leads_to_every_other_dashboard_with_what_can_be_chosen_there(uid: str) -> None:
    board = BOARDS[uid]
    here = {variable["name"]: variable for variable in board["templating"]["list"]}
    led_to = set()
    for link in board["links"]:
        path, _, query = link["url"].partition("?")
        other = BOARDS[path.removeprefix("/d/")]
        led_to.add(other["uid"])
        assert (link["type"], link["title"]) == ("link", other["title"])
        there = {variable["name"]: variable for variable in other["templating"]["list"]}
        for part in query.split("&") if query else ():
            name = part.removeprefix("${").removesuffix(":queryparam}")
            # "All" means nothing where one has to be chosen.
            assert there[name]["includeAll"] or not here[name]["includeAll"], link["url"]
        assert ("month" in here and "month" in there) == ("${month:queryparam}" in query)
        assert not link["includeVars"]
    assert led_to == BOARDS.keys() - {uid}


def test_the_rules_and_the_dashboards_are_in_folders_whose_titles_have_no_word_in_common() -> None:
    # Grafana makes the rules' folder by its title before the dashboards' is there, and then has two of one title.
    rules = yaml.safe_load((PROVISIONING / "alerting" / "rules.yaml").read_text(encoding="utf-8"))
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "spanledger.yaml").read_text(encoding="utf-8"))
    words = {word for group in rules["groups"] for word in group["folder"].split()}
    assert words.isdisjoint({word for each in provider["providers"] for word in each["folder"].split()})


def test_the_data_source_is_one_that_grafana_knows_under_the_uid_that_panels_name() -> None:
    text = (PROVISIONING / "datasources" / "clickhouse.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert grafana_files.datasources(content) == []
    assert grafana_files.environment(_code(text), SET_FOR_GRAFANA) == []
    (source,) = content["datasources"]
    # It would make Grafana send a setting that schema/users and the embedded endpoint let no reader choose.
    assert source["jsonData"]["enableRowLimit"] is False
    named = {str(panel["datasource"]) for board in BOARDS.values() for panel in board["panels"]}
    assert named == {str({"type": source["type"], "uid": source["uid"]})}


def test_every_dashboard_has_a_provider_of_its_own_in_one_folder() -> None:
    text = (PROVISIONING / "dashboards" / "spanledger.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert grafana_files.providers(content) == []
    assert grafana_files.environment(_code(text), SET_FOR_GRAFANA) == []
    providers = content["providers"]
    assert {each["name"]: each["options"]["path"] for each in providers} == {
        uid: f"${{SPANLEDGER_DASHBOARDS}}/{uid.removeprefix('spanledger-')}.json" for uid in BOARDS
    }
    assert {(each["orgId"], each["folder"]) for each in providers} == {(1, "spanledger")}
    assert len(providers) == len(BOARDS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${HOST:-clickhouse}", "knows no default"),
        ("$HOST", "write it"),
        ("${HOST}", "set by nobody"),
        ("$${HOST}", ""),
    ],
)
def test_a_variable_that_grafana_would_not_fill_in_is_found(text: str, says: str) -> None:
    found = grafana_files.environment(text, SET_FOR_GRAFANA)
    assert [says in each for each in found] == ([True] if says else [])


def _code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
