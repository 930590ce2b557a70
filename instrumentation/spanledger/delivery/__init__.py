"""Delivery: from an encoded span to the collector's acknowledgement.

A span is encoded once, by who made it, and kept until the collector has answered 200 without rejections.
`Delivery` has the thread that sends, `process` tells it of exits and forks; `queue` is what waits; `sender`
has the batches and the culprits among them, `collector` one exchange; `otlp` joins spans into requests.
"""

from spanledger.delivery.delivery import Delivery
from spanledger.delivery.settings import DeliverySettings

__all__ = ["Delivery", "DeliverySettings"]
