"""Spans in an outbox that nobody holds any more, as a process leaves them that ends before they are sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spanledger.delivery import DeliverySettings
from spanledger.delivery.outbox import Outbox
from support.finished_spans import encoded
from support.waiting import wait_for


def no_report() -> dict[str, Any]:
    return {}


def opened(url: str, **settings: Any) -> Outbox:
    return Outbox(DeliverySettings(url, **({"sync_interval": 0.01} | settings)), no_report)


def put(outbox: Outbox, *names: str) -> None:
    for name in names:
        outbox.put(encoded(name))


def leave(url: str, *names: str, **settings: Any) -> None:
    outbox = opened(url, **settings)
    put(outbox, *names)
    end(outbox)


def end(outbox: Outbox) -> None:
    """As a process ends: with all its threads, so that nobody holds its box."""
    outbox.abandon()
    wait_for(lambda: not outbox._keeper._running, "the keeper's end", every_s=0.001)


@contextmanager
def holding(url: str, *names: str, **settings: Any) -> Iterator[Outbox]:
    """A living process' outbox that sends nothing."""
    outbox = opened(url, **settings)
    put(outbox, *names)
    yield outbox
    end(outbox)
