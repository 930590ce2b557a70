"""Where billing spans go, and how much may wait for it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACES_PATH: Final = "/v1/traces"
DEFAULT_MEMORY_LIMIT_MB: Final = 64.0
DEFAULT_OUTBOX_LIMIT_MB: Final = 512.0
DEFAULT_EXIT_TIMEOUT_SECONDS: Final = 5.0
MEMORY_ONLY: Final = "off"


def _memory_limit_bytes() -> int:
    return int(_number("SPANLEDGER_MEMORY_LIMIT_MB", DEFAULT_MEMORY_LIMIT_MB) * 1024 * 1024)


def _outbox() -> str:
    return os.environ.get("SPANLEDGER_OUTBOX", "").strip()


def _outbox_limit_bytes() -> int:
    return int(_number("SPANLEDGER_OUTBOX_LIMIT_MB", DEFAULT_OUTBOX_LIMIT_MB) * 1024 * 1024)


def _exit_timeout() -> float:
    return _number("SPANLEDGER_EXIT_TIMEOUT", DEFAULT_EXIT_TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Raises ValueError where the endpoint or a header cannot be used; no message shows a secret."""

    endpoint: str
    """The collector's base URL, http or https. `/v1/traces` is appended unless its path ends so already.
    Proxies named in the environment are not used: billing data goes to the collector and to nobody else."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer …`, over a header of that name."""
    certificate: str | None = None
    """PEM file of the authorities to trust, instead of the system's. Read anew with each connection."""
    client_certificate: str | None = None
    """PEM file that shows who sends, where the collector asks for a certificate. Read anew as well."""
    client_key: str | None = None
    """PEM file of its key, where that is in a file of its own. Not encrypted: there is nobody to ask."""
    outbox: str = field(default_factory=_outbox)
    """Directory where spans wait (`SPANLEDGER_OUTBOX`); empty: the user's own, see `outbox.folder`; "off":
    they wait in memory, and a kill loses them."""
    outbox_limit_bytes: int = field(default_factory=_outbox_limit_bytes)
    """What may wait there at most, of all processes together (`SPANLEDGER_OUTBOX_LIMIT_MB`, 512)."""
    memory_limit_bytes: int = field(default_factory=_memory_limit_bytes)
    """What may wait in memory at most, where no outbox can take it (`SPANLEDGER_MEMORY_LIMIT_MB`, 64). A span
    takes about a kilobyte."""
    sync_interval: float = 1.0
    """Seconds between syncs of what was written to the outbox: what a power loss can take."""
    exit_timeout: float = field(default_factory=_exit_timeout)
    """Seconds that the exit may wait for what is not delivered (`SPANLEDGER_EXIT_TIMEOUT`, 5)."""
    linger: float = 0.2
    """Seconds that the first span of a batch waits for more of them."""
    first_retry: float = 0.5
    longest_retry: float = 30.0
    """Seconds between attempts: doubled from the first to the longest, for ever, each less up to a half."""
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0

    def __post_init__(self) -> None:
        _check_endpoint(self.endpoint)
        if self.token is not None:
            object.__setattr__(self, "token", self.token.strip())
        for name, value in self.request_headers().items():
            if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()):
                raise ValueError(
                    f"the value of the header {name!a} for the collector cannot be sent: it must be"
                    " printable ASCII on one line. Check the token and the headers"
                )

    @property
    def url(self) -> str:
        """Where spans are posted."""
        base = self.endpoint.rstrip("/")
        return base if base.endswith(TRACES_PATH) else base + TRACES_PATH

    def fingerprint(self) -> str:
        """Names address and sender without telling the token: what was left is sent by the same only."""
        told = json.dumps([self.url, sorted(self.request_headers().items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def request_headers(self) -> dict[str, str]:
        """The operator's headers and the token."""
        given = {str(name).lower(): str(value).strip() for name, value in self.headers.items()}
        if self.token:
            given["authorization"] = f"Bearer {self.token}"
        return given


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if not good or "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: a password may stand in it.
        raise ValueError(
            "the collector's endpoint must look like http://127.0.0.1:4318 or https://collector.example:4318:"
            " http or https, a host, no user, no query. Set SPANLEDGER_ENDPOINT, credentials with"
            " SPANLEDGER_TOKEN"
        )


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:
        health.count("bad_setting", log=f"{variable} must be a number above 0; {default:g} is used")
        return default
    return number
