"""Another process of the agency: look at a response until it is done. Nobody says whom it is for.

`python -m spanledger_billing.demo.watch_response RESPONSE_ID`, with the key in `DEMO_API_KEY` and the
providers' address in `DEMO_PROVIDERS_URL`; `DEMO_UNMETERED` leaves metering off.
"""

from __future__ import annotations

import os
import sys
import time

import openai

import spanledger


def main() -> None:
    if "DEMO_UNMETERED" not in os.environ:
        spanledger.instrument(service_name="response-watcher")
    client = openai.OpenAI(
        api_key=os.environ["DEMO_API_KEY"],
        base_url="http://api.openai.com/v1",
        http_client=openai.DefaultHttpxClient(proxy=os.environ["DEMO_PROVIDERS_URL"]),
    )
    with client:
        response = client.responses.retrieve(sys.argv[1])
        while response.status in {"queued", "in_progress"}:
            time.sleep(0.05)
            response = client.responses.retrieve(sys.argv[1])
    print(response.status, response.usage.total_tokens if response.usage else None)  # noqa: T201 - its result
    spanledger.uninstrument()


if __name__ == "__main__":
    main()
