# The operator's side: `spanledger` with the extra billing, for a ledger on a ClickHouse server.
#
# Versions come from the lock file that the tests run with. Of a hash-checked file pip would want a hash for this
# checkout too, so its lines serve as constraints.
FROM python:3.11-slim-bookworm AS operator
WORKDIR /build
COPY requirements-dev.lock ./
RUN sed -E -e '/^ +--hash/d' -e 's/ *\\$//' requirements-dev.lock > constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY instrumentation instrumentation
COPY hub hub
COPY billing billing
COPY schema schema
COPY collector collector
COPY dashboards dashboards
RUN pip install --no-cache-dir --constraint constraints.txt '.[billing]' \
    && useradd --uid 10001 --create-home spanledger
USER 10001
WORKDIR /home/spanledger
ENTRYPOINT ["spanledger"]

# The same with the providers' SDKs, which the demo's agency works with.
FROM operator AS demo
USER root
RUN pip install --no-cache-dir --constraint /build/constraints.txt openai anthropic google-genai aiohttp
USER 10001
