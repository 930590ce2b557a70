"""A small agency, its three providers, and the check that the ledger says what the providers' books say."""
