"""Grafana: one that this machine has, for embedded mode; and what is shared there with a single client."""
