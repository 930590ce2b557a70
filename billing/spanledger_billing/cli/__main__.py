"""`python -m spanledger_billing.cli` is `spanledger`, for where the script is not on the path."""

from spanledger_billing.cli import main

main()
