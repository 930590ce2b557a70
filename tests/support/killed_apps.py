"""Apps that are killed while they submit: `python -m support.killed_apps URL BOOKS KILLS SEED`.

One process imports everything and forks the apps, so that a kill costs milliseconds. Each app writes into
BOOKS what it is about to submit and what it has submitted, and is killed at a moment drawn from SEED. At the
end one more app starts, submits nothing, and sends what the others left.
"""

import math
import os
import random
import signal
import sys
import time
from pathlib import Path

from spanledger.delivery import Delivery, DeliverySettings
from spanledger.delivery.outbox import status, writing
from support.finished_spans import submit
from support.waiting import wait_for

AT_ONCE = 3
LONGEST_LIFE_S = 0.12


def quick(url: str) -> DeliverySettings:
    return DeliverySettings(url, linger=0.002, first_retry=0.005, longest_retry=0.02, sync_interval=0.01)


def app(url: str, books: int, name: str) -> None:
    # A disk that stalls sends spans to memory, which a kill takes: test_fallback's matter. Here each is written.
    writing.STALLED_S = math.inf  # type: ignore[misc]
    delivery = Delivery(quick(url))
    number = 0
    while True:
        os.write(books, f"begun {name}.{number}\n".encode())
        submit(delivery, f"{name}.{number}")
        os.write(books, f"done {name}.{number}\n".encode())
        number += 1


def main() -> None:
    url, path, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    books = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    moments = random.Random(seed)
    living: list[int] = []
    for number in range(kills):
        child = os.fork()
        if child == 0:
            try:
                app(url, books, f"app {number}")
            finally:
                os._exit(1)
        living.append(child)
        time.sleep(moments.uniform(0, LONGEST_LIFE_S))
        if len(living) == AT_ONCE:
            kill(living.pop(moments.randrange(AT_ONCE)))
    for child in living:
        kill(child)
    delivery = Delivery(quick(url))
    folder = Path(os.environ["SPANLEDGER_OUTBOX"])
    wait_for(lambda: status.read(folder, 1).spans == 0, "an empty outbox")
    assert delivery.shutdown(60)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
