"""Checks of the apps on this machine, by what they left in the outbox: spans that wait, and what apps say of
themselves.

Every metered process keeps a status file beside its spans. One that ended in order, with all delivered, has
taken it away: what is said here is of processes that live, and of those that did not end so.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

from spanledger.delivery.outbox import status
from spanledger.delivery.outbox.folder import candidates
from spanledger.delivery.settings import MEMORY_ONLY
from spanledger_billing.doctor.report import Check, State

COMPONENT: Final = "apps"

HELD_SECONDS: Final = 300.0
"""A living app's span that is older waits for a collector that does not take it."""
LEFT_SECONDS: Final = 60.0
"""Other processes of the app send within a quarter of a minute what one has left."""

_FLUSH: Final = "python -m spanledger outbox flush, with the app's variables"

_NEXT_STEPS: Final = {
    "spans_lost": "the app's log under spanledger says why; SPANLEDGER_OUTBOX and its limit give them room",
    "spans_refused": "see aside above: these calls are missing from the ledger",
    "outbox_corrupt": "see aside above; check the disk",
    "event_too_long": "an answer had an event beyond what is read: its call may lack usage; report it",
    "batch_items_dropped": "a batch had more items than are read: compare it with the provider's figures",
    "client_id_refused": "a client id was empty, too long or no text: its calls are unattributed",
    "token_refused": "a token could not be verified: its calls are unattributed",
    "token_without_client": "tokens without the claim that names the client: check the resolver's claim",
    "resolver_failed": "the app's resolver of clients raises: its calls are unattributed",
    "header_ambiguous": "a request named its client twice: its calls are unattributed",
}
"""Kind of count -> what to do, where it says that calls may be missing, or whose they are."""

_HARMLESS: Final = frozenset({"delivery_retried", "spans_left_in_outbox", "include_usage_refused"})
"""What is told of elsewhere, or put right by itself."""


def check() -> list[Check]:
    """What there is in the outbox that an app with this environment has."""
    setting = os.environ.get("SPANLEDGER_OUTBOX", "").strip()
    if setting.lower() == MEMORY_ONLY:
        return [Check(COMPONENT, "outbox", State.OK, "off: spans wait in memory, and a kill loses them")]
    where = next((path for path in candidates(setting) if path.is_dir()), None)
    if where is None:
        return [
            Check(COMPONENT, "outbox", State.OK, "no app of this user has kept spans on this machine yet")
        ]
    return _of(where)


def _of(where: Path) -> list[Check]:
    found = status.read(where, 0)
    processes = [box.process for box in found.boxes if box.process]
    living = [box.process for box in found.boxes if box.process and box.held]
    counts: Counter[str] = Counter()
    for process in processes:
        counts.update(process.get("counts") or {})
    checks = [_waiting(found), _aside(found, where), *_memory(living), *_standing_still(living)]
    return [*checks, *_counts(counts)]


def _waiting(found: status.OutboxStatus) -> Check:
    left = [box for box in found.boxes if box.spans and not box.held]
    held = [box for box in found.boxes if box.spans and box.held]
    told = f"{found.spans:,} spans wait in {found.directory}"
    if _oldest(left) > LEFT_SECONDS:
        told += f", {found.not_held:,} of them left by processes that are gone,"
        told += f" the oldest {_oldest(left):,.0f} s old"
        return Check(COMPONENT, "outbox", State.PROBLEM, told, _FLUSH)
    if _oldest(held) > HELD_SECONDS:
        told += f", the oldest {_oldest(held):,.0f} s old"
        errors = {
            str(box.process["last_error"]) for box in held if box.process and box.process.get("last_error")
        }
        next_step = (
            f"apps say: {'; '.join(sorted(errors))}" if errors else "see whether apps reach the collector"
        )
        return Check(COMPONENT, "outbox", State.PROBLEM, told, next_step)
    if not found.survives_restart:
        next_step = "name a directory that a restart of the machine keeps with SPANLEDGER_OUTBOX"
        return Check(COMPONENT, "outbox", State.PROBLEM, told, next_step)
    return Check(COMPONENT, "outbox", State.OK, told)


def _oldest(boxes: list[status.BoxStatus]) -> float:
    return max((box.oldest_seconds or 0.0 for box in boxes), default=0.0)


def _aside(found: status.OutboxStatus, where: Path) -> Check:
    if not found.aside_files:
        return Check(COMPONENT, "aside", State.OK, "no span was refused or damaged")
    told = f"{found.aside_files} files of refused or damaged spans, which are missing from the ledger"
    next_step = f"the collector's log says why it refused them; look at {where / 'aside'}, then delete it"
    return Check(COMPONENT, "aside", State.PROBLEM, told, next_step)


def _memory(living: list[dict[str, Any]]) -> list[Check]:
    reasons = {
        str(disk.get("reason"))
        for process in living
        if (disk := process.get("outbox") or {}).get("state") == "memory"
    }
    if not reasons:
        return []
    told = f"spans wait in the memory of apps, which a kill loses: {'; '.join(sorted(reasons))}"
    next_step = "give the outbox room, or another directory with SPANLEDGER_OUTBOX"
    return [Check(COMPONENT, "fallback", State.PROBLEM, told, next_step)]


def _standing_still(living: list[dict[str, Any]]) -> list[Check]:
    still = sum(bool(process.get("threads_stand_still")) for process in living)
    if not still:
        return []
    told = f"{still} processes of uWSGI without threads: spans wait for the next request, or the exit"
    return [Check(COMPONENT, "threads", State.PROBLEM, told, "give uWSGI the option enable-threads")]


def _counts(counts: Counter[str]) -> list[Check]:
    odd = {kind: times for kind, times in counts.items() if times and kind not in _HARMLESS}
    if not odd:
        return [Check(COMPONENT, "health", State.OK, "no app counts anything amiss")]
    default = "the app's log under spanledger tells of the first case of each kind"
    return [
        Check(
            COMPONENT,
            kind,
            State.PROBLEM,
            f"{times:,} times, by what apps say",
            _NEXT_STEPS.get(kind, default),
        )
        for kind, times in sorted(odd.items())
    ]
