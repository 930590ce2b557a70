"""Who a call is for: a client, and the agency's own break-down of it.

An attribution never breaks the app. What cannot be billed becomes unattributed (`client_id` is None)
and is counted, as `client_id_refused`; a project or label that cannot be kept is dropped and counted,
as `project_refused` and `labels_refused`.

What is allowed: a client id is 1 to 128 characters after surrounding white space is cut off, a project
1 to 120; a key of a label matches `[a-z0-9_.-]{1,40}`, its value has 1 to 120 characters, and a call has
at most ten. None holds control characters, line separators or lone surrogates: these break logs,
statements and the wire.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spanledger import health

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_CLIENT_ID: Final = 128
MAX_PROJECT: Final = 120
MAX_LABELS: Final = 10
MAX_LABEL_VALUE: Final = 120

_LABEL_KEY: Final = re.compile(r"[a-z0-9_.-]{1,40}")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Attribution:
    """The claimed client of a call. Make it with `Attribution.checked`, which holds it to the rules above."""

    client_id: str | None = None
    """None: unattributed."""
    project: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def checked(
        cls,
        client_id: Any,
        *,
        project: Any = None,
        labels: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> Attribution:
        """An attribution of whatever the app gave; never raises."""
        return cls(_client_id(client_id), _project(project), _labels(labels))

    def inside(self, outer: Attribution | None) -> Attribution:
        """The attribution in force when this one is nested in another.

        The inner one wins. Inside another client's, nothing is taken over; inside the same client's, the
        project is unless the inner one names its own, and labels add up, the inner value winning per key.
        """
        if outer is None or outer.client_id != self.client_id:
            return self
        labels = dict(self.labels)
        labels.update((key, value) for key, value in outer.labels if key not in labels)
        return Attribution(self.client_id, self.project or outer.project, _bounded(labels))


UNATTRIBUTED: Final = Attribution()


def _client_id(value: Any) -> str | None:
    text = _text(value, MAX_CLIENT_ID)
    if text is None:
        health.count(
            "client_id_refused",
            log=f"{shown(value)} is no client id: a client id is text of 1 to {MAX_CLIENT_ID} characters"
            " without control characters. Its calls are unattributed: pass the client's key as a str",
        )
    return text


def _project(value: Any) -> str | None:
    if value is None:
        return None
    text = _text(value, MAX_PROJECT)
    if text is None:
        health.count(
            "project_refused",
            log=f"{shown(value)} is no project: a project is text of 1 to {MAX_PROJECT} characters without"
            " control characters. The calls are billed all the same, without a project",
        )
    return text


def _labels(given: Any) -> tuple[tuple[str, str], ...]:
    if not given:
        return ()
    kept: dict[str, str] = {}
    try:
        for key, value in given.items() if hasattr(given, "items") else given:
            text = _text(value, MAX_LABEL_VALUE)
            if text is None or not isinstance(key, str) or not _LABEL_KEY.fullmatch(key):
                health.count(
                    "labels_refused",
                    log=f"label {shown(key)} was dropped: keys match {_LABEL_KEY.pattern}, values are text of"
                    f" 1 to {MAX_LABEL_VALUE} characters without control characters",
                )
            else:
                kept[key] = text
    except Exception:
        health.count("labels_refused", log="labels were dropped: they must be a mapping of str to str")
    return _bounded(kept)


def _bounded(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    excess = len(labels) - MAX_LABELS
    if excess > 0:
        health.count(
            "labels_refused",
            times=excess,
            log=f"{excess} labels were dropped: a call has at most {MAX_LABELS}, the first ones given",
        )
    return tuple(labels.items())[:MAX_LABELS]


def _text(value: Any, longest: int) -> str | None:
    """`value` without surrounding white space where it is allowed text, else None."""
    if not isinstance(value, str) or len(value) > 4 * longest:
        return None
    text = str.strip(value)  # not str(value): for `class Client(str, Enum)` that is "Client.ACME"
    if not 0 < len(text) <= longest:
        return None
    if text.isascii() and text.isprintable():
        return text
    return None if any(unicodedata.category(one) in _REFUSED_CATEGORIES for one in text) else text


def shown(value: Any) -> str:
    """`value` as a message may show it: short, on one line, and of text only. Other objects' reprs hold
    whatever their authors put there.
    """
    if value is None:
        return "None"
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    text = repr(value[:64])
    return text if len(text) <= 64 else f"{text[:61]}..."
