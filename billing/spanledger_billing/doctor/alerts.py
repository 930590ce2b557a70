"""Whether alerts reach anybody: the address that Grafana sends them to.

It is a setting of Grafana's and not of the ledger's, so it is looked for where both are set: the environment.
Grafana does not start with an empty address; where there is none, it gets one that nobody listens to.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from spanledger_billing.doctor.report import Check, State

COMPONENT: Final = "alerts"
VARIABLE: Final = "SLACK_WEBHOOK_URL"
NOBODY: Final = "no-webhook-configured"
"""Ends the address that stands in for a missing one (docker-compose.yml, `spanledger up --grafana`)."""


def slack() -> Check:
    """No problem where there is none: alerts are shown in Grafana all the same."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given or given.endswith(NOBODY):
        found = f"{VARIABLE} is not set here: where Grafana has none either, alerts are shown in Grafana only"
        next_step = f"make an incoming webhook in Slack, and start Grafana with its address in {VARIABLE}"
        return Check(COMPONENT, "Slack", State.OK, found, next_step)
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Not repeated: whoever has the address can write into the channel.
        found = f"{VARIABLE} is no http address, so Grafana can send nothing"
        return Check(COMPONENT, "Slack", State.PROBLEM, found, "set it to https://hooks.slack.com/services/…")
    return Check(COMPONENT, "Slack", State.OK, f"messages go to {parts.hostname}")
