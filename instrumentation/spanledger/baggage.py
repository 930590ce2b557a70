"""W3C Baggage: in from upstream only where the operator trusts it, and out to no LLM host.

Whoever can send a request can write Baggage into it. Unless every sender is the operator's own service,
reading the client from it lets any caller bill a victim; so it is off by default.

A trusted upstream service names the client under `spanledger.client_id`, and may name `spanledger.project`.
The application's HTTP instrumentation writes all Baggage of the current context into every request, these
and its own; providers are not to see it, so a call is made in a context without any.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import baggage, context

from spanledger.attribution import Attribution

CLIENT_ID_KEY: Final = "spanledger.client_id"
PROJECT_KEY: Final = "spanledger.project"

_trusted = False


def trust_baggage(trusted: bool) -> None:
    """Say whether every sender of Baggage to this process may choose who pays."""
    global _trusted  # noqa: PLW0603 - process-wide by definition
    _trusted = trusted


def claimed() -> Attribution | None:
    """Who pays as far as trusted Baggage says so."""
    if not _trusted:
        return None
    client_id = baggage.get_baggage(CLIENT_ID_KEY)
    if client_id is None:
        return None
    return Attribution.checked(client_id, project=baggage.get_baggage(PROJECT_KEY))


def baggage_free(current: context.Context | None = None) -> context.Context:
    """`current`, by default the OpenTelemetry context that runs, without any Baggage: to be attached."""
    if current is None:
        current = context.get_current()
    return baggage.clear(current) if baggage.get_all(current) else current
