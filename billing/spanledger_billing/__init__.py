"""The operator's side: the ledger's schema, prices, the command line, embedded mode."""
