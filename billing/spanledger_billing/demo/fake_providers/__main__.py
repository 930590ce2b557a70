"""Run the providers by themselves: `python -m spanledger_billing.demo.fake_providers --seed 7`.

The first line printed is the URL.
"""

from __future__ import annotations

import argparse
import contextlib

from .server import FakeProviders


def main() -> None:
    parser = argparse.ArgumentParser(description="A local stand-in for OpenAI, Anthropic and Google.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    providers = FakeProviders(options.seed, options.port)
    print(providers.url, flush=True)  # noqa: T201 - the one thing that it says
    with contextlib.suppress(KeyboardInterrupt):
        providers.serve()


if __name__ == "__main__":
    main()
