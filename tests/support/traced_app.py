"""The agency's app for one client, with tracing of its own: `python -m support.traced_app PROVIDERS_URL`.

A global TracerProvider, as `OTEL_*` set it up, sends the app's spans to the same collector: one around all
the work, so that its sampling decision is every call's parent, and those that SDKs make by themselves.
"""

import os
import sys
import warnings

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import spanledger
from spanledger_billing.demo import agency, clients

CLIENT = "brightside-realty"


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{os.environ['SPANLEDGER_ENDPOINT']}/v1/traces"))
    )
    trace.set_tracer_provider(provider)
    spanledger.instrument(service_name="traced-app")
    only = [client for client in clients.CLIENTS if client.client_id == CLIENT]
    with trace.get_tracer("the-apps-own").start_as_current_span("a day's work"):
        agency.run(sys.argv[1], rounds=1, clients=only)
    spanledger.uninstrument()
    provider.shutdown()


if __name__ == "__main__":
    main()
