"""What stands before and behind the one large array of an answer, read without passing through it.

It is for answers that are whole; of one that was cut inside the array, the end of an element would pass for
the root's. Where an answer is not as simple as that, there is None, and it is read as any other.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spanledger.wire.skim import Skimmer, Spec, pruned
from spanledger.wire.skimmer import parsed

_HEAD: Final = 2048
_TAIL: Final = 4096
"""Bytes at either end in which the other members are looked for."""
_LAST_CHOICE: Final = re.compile(
    rb'"finish_reason"\s*+:\s*+"([a-z_]{1,64}+)"'
    rb'(?:\s*+,\s*+"\w{1,32}+"\s*+:\s*+(?:null|true|false|[-\d.]{1,20}+|"[^"\\]{0,256}+"))*+\s*+\}\s*+\Z'
)
"""The end of a choice, in an element whose other members behind it are simple ones."""


def around_vectors(data: bytes, spec: Spec) -> dict[str, Any] | None:
    """The wanted members around an array of embeddings, which holds nothing that anybody wrote."""
    last = _behind(data, data.rfind(b"]", len(data) - _TAIL))
    first = Skimmer(spec)
    first.feed(data[:_HEAD])
    if last is None or not first.passes_array:
        return None
    return {**first.members, **pruned(last, spec)}


def around_choice(data: bytes, spec: Spec) -> dict[str, Any] | None:
    """The wanted members of a chat completion with one choice.

    A bracket inside a string opens and closes no array. But up to the first one the text is the beginning of
    the root, and from the last one on its end: each is parsed as that, and fails where it is not. The array
    that begins there is `choices`, and the one that ends there ends with a choice: it is one and the same.
    """
    opening, closing = data.find(b"[", 0, _HEAD), data.rfind(b"]", len(data) - _TAIL)
    behind = _behind(data, closing)
    choice = _LAST_CHOICE.search(data[max(opening, closing - 512) : max(opening, closing)])
    if opening < 0 or behind is None or choice is None:
        return None
    try:
        before = parsed(data[:opening] + b"null}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(before, dict) or next(reversed(before), None) != "choices":
        return None
    reason = {"finish_reason": choice[1].decode("ascii")}
    return {**pruned({**before, **behind}, spec), "choices": [reason]}


def _behind(data: bytes, closing: int) -> dict[str, Any] | None:
    """The members behind the bracket that closes the root's last array; None where no usage is there."""
    tail = data[closing + 1 :].strip()
    if closing < 0 or not tail.startswith(b","):
        return None
    try:
        members = parsed(b"{" + tail[1:])
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) and isinstance(members.get("usage"), dict) else None
