"""The apps: `python -m faults.app JOURNAL`, JOURNAL being a descriptor.

One process imports everything; for each line of its input, a JSON object, it forks an app and prints its pid:
a kill and a new start cost milliseconds. An app makes calls until it is told to end (SIGTERM), and writes the
id of an answer into the journal as soon as it has read the answer to its end. From then on nothing may be
lost. SIGUSR1 sets its clock wrong.
"""

# ruff: noqa: E402 - the clock is replaced before anybody takes a reference to it

import time

_true_time_ns = time.time_ns
_shift_ns = 0


def _time_ns() -> int:
    return _true_time_ns() + _shift_ns


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9

import json
import os
import random
import re
import signal
import sys
from typing import Any

import httpx2

import spanledger
from spanledger_billing.demo.clients import CLIENTS

CHAT = "http://api.openai.com/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "x"}]
MODELS = ("gpt-4o-mini", "gpt-4.1-mini", "gpt-5-mini")
LONGEST_JUMP_S = 300 * 86_400
"""Back, and less than an hour forward: what is beyond is no time to the ledger, which is another test."""

_ended = False


def main() -> None:
    journal = int(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            work(journal, **told)
            sys.exit()
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def work(journal: int, *, endpoint: str, providers: str, seed: str) -> None:
    draws = random.Random(seed)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGUSR1, lambda *_: _jump(draws))
    spanledger.instrument(service_name="app", endpoint=endpoint)
    with httpx2.Client(proxy=providers, timeout=60) as http:
        while not _ended:
            client = draws.choice(CLIENTS)
            with spanledger.bill_to(client.client_id, project=client.project):
                try:
                    written = _call(http, client.api_key, draws)
                except Exception as error:
                    written = f"broken {type(error).__name__}"
            os.write(journal, f"{written}\n".encode())


def _call(http: Any, key: str, draws: random.Random) -> str:
    body = {"model": draws.choice(MODELS), "messages": MESSAGES}
    headers = {"authorization": f"Bearer {key}"}
    if draws.random() < 0.75:
        return str(http.post(CHAT, json=body, headers=headers).json()["id"])
    with http.stream("POST", CHAT, json=body | {"stream": True}, headers=headers) as answer:
        found = re.search(rb'"id": ?"(chatcmpl-\w+)"', b"".join(answer.iter_bytes()))
    assert found
    return found[1].decode()


def _end(*_: Any) -> None:
    global _ended
    _ended = True


def _jump(draws: random.Random) -> None:
    global _shift_ns
    _shift_ns = int(draws.choice((0.0, draws.uniform(0, 3000), -draws.uniform(0, LONGEST_JUMP_S))) * 1e9)


if __name__ == "__main__":
    main()
