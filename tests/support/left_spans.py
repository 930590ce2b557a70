"""Spans in an outbox that nobody holds any more, as a process leaves them that ends before they are sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spanledger.delivery import DeliverySettings
from spanledger.delivery.otlp import encode
from spanledger.delivery.outbox import Outbox
from support.finished_spans import finished


def no_report() -> dict[str, Any]:
    return {}


def opened(url: str, **settings: Any) -> Outbox:
    return Outbox(DeliverySettings(url, **({"sync_interval": 0.01} | settings)), no_report)


def put(outbox: Outbox, *names: str) -> None:
    for name in names:
        outbox.put(encode(finished(name)))


def leave(url: str, *names: str, **settings: Any) -> None:
    outbox = opened(url, **settings)
    put(outbox, *names)
    outbox.abandon()


@contextmanager
def holding(url: str, *names: str, **settings: Any) -> Iterator[Outbox]:
    """A living process' outbox that sends nothing."""
    outbox = opened(url, **({"sync_interval": 1.0} | settings))
    put(outbox, *names)
    yield outbox
    outbox.abandon()
