"""The ports of embedded mode: free when they are needed, and named with their option when they are not."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from spanledger_billing.embedded.server import LOOPBACK
from spanledger_billing.errors import InvalidInputError

DEFAULT: Final = {
    "otlp-http-port": 4318,
    "otlp-grpc-port": 4317,
    "clickhouse-port": 8123,
    "metrics-port": 8888,
    "health-port": 13133,
    "grafana-port": 3000,
}
"""Option -> port, as the components' own documentation has them."""


def settle(wanted: Mapping[str, int]) -> dict[str, int]:
    """The same options with a free port in place of each 0.

    Raises:
        InvalidInputError: a port is taken, or asked for twice.

    """
    settled: dict[str, int] = {}
    with ExitStack() as held:
        # All held at once, so that no two free ones are the same; taken ones first, for the same reason.
        for option, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
                listener.listen()
            except OSError as error:
                raise InvalidInputError(
                    f"port {port} on {LOOPBACK} cannot be used for --{option}: {error.strerror}",
                    next_step=f"stop what listens there, or choose another with --{option} (0: any free one)",
                ) from error
            settled[option] = listener.getsockname()[1]
    return settled
