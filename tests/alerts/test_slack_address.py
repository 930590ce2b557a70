"""`spanledger doctor` says whether alerts reach anybody, and never where exactly."""

from __future__ import annotations

import pytest

from spanledger_billing.doctor import alerts
from spanledger_billing.doctor.report import State

WEBHOOK = "https://hooks.slack.com/services/T000/B000/secret"


@pytest.mark.parametrize("value", [None, "", " ", "http://127.0.0.1:9/no-webhook-configured"])
def test_without_a_webhook_all_is_well_but_said(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", value)
    check = alerts.slack()
    assert check.state is State.OK
    assert "alerts are shown in Grafana only" in check.found
    assert "SLACK_WEBHOOK_URL" in check.next_step


def test_a_webhook_is_named_by_its_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", WEBHOOK)
    check = alerts.slack()
    assert (check.state, check.found, check.next_step) == (State.OK, "messages go to hooks.slack.com", "")


@pytest.mark.parametrize(
    "value", ["hooks.slack.com/services/T000/B000/secret", "xoxb-secret", "https:///secret"]
)
def test_what_is_no_address_is_a_problem_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", value)
    check = alerts.slack()
    assert check.state is State.PROBLEM
    assert "secret" not in check.found + check.next_step
