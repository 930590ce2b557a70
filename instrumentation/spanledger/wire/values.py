"""What may be believed of a value on the wire.

Providers leave details out, write null, or (through a hostile host) anything at all. Each function here
answers with a value that is safe to put on a span, or with `None`: unknown.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

MAX_COUNT: Final = 2**63 - 1
"""OTLP integers are signed 64 bit; a larger one would fail the export of the whole batch."""

MAX_TEXT: Final = 256
_MAX_TOOLS: Final = 32
_CODE: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,64}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def count(value: Any) -> int | None:
    """A number of things: a non-negative integer. Cohere and Vertex write theirs as `431.0`."""
    if type(value) is int:  # `bool` is a subclass, and no number
        return value if 0 <= value <= MAX_COUNT else None
    if isinstance(value, Decimal):
        # The exponent is looked at first: int(Decimal("1e1000000")) is a number of a megabyte.
        if not value.is_finite() or value.adjusted() > 18 or value != value.to_integral_value():
            return None
        return count(int(value))
    return None


def quantity(value: Any) -> int | Decimal | None:
    """An amount that may be a fraction (seconds)."""
    whole = count(value)
    if whole is not None:
        return whole
    if isinstance(value, Decimal) and value.is_finite() and -18 <= value.adjusted() <= 18 and value >= 0:
        return value
    return None


def money(value: Any, *, exponent: int = 0) -> str | None:
    """An amount of money as plain decimal text, times ten to the `exponent`, with no digit lost or added."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    if isinstance(value, int) and value > MAX_COUNT:
        return None
    amount = Decimal(value)
    if not amount.is_finite() or amount < 0:
        return None
    if amount == 0:
        return "0"
    sign, digits, power = amount.as_tuple()
    if not isinstance(power, int) or len(digits) > 40 or not -30 <= amount.adjusted() + exponent <= 18:
        return None
    text = format(Decimal((sign, digits, power + exponent)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def text(value: Any) -> str | None:
    """A name: a model, an id, a tier. Bounded, printable, never empty."""
    if type(value) is not str or not value:
        return None
    if len(value) <= MAX_TEXT and value.isascii() and value.isprintable():
        return value
    return _UNPRINTABLE.sub("", value[:MAX_TEXT]) or None


def code(value: Any) -> str | None:
    """A token like `overloaded_error` or `502`. A message, which may quote a prompt, is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**9 else ""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def error_code(error: Any) -> str:
    """What a provider's in-band error is called."""
    if isinstance(error, dict):
        # Google's `code` is an HTTP status and its `status` the name; OpenAI's `code` is the name.
        names = (error.get("status"), error.get("code"), error.get("type"))
        return next((name for name in map(code, names) if name), "error")
    return code(error) or "error"


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one: details may be null or anything."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def total(*parts: int | None) -> int | None:
    """The sum of what is known; unknown where nothing is."""
    known = [part for part in parts if part is not None]
    return min(sum(known), MAX_COUNT) if known else None


def tool_counts(value: Any, suffix: str = "") -> dict[str, int]:
    """An object of counts by tool, `web_search_requests: 1`, the names without their suffix."""
    counts: dict[str, int] = {}
    for name, number in mapping(value).items():
        known, tool = count(number), code(name.removesuffix(suffix))
        if known is not None and tool is not None and len(counts) < _MAX_TOOLS:
            counts[tool] = known
    return counts
