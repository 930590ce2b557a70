"""The kill of a process, at any moment, loses no span that was submitted, and makes up none."""

import random
import subprocess
import sys
from pathlib import Path

from spanledger.delivery.outbox import status
from support.fake_collector import ACCEPT, Answer, FakeCollector, Received

TESTS = Path(__file__).parents[2]


def run_and_kill(collector: FakeCollector, books: Path, kills: int, seed: int) -> tuple[set[str], set[str]]:
    """What the apps have begun to submit, and what they have submitted."""
    subprocess.run(
        [sys.executable, "-m", "support.killed_apps", collector.url, str(books), str(kills), str(seed)],
        cwd=TESTS,
        check=True,
        timeout=300,
    )
    lines = [line.split(" ", 1) for line in books.read_text().splitlines()]
    begun, done = ({name for word, name in lines if word == kind} for kind in ("begun", "done"))
    return begun, done


def ids_by_name(collector: FakeCollector) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for received in collector.received:
        for span in received.spans:
            found.setdefault(span.name, set()).add(span.trace_id + span.span_id)
    return found


def test_of_apps_killed_while_they_submit_and_send_every_span_arrives_and_none_has_two_ids(
    collector: FakeCollector, outbox: Path, tmp_path: Path
):
    begun, done = run_and_kill(collector, tmp_path / "books", kills=60, seed=1)
    assert len(done) > 1000
    accepted = set(collector.accepted)
    assert done - accepted == set()
    assert accepted - begun == set()
    assert {name for name, ids in ids_by_name(collector).items() if len(ids) > 1} == set()
    assert list(outbox.glob("*/*.spans")) == []


def test_a_collector_that_fails_half_the_time_changes_nothing_about_it(
    collector: FakeCollector, outbox: Path, tmp_path: Path
):
    moods = random.Random(2)

    def moody(_: Received) -> Answer:
        return moods.choice([ACCEPT, Answer(503), Answer(429, {"retry-after": "0"}), Answer(drop=True)])

    collector.behave(moody)
    begun, done = run_and_kill(collector, tmp_path / "books", kills=40, seed=3)
    accepted = set(collector.accepted)
    assert done - accepted == set()
    assert accepted - begun == set()
    assert status.read(outbox, 1).aside_files == 0
