"""Is everything well between the apps and the ledger?

Each component is asked, a span is sent through all of them, and the calls that the ledger could not make
whole are counted. Every finding names its next step. Nothing is changed, but for that one span, which does
not bill.
"""

import platform
from collections.abc import Callable, Iterator
from typing import Any

from spanledger import __version__, health
from spanledger.settings import Settings, resolve
from spanledger_billing.doctor import alerts, apps, collector, ledger, probe, rolled_up
from spanledger_billing.doctor.places import Places
from spanledger_billing.doctor.report import Check, State, exit_code, unreachable
from spanledger_billing.errors import OperatorError

__all__ = ["Check", "Places", "State", "examine", "exit_code"]


def examine(connect: Callable[[], Any], where: Places, *, patience: float) -> Iterator[Check]:
    """Every check in turn, as it is done.

    Args:
        connect: opens the ledger, as `ledger.connect` does.
        where: where the other components are.
        patience: seconds to wait for the probe.

    """
    running_on = f"{__version__} on Python {platform.python_version()}"
    yield Check("spanledger", "version", State.OK, running_on)
    settings, bad_settings = _settings(where)
    yield from bad_settings
    yield from apps.check()
    yield from collector.check(where.metrics_url)
    yield alerts.slack()
    try:
        connection = connect()
    except OperatorError as error:
        yield unreachable(ledger.COMPONENT, error)
        yield from probe.check(settings, None, patience)
        return
    with connection:
        ready = list(ledger.reachable(connection))
        yield from ready
        migrated = all(check.state is State.OK for check in ready)
        yield from probe.check(settings, connection if migrated else None, patience)
        if migrated:
            yield from ledger.contents(connection)
            yield from rolled_up.checks(connection)


def _settings(where: Places) -> tuple[Settings, list[Check]]:
    """As an app on this machine would have them."""
    before = health.snapshot().get("bad_setting", 0)
    settings = resolve(endpoint=where.otlp_endpoint)
    bad = health.snapshot().get("bad_setting", 0) - before
    found = f"{bad} SPANLEDGER_* variables have a value that is not taken (see the warning above)"
    return settings, [Check("settings", "variables", State.PROBLEM, found, "set them right")] if bad else []
