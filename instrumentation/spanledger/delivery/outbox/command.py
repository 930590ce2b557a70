"""`python -m spanledger outbox status|flush`: what waits, and send it without the app.

For operators on the app's machine. Exit codes: 0 nothing is left to do, 1 spans that no living process holds
are still there, 2 what was asked for cannot be done.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spanledger import settings as app_settings
from spanledger.delivery.collector import Collector
from spanledger.delivery.outbox import status as outbox_status
from spanledger.delivery.outbox.adoption import Adoption
from spanledger.delivery.outbox.aside import Aside
from spanledger.delivery.outbox.folder import ASIDE, Folder, candidates
from spanledger.delivery.outbox.leftovers import Leftovers
from spanledger.delivery.outbox.segment import Destination
from spanledger.delivery.sender import Sender
from spanledger.delivery.settings import MEMORY_ONLY, DeliverySettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger.delivery.outbox.status import BoxStatus, OutboxStatus

DEFAULT_TIMEOUT_S: Final = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        settings = _settings(asked)
    except ValueError as error:
        return _refuse(str(error))
    if settings.outbox.lower() == MEMORY_ONLY:
        return _refuse("SPANLEDGER_OUTBOX is off: spans wait in memory only. Name a directory with --dir")
    folder = Folder(settings.outbox, settings.outbox_limit_bytes)
    sent = _flush(folder, settings, asked.timeout, everything=asked.all) if asked.what == "flush" else None
    outbox = folder.existing() or candidates(settings.outbox)[0]
    found = outbox_status.read(outbox, settings.outbox_limit_bytes)
    if asked.json:
        _print(json.dumps({**json.loads(outbox_status.as_json(found)), "flush": sent}, indent=2))
    else:
        _print("\n".join((_flushed(sent) if sent else []) + _shown(found, settings)))
    return 1 if sent and found.not_held else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spanledger", description="What the app's side of spanledger keeps, and how it stands."
    )
    areas = parser.add_subparsers(required=True, metavar="outbox")
    outbox = areas.add_parser("outbox", help="billing spans that wait on disk for the collector")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dir", help="the outbox (else SPANLEDGER_OUTBOX, else the user's own)")
    common.add_argument("--json", action="store_true", help="for programs")
    what = outbox.add_subparsers(dest="what", required=True, metavar="status|flush")
    status = what.add_parser("status", parents=[common], help="what waits there, for whom, and since when")
    status.set_defaults(endpoint=None, timeout=0.0, all=False)
    flush = what.add_parser("flush", parents=[common], help="send what no living process holds")
    flush.add_argument("--endpoint", help="the collector (else SPANLEDGER_ENDPOINT)")
    flush.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="seconds to try (default %(default)g)"
    )
    flush.add_argument(
        "--all",
        action="store_true",
        help="also what was recorded for another endpoint or token: it is sent as this one's",
    )
    return parser


def _settings(asked: argparse.Namespace) -> DeliverySettings:
    app = app_settings.resolve(endpoint=asked.endpoint)
    settings = DeliverySettings(
        endpoint=app.endpoint,
        headers=app.headers,
        token=app.token,
        certificate=app.certificate,
        client_certificate=app.client_certificate,
        client_key=app.client_key,
    )
    return settings if asked.dir is None else replace(settings, outbox=str(Path(asked.dir).absolute()))


def _flush(
    folder: Folder, settings: DeliverySettings, timeout: float, *, everything: bool
) -> dict[str, object]:
    deadline = time.monotonic() + timeout
    destination = None if everything else Destination(settings.url, settings.fingerprint())
    aside = Aside(folder)
    leftovers = Leftovers(Adoption(folder, destination, aside), aside)
    collector = Collector(settings)
    sender = Sender(leftovers, collector)
    failures = 0
    while leftovers.waits() and (left := deadline - time.monotonic()) > 0:
        collector.patience = min(settings.answer_timeout, left)
        kept = sender.send_batch()
        failures = failures + 1 if kept else 0
        if kept:
            pause = min(settings.longest_retry, settings.first_retry * 2.0**failures) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            time.sleep(max(0.0, min(max(pause, kept.retry_after), deadline - time.monotonic())))
    sender.close()
    counts = leftovers.counts()
    leftovers.let_go()
    return {
        "endpoint": settings.url,
        "sent": counts.sent,
        "refused": counts.refused,
        "last_error": sender.last_error,
    }


def _flushed(sent: dict[str, object]) -> list[str]:
    lines = [f"sent {sent['sent']} spans to {sent['endpoint']}"]
    if sent["refused"]:
        lines.append(f"the collector refused {sent['refused']} for what they are; they are in {ASIDE}/")
    if sent["last_error"]:
        lines.append(f"last error: {sent['last_error']}")
    return [*lines, ""]


def _shown(found: OutboxStatus, settings: DeliverySettings) -> list[str]:
    if not found.exists:
        return [f"{found.directory}: not there; no process has written to it yet"]
    lines = [
        f"outbox      {found.directory}",
        f"waiting     {found.spans} spans; {_size(found.bytes)} of {_size(found.limit_bytes)} in use",
        "kill        loses nothing that is in it",
        f"power loss  can take what was written in the last {settings.sync_interval:g} s",
    ]
    if not found.survives_restart:
        lines.append("restart     may empty the temporary folder; name another with SPANLEDGER_OUTBOX")
    if found.aside_files:
        lines.append(
            f"aside       {found.aside_files} files, {_size(found.aside_bytes)}, in {ASIDE}/: refused or"
            " damaged spans, missing from the ledger"
        )
    for box in found.boxes:
        lines += ["", *_box(box, settings)]
    if found.not_held:
        lines += ["", "next: start the app, or run `python -m spanledger outbox flush` with its variables"]
    return lines


def _box(box: BoxStatus, settings: DeliverySettings) -> list[str]:
    process = box.process or {}
    who = f"process {process['pid']}" if "pid" in process else "a process"
    lines = [f"{box.name}: {who}, {'alive' if box.held else 'gone'}"]
    if box.spans:
        age = box.oldest_seconds or 0
        lines.append(f"  {box.spans} spans, the oldest {age:.0f} s old, for {box.endpoint}")
        if box.sender != settings.fingerprint():
            lines.append("  recorded for another endpoint or token than this environment names")
    disk = process.get("outbox") or {}
    if disk.get("state") == "memory":
        lines.append(f"  memory only, which a kill loses: {disk.get('reason')}")
    if process.get("lost"):
        lines.append(f"  lost {process['lost']} spans")
    if process.get("threads_stand_still"):
        lines.append("  its threads stand still between requests: give uWSGI `enable-threads`")
    if process.get("last_error"):
        lines.append(f"  last error: {process['last_error']}")
    if box.damaged:
        lines.append(f"  {box.damaged} damaged places")
    if box.left_alone:
        lines.append(f"  written by another version, left alone: {', '.join(box.left_alone)}")
    return lines


def _size(number: int) -> str:
    return f"{number / 1024 / 1024:.1f} MiB"


def _refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 2


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
