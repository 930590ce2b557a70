"""Closing months: a client's month is frozen, vouched for by a chain of hashes, and corrected later only."""
