"""What a gateway's answers say: that the LLM calls behind them are metered here.

An app that calls an LLM through an instrumented gateway would bill the same call once more. The gateway's
answers carry a header, and the caller's span then says who metered the call and does not bill.
"""

from __future__ import annotations

from typing import Final

from spanledger import health
from spanledger.capture import meter as metering
from spanledger.capture.call import METERED_HEADER, NAME_AT_MOST

HEADER: Final = METERED_HEADER


def checked(name: str | None) -> str | None:
    """The gateway's name as a header can hold it; None where it is none, or cannot be held."""
    if name is None:
        return None
    if not isinstance(name, str) or not (name.strip() and name.isascii() and name.isprintable()):
        health.count(
            "bad_setting",
            log="metered_as must be printable ASCII text; answers do not say that their calls are metered"
            " here, and instrumented callers bill them again",
        )
        return None
    return name.strip()[:NAME_AT_MOST]


def metering_now() -> bool:
    """Whether calls are metered at all: else the caller must bill them."""
    return metering.in_force is not None
