"""Alert rules as Grafana evaluates them: queries, reduce, threshold, how long it must hold, resolved or not.

Only what our rules use is known here; any other expression fails. A row that is no longer there is resolved at the
next evaluation (Grafana waits for two where other rows of the rule are still there).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from support.grafana_macros import expand

PROVISIONING = Path(__file__).parents[2] / "dashboards" / "provisioning"
_TEXT = re.compile(r"(LowCardinality\()?(Nullable\()?String\)*")
_NUMBER = re.compile(r"(Nullable\()?(U?Int\d+|Float\d+|Decimal(\d+)?\(.*\))\)?")
_BEYOND = {"gt": lambda value, limit: value > limit, "lt": lambda value, limit: value < limit}

Labels = frozenset[tuple[str, str]]


class ShapeError(Exception):
    """A query's answer is not what Grafana's expressions take as one number per set of labels."""


@dataclass(frozen=True)
class Alert:
    """One row of a rule. Its annotations are templates still."""

    labels: dict[str, str]
    annotations: dict[str, str]
    values: dict[str, float]
    since: datetime
    status: str = "pending"
    ended: datetime | None = None


def provisioned(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROVISIONING / "alerting" / f"{name}.yaml").read_text())
    return content


def rules() -> dict[str, dict[str, Any]]:
    """Uid without its prefix -> rule, with its group's name, `interval` and `folder`."""
    return {
        rule["uid"].removeprefix("spanledger-"): {
            **rule,
            "group": group["name"],
            "interval": group["interval"],
            "folder": group["folder"],
        }
        for group in provisioned("rules")["groups"]
        for rule in group["rules"]
    }


def queries(rule: dict[str, Any]) -> dict[str, str]:
    """RefId -> SQL."""
    return {
        query["refId"]: query["model"]["rawSql"]
        for query in rule["data"]
        if query["datasourceUid"] == "clickhouse"
    }


def numbers(answer: Any) -> dict[Labels, float]:
    """A query's answer as Grafana takes it.

    Raises:
        ShapeError: it says which column or row is not right.

    """
    if not answer.column_names and not answer.result_rows:
        return {}  # of no rows the engine in this process names no columns
    types = dict(zip(answer.column_names, (each.name for each in answer.column_types), strict=True))
    numeric = [name for name, type_ in types.items() if _NUMBER.fullmatch(type_)]
    if len(numeric) != 1:
        raise ShapeError(f"one column is to be a number, and these are: {numeric}")
    if others := {
        name: type_ for name, type_ in types.items() if name not in numeric and not _TEXT.fullmatch(type_)
    }:
        raise ShapeError(f"labels are texts, unlike {others}")
    found: dict[Labels, float] = {}
    for row in answer.named_results():
        number = row.pop(numeric[0])
        if missing := [name for name, text in row.items() if text is None]:
            raise ShapeError(f"the labels {missing} of {row} are NULL")
        if number is None:
            raise ShapeError(f"{numeric[0]} of {row} is NULL")
        if frozenset(row.items()) in found:
            raise ShapeError(f"two rows have the labels {row}")
        found[frozenset(row.items())] = float(number)
    return found


class Rule:
    """A provisioned rule, and the alerts that it has made so far."""

    def __init__(self, ledger: Any, uid: str) -> None:
        self._ledger = ledger
        self._rule = rules()[uid]
        self._alerts: dict[Labels, Alert] = {}

    def evaluate(self, at: datetime) -> list[Alert]:
        """Every alert that fires now, and each that is resolved since the evaluation before."""
        found = self._firing_now(at)
        held = _duration(self._rule["for"])
        alerts: dict[Labels, Alert] = {}
        for labels, alert in found.items():
            before = self._alerts.get(labels)
            since = at if before is None or before.status == "resolved" else before.since
            active = before is not None and before.status == "firing"
            # `since` of a firing alert is when it began to fire, of a pending one when it began to hold.
            if active or at - since >= held:
                alerts[labels] = replace(alert, status="firing", since=since if active else at)
            else:
                alerts[labels] = replace(alert, since=since)
        for labels, before in self._alerts.items():
            if labels not in found and before.status == "firing":
                alerts[labels] = replace(before, status="resolved", ended=at)
        self._alerts = alerts
        return sorted(
            (alert for alert in alerts.values() if alert.status != "pending"),
            key=lambda alert: sorted(alert.labels.items()),
        )

    def _firing_now(self, at: datetime) -> dict[Labels, Alert]:
        results: dict[str, dict[Labels, float]] = {}
        captured: dict[str, dict[Labels, float]] = {}
        for step in self._rule["data"]:
            model, ref = step["model"], step["refId"]
            if step["datasourceUid"] == "clickhouse":
                span = step["relativeTimeRange"]
                start, end = at - timedelta(seconds=span["from"]), at - timedelta(seconds=span["to"])
                results[ref] = numbers(self._ledger.query(expand(model["rawSql"], start=start, end=end)))
            elif model["type"] == "reduce":
                assert model["reducer"] == "last", model
                results[ref] = captured[ref] = results[model["expression"]]
            elif model["type"] == "threshold":
                (condition,) = model["conditions"]
                beyond = _BEYOND[condition["evaluator"]["type"]]
                (limit,) = condition["evaluator"]["params"]
                results[ref] = {
                    labels: float(beyond(value, limit))
                    for labels, value in results[model["expression"]].items()
                }
            else:
                raise AssertionError(f"no expression of this kind is known here: {model}")
        alerts = {}
        for row, fires in results[self._rule["condition"]].items():
            if fires:
                labels = {
                    **self._rule["labels"],
                    **dict(row),
                    "alertname": self._rule["title"],
                    "grafana_folder": self._rule["folder"],
                }
                values = {ref: found[row] for ref, found in captured.items()}
                alerts[row] = Alert(labels, self._rule["annotations"], values, at)
        return alerts


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)(s|m|h)", text)
    assert found, text
    return timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours"}[found[2]]: int(found[1])})
