"""`python -m spanledger`: what can be asked and done where an app runs."""

import sys

from spanledger.delivery.outbox.command import main

if __name__ == "__main__":
    sys.exit(main())
