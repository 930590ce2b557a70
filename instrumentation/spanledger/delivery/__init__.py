"""Delivery: from a finished span to the collector's acknowledgement.

A span is encoded once, where it is submitted, and kept until the collector has answered 200 without
rejections. `Delivery` has the thread that sends and the ends of a process; `queue` what waits; `sender` the
batches and the culprits among them; `collector` one exchange with the collector; `otlp` the encoding.
"""

from spanledger.delivery.delivery import Delivery
from spanledger.delivery.settings import DeliverySettings

__all__ = ["Delivery", "DeliverySettings"]
