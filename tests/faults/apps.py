"""The apps as seen from the run: started, killed, ended; and what they say that they were answered."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
LONGEST_END_S = 120.0


class App:
    """One process."""

    def __init__(self, pid: int, endpoint: str) -> None:
        self.pid = pid
        self.endpoint = endpoint
        self._process = os.pidfd_open(pid)

    def signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """Returns when it is dead."""
        self.signal(signal.SIGKILL)
        self._wait()

    def end(self) -> None:
        """Returns when it has made its last call and has ended by itself."""
        self.signal(signal.SIGTERM)
        self._wait()

    def _wait(self) -> None:
        ended, _, _ = select.select([self._process], [], [], LONGEST_END_S)
        os.close(self._process)
        assert ended, "an app does not end"


class Apps:
    """Starts them, and reads their journal."""

    def __init__(self, outbox: Path, log: Path) -> None:
        self.finished: set[str] = set()
        """Ids of the answers that were read to their end."""
        self.broken: list[str] = []
        """Calls that failed: no fault may do that, the providers are always there."""
        self._changed = threading.Condition()
        reading, writing = os.pipe()
        self._journal = os.fdopen(reading)
        with log.open("a") as logged:
            self._forker: Any = subprocess.Popen(
                [sys.executable, "-m", "faults.app", str(writing)],
                cwd=TESTS,
                env={**os.environ, "SPANLEDGER_OUTBOX": str(outbox), "SPANLEDGER_EXIT_TIMEOUT": "2"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=logged,
                text=True,
                pass_fds=[writing],
            )
        os.close(writing)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, endpoint: str, providers: str, seed: str) -> App:
        told = {"endpoint": endpoint, "providers": providers, "seed": seed}
        self._forker.stdin.write(json.dumps(told) + "\n")
        self._forker.stdin.flush()
        return App(int(self._forker.stdout.readline()), endpoint)

    def wait_for_more_than(self, calls: int, seconds: float) -> bool:
        """Until more are finished, or one is broken; whether that was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.broken or len(self.finished) > calls, seconds)

    def close(self) -> None:
        self._forker.stdin.close()
        self._forker.wait()
        self._forker.stdout.close()
        self._reader.join()
        self._journal.close()

    def _read(self) -> None:
        for line in self._journal:
            with self._changed:
                if line.startswith("broken"):
                    self.broken.append(line.strip())
                else:
                    self.finished.add(line.strip())
                self._changed.notify_all()
