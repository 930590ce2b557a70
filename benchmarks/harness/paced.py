"""An app that makes metered calls at a steady pace: `python paced.py ENDPOINT CALLS_A_MINUTE SECONDS`.

The provider is a transport inside the process. Says at its end how many calls it made, and the memory that it
took at most, without and with metering.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import httpx2
from servers import chat_answer

import spanledger

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Summarise what the customer wrote."}]}


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> None:
    endpoint, pace, seconds = sys.argv[1], float(sys.argv[2]) / 60, float(sys.argv[3])
    body = json.dumps(chat_answer(1000)).encode()
    headers = {"content-type": "application/json"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers=headers))
    client = httpx2.Client(transport=transport)

    def call() -> None:
        client.post("https://api.openai.com/v1/chat/completions", json=ASKED)

    for _ in range(200):
        call()
    before = most = resident_kb()
    spanledger.instrument(endpoint=endpoint, client_id="acme", service_name="bench")
    made, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if made < passed * pace:
            call()
            made += 1
            if made % 50 == 0:
                most = max(most, resident_kb())
        else:
            time.sleep(min(0.05, 1 / pace))
    most = max(most, resident_kb())
    spanledger.flush(60)
    print(json.dumps({"calls": made, "before_kb": before, "most_kb": most}))


main()
