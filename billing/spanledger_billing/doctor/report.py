"""What a check found, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from spanledger_billing.errors import OperatorError


class State(StrEnum):
    OK = "ok"
    PROBLEM = "problem"
    """Something to act on; the next step says how."""
    UNREACHABLE = "unreachable"
    NOT_CHECKED = "not checked"
    """It needs a component that is unreachable."""


@dataclass(frozen=True)
class Check:
    component: str
    subject: str
    state: State
    found: str
    next_step: str = ""


def unreachable(component: str, error: OperatorError) -> Check:
    return Check(component, "reachable", State.UNREACHABLE, error.found, error.next_step)


def exit_code(checks: Iterable[Check]) -> int:
    """3 where a component is unreachable, else 1 where there is a problem, else 0."""
    states = {check.state for check in checks}
    return 3 if State.UNREACHABLE in states else 1 if State.PROBLEM in states else 0


def address(url: str) -> str:
    """Host and port of a URL, for people: never the user information or the query, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.hostname or '?'}:{parts.port}" if parts.port else parts.hostname or "?"
