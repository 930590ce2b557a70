"""ASGI and WSGI middleware: bill what an app does for a request to the client that the request is for.

    tenant = from_jwt_claim("client_id", key=public_key, algorithms=["RS256"], audience="https://api.example")
    app.add_middleware(SpanledgerASGIMiddleware, resolver=tenant)

A resolver says whose request it is: one of those made here, or any function of an `IncomingRequest`.
"""

from spanledger.middleware.asgi import SpanledgerASGIMiddleware
from spanledger.middleware.resolvers import IncomingRequest, Resolver, from_header, from_jwt_claim
from spanledger.middleware.wsgi import SpanledgerWSGIMiddleware

__all__ = [
    "IncomingRequest",
    "Resolver",
    "SpanledgerASGIMiddleware",
    "SpanledgerWSGIMiddleware",
    "from_header",
    "from_jwt_claim",
]
