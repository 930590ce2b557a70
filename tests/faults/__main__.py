"""`python -m faults`: see `python -m faults --help`, and `make faults`."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from faults import kinds, previous
from faults.disk import Disk
from faults.world import Fault, World

KILLS_A_ROUND = 10
"""Each other fault has a round of its own, behind a kill."""


def main() -> int:
    asked = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    disk = Disk(folder / "disk")  # before any thread
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {line}\n")

    say(f"seed {asked.seed}, {asked.faults} faults")
    if not disk.own:
        say("no disk of its own can be had here: where a disk is to be full, the size of files is limited")
    good = False
    try:
        with World(disk, asked.seed, say) as world:
            last_line = _run(world, asked)
            good = world.verdict.good
    finally:
        if not good:
            shutil.copytree(disk.path, folder / "kept", ignore_dangling_symlinks=True)
            say(f"everything is kept in {folder / 'kept'}")
        disk.remove()
    if good:
        folder.rmdir()
    sys.stdout.write(f"{last_line}\n")
    return 0 if good else 1


def _run(world: World, asked: argparse.Namespace) -> str:
    """The last line."""
    a_fault = max((asked.calls or 200 * asked.faults) // asked.faults, 10)
    world.away = asked.away or 5 * a_fault
    left = asked.faults
    if asked.kills_only:
        world.start()
    else:
        previous.upgrade(world, revision=asked.upgrade_from)
        left -= 1
    for faults in _rounds(left, world.draws, kills_only=asked.kills_only):
        network = any(fault.__name__ in kinds.ON_THE_NETWORK for fault in faults)
        endpoint = world.network.url if network else world.stack.otlp_http_url
        world.round(faults, len(faults) * a_fault, endpoint=endpoint)
        world.verdict.compare()
    return world.verdict.end()


def _rounds(number: int, draws: random.Random, *, kills_only: bool) -> list[list[Fault]]:
    """Each kind of fault once at least, if there is room, and a third of all at most; the others are kills.

    A kill comes before another kind of fault, not after it: what a full disk has left in the memory of an
    app would be lost with that.
    """
    all_others = list(kinds.OTHERS.values())
    draws.shuffle(all_others)
    wanted = 0 if kills_only else max(min(number, len(all_others)), number // 3)
    others = [all_others[at % len(all_others)] for at in range(wanted)]
    kills = [draws.choice(list(kinds.KILLS.values())) for _ in range(number - wanted)]
    rounds: list[list[Fault]] = [[*([kills.pop()] if kills else []), other] for other in others]
    while kills:
        rounds.append([kills.pop() for _ in range(min(KILLS_A_ROUND, len(kills)))])
    draws.shuffle(rounds)
    return rounds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m faults",
        description="Do faults to the whole pipeline while apps make calls, and compare the ledger with the"
        " providers' books. Ends with 1 unless nothing is lost and nothing counts twice.",
    )
    parser.add_argument("--seed", type=int, default=1, help="draws faults, moments and usage (default 1)")
    parser.add_argument("--faults", type=int, default=40, help="how many (default 40)")
    parser.add_argument("--calls", type=int, help="about how many (default: 200 a fault)")
    parser.add_argument("--away", type=int, metavar="CALLS", help="for so long the collector is away once")
    parser.add_argument("--kills-only", action="store_true", help="kill -9 of apps, collector and database")
    parser.add_argument(
        "--upgrade-from",
        metavar="REVISION",
        help="a tag or commit whose code makes the data folder (default: today's code, its first migrations)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
