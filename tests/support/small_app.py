"""A small metered app: `python -m support.small_app PROVIDERS_URL CLIENT_ID CALLS`.

It seeds `random` as many apps do, makes its calls without an SDK, prints what they answered as JSON, and
then waits for a line on its standard input before it ends: so a test decides what is up by then.
"""

import json
import random
import sys

import httpx2

import spanledger
from spanledger_billing.demo.clients import CLIENTS

CHAT = "http://api.openai.com/v1/chat/completions"


def main() -> None:
    providers_url, client_id, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    client = next(client for client in CLIENTS if client.client_id == client_id)
    random.seed(1)
    spanledger.instrument(service_name="small-app")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {client.api_key}"}
    seen = []
    with (
        httpx2.Client(proxy=providers_url, headers=headers) as http,
        spanledger.bill_to(client_id, project=client.project),
    ):
        for _ in range(calls):
            answer = http.post(CHAT, json=body)
            seen.append([answer.status_code, answer.json()["usage"]])
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    spanledger.uninstrument()


if __name__ == "__main__":
    main()
