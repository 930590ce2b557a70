"""The reverse proxy that owns the provider keys."""
