"""What the parameters of a request mean: transport, bound values, and settings of the engine's."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from spanledger_billing.embedded import form
from spanledger_billing.embedded.body import BadRequestError
from spanledger_billing.embedded.credentials import Identity
from spanledger_billing.embedded.engine import Session

MAX_PARAMETERS: Final = 1000

# Parameters of a request that are no settings of the engine's.
_TRANSPORT: Final = frozenset(
    {
        "add_http_cors_header",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)
_PARAMETER: Final = "param_"
# The promise of a 200 is the endpoint's, not the request's.
_NOT_TO_CHOOSE: Final = frozenset({"async_insert", "wait_for_async_insert", "readonly"})
# Grafana's data source and clickhouse-go set it on every request. Nothing else is a reader's to choose, above
# all not how much memory a query takes.
READERS_TO_CHOOSE: Final = frozenset({"max_execution_time"})


def of_url(query: str) -> dict[str, str]:
    """The parameters of a URL; of two by one name the last."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS))
    except ValueError as error:
        raise BadRequestError(
            400, f"the URL's parameters are not UTF-8, or more than {MAX_PARAMETERS}"
        ) from error


def session(parameters: Mapping[str, str], tables: tuple[form.Table, ...], identity: Identity) -> Session:
    """What the request's statement runs under."""
    settings = {
        name: value
        for name, value in parameters.items()
        if name not in _TRANSPORT
        and name not in _NOT_TO_CHOOSE
        and not name.startswith(_PARAMETER)
        and not form.is_description(name, tables)
    }
    bound = {
        name[len(_PARAMETER) :]: value for name, value in parameters.items() if name.startswith(_PARAMETER)
    }
    return Session(parameters.get("database") or "default", settings, bound, tables, identity.reads_only)
