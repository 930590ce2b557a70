"""A statement as JSON: the one canonical form, for programs and for freezing.

UTF-8, keys sorted, two spaces, one line break at the end. Money is `{"amount": "12.50", "currency": "EUR"}`;
every other decimal is text too, times carry their offset. Beside its fields each object has the figures that
follow from them (`DERIVED` of its class), so that no reader has to reckon. What is not known is null; what a
client's copy does not show is not there at all.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from spanledger_billing.money import Money, decimal, plain
from spanledger_billing.statements.lines import OF_THE_AGENCY
from spanledger_billing.statements.model import Copy, Statement


def render(statement: Statement) -> bytes:
    """The document's only form: equal statements give equal bytes."""
    content = _encoded(statement, statement.copy)
    return (json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def parse(content: bytes) -> Statement:
    """The statement that `render` wrote.

    Raises:
        ValueError: it is not what `render` writes for any statement: a figure that does not follow from the
            others, an amount that is no decimal text, another order or layout.

    """
    try:
        statement: Statement = _decoded(Statement, json.loads(content))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no statement: {error!r}") from error
    if render(statement) != content:
        raise ValueError(
            f"the JSON of {statement.number} is not the one that its own figures give: it was changed, or "
            "written by another program"
        )
    return statement


def _encoded(value: Any, copy: Copy) -> Any:
    if isinstance(value, Money):
        return {"amount": format(value.amount, "f"), "currency": value.currency}
    if isinstance(value, Decimal):
        return plain(value)
    if is_dataclass(value):
        names = (*(f.name for f in fields(value)), *getattr(value, "DERIVED", ()))
        shown = (name for name in names if copy is Copy.FULL or name not in OF_THE_AGENCY)
        return {name: _encoded(getattr(value, name), copy) for name in shown}
    if isinstance(value, tuple):
        return [_encoded(item, copy) for item in value]
    if isinstance(value, Mapping):
        return {key: _encoded(item, copy) for key, item in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _decoded(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _decoded(get_args(hint)[0], value)
    if origin is tuple:
        return tuple(_decoded(get_args(hint)[0], item) for item in value)
    if origin is Mapping:
        return {key: _decoded(get_args(hint)[1], item) for key, item in value.items()}
    if hint is Decimal:
        return decimal(value)
    if hint is Money:
        return Money(decimal(value["amount"]), value["currency"])
    if hint in (datetime, date):
        return hint.fromisoformat(value)
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        names = [f.name for f in fields(hint) if f.name in value]
        return hint(**{name: _decoded(hints[name], value[name]) for name in names})
    if issubclass(hint, StrEnum):
        return hint(value)
    if type(value) is not hint:
        raise ValueError(f"found {value!r}; allowed: {hint.__name__}")
    return value
