"""A span sent through the whole pipeline, and how long it takes to the ledger.

It is sent as an app's spans are, to the endpoint and with the token that an app on this machine would
use. It says of itself that it does not bill, so it is stored and counts toward nothing.
"""

import os
import time
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import __version__, names
from spanledger.delivery.collector import Accepted, Collector
from spanledger.delivery.settings import DeliverySettings
from spanledger.settings import Settings
from spanledger_billing.doctor.report import Check, State, address
from spanledger_billing.errors import OperatorError, UnreachableError

COMPONENT: Final = "pipeline"
OPERATION: Final = "probe"


def span(trace_id: bytes, now_ns: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "spanledger-doctor"
    scope = resource.scope_spans.add()
    scope.scope.name = names.SCOPE
    scope.scope.version = __version__
    probe = scope.spans.add(
        trace_id=trace_id,
        span_id=os.urandom(8),
        name=OPERATION,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=now_ns,
        end_time_unix_nano=now_ns,
    )
    probe.attributes.add(key=names.OPERATION).value.string_value = OPERATION
    probe.attributes.add(key=names.BILLABLE).value.string_value = "no"
    return request


def send(settings: Settings) -> str:
    """Send one; its trace id as the ledger writes it.

    Raises:
        UnreachableError: nothing takes spans at the endpoint, or it takes none from us.

    """
    try:
        delivery = DeliverySettings(
            endpoint=settings.endpoint,
            headers=settings.headers,
            token=settings.token,
            certificate=settings.certificate,
            answer_timeout=10,
        )
    except ValueError as error:
        raise UnreachableError(f"no span can be sent: {error}", next_step="set it right") from None
    collector = Collector(delivery)
    trace_id = os.urandom(16)
    answer = collector.export(span(trace_id, time.time_ns()).SerializeToString())
    collector.close()
    if isinstance(answer, Accepted):
        return trace_id.hex()
    raise UnreachableError(
        f"{address(settings.endpoint)} takes no span: {answer.reason}",
        next_step="start the collector, or set SPANLEDGER_ENDPOINT to where it is; its log tells more",
    )


def arrived(ledger: Any, trace_id: str, patience: float) -> float | None:
    """Seconds until the probe can be read from `calls`; None if it was not there in time."""
    began = time.monotonic()
    query = "SELECT count() FROM calls WHERE trace_id = {trace_id:String} AND call_time > now() - 3600"
    while time.monotonic() - began < patience:
        if ledger.query(query, parameters={"trace_id": trace_id}).result_rows[0][0]:
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def check(settings: Settings, ledger: Any | None, patience: float) -> list[Check]:
    try:
        trace_id = send(settings)
    except OperatorError as error:
        return [Check(COMPONENT, "probe", State.UNREACHABLE, error.found, error.next_step)]
    if ledger is None:
        return [Check(COMPONENT, "probe", State.NOT_CHECKED, "sent, but the ledger cannot be asked for it")]
    seconds = arrived(ledger, trace_id, patience)
    if seconds is None:
        found = f"a span sent to {address(settings.endpoint)} was not in the ledger {patience:g} s later"
        next_step = "see the collector's queue above and its log; the span is on disk and will be written"
        return [Check(COMPONENT, "probe", State.PROBLEM, found, next_step)]
    return [
        Check(COMPONENT, "probe", State.OK, f"a span was in the ledger {seconds:.1f} s after it was sent")
    ]
