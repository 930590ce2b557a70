"""Whose request it is.

A resolver takes an `IncomingRequest` and returns a client's id, an `Attribution`, or None: the request names
no client, and the process's default pays. Nobody outside may choose who pays, so what a resolver reads
must be proven (a verified token) or set by the operator's own gateway.

A resolver that fails, and a token that is not valid, make the request unattributed and are counted; the
app handles the request as ever. Refusing the request is the app's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spanledger import health
from spanledger.attribution import UNATTRIBUTED, Attribution

Resolved = str | Attribution | None
Resolver = Callable[["IncomingRequest"], Resolved | Awaitable[Resolved]]
"""An asynchronous one only behind ASGI."""


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """What a resolver sees of a request: no body, which is the app's to read."""

    method: str
    """Empty for a websocket."""
    path: str
    headers: Mapping[str, str]
    """Lower-case names; values of a repeated header joined by commas."""
    raw: Mapping[str, Any]
    """The ASGI scope or the WSGI environ."""


def attribution_of(resolved: object) -> Attribution | None:
    """What a resolver returned, held to what is allowed."""
    if resolved is None:
        return None
    if isinstance(resolved, Attribution):
        if resolved.client_id is None:
            return resolved
        return Attribution.checked(resolved.client_id, project=resolved.project, labels=resolved.labels)
    return Attribution.checked(resolved)


def failed(error: Exception) -> Attribution:
    """What stands for the answer of a resolver that raised."""
    health.count(
        "resolver_failed",
        log=f"a middleware's resolver raised {type(error).__name__}; its requests are unattributed",
    )
    return UNATTRIBUTED


def from_header(name: str, *, set_by_our_gateway: Literal[True]) -> Callable[[IncomingRequest], Resolved]:
    """Take the client from a header that your own gateway sets.

    **Whoever can send this header chooses who pays.** Use it only where every request passes a gateway of
    yours which removes the header from what comes in (with WSGI also its spelling with underscores,
    `X_Client_Id`, which an environ cannot tell apart) and sets its own. A header that is there twice is
    refused.

    Raises:
        ValueError: `set_by_our_gateway` is not True.

    """
    if set_by_our_gateway is not True:
        raise ValueError(
            f"from_header({name!r}) lets whoever can send the header choose who pays. Where your own gateway"
            " removes and sets it, say set_by_our_gateway=True; else use from_jwt_claim or a function"
        )
    wanted = name.lower()

    def client_of_header(request: IncomingRequest) -> Resolved:
        value = request.headers.get(wanted)
        if value is None or not value.strip():
            return None
        if "," in value:
            health.count(
                "header_ambiguous",
                log=f"the header {wanted} came more than once, or holds a comma; the request is unattributed",
            )
            return UNATTRIBUTED
        return value

    return client_of_header


def from_jwt_claim(
    claim: str,
    *,
    key: Any,
    algorithms: Sequence[str],
    audience: str | Sequence[str] | None = None,
    issuer: str | Sequence[str] | None = None,
    leeway_seconds: float = 0,
    header: str = "authorization",
) -> Callable[[IncomingRequest], Resolved]:
    """Take the client from a claim of the request's bearer token, once its signature is verified.

    No token: None, the process's default pays. A token that is not valid, or lacks the claim: unattributed.

    Args:
        claim: name of the claim that holds the client's id.
        key: the key to verify with, as PyJWT takes it; or a function that finds it for a token, such as
            `PyJWKClient(url).get_signing_key_from_jwt`. It is called in the request's own thread.
        algorithms: those that your issuer signs with, such as `["RS256"]`. What the token says of itself is
            not believed.
        audience: the `aud` that a token must be for. A token that names one is refused where none is given.
        issuer: the `iss` that a token must come from.
        leeway_seconds: how far clocks may differ.
        header: the header that holds `Bearer <token>`.

    Raises:
        ImportError: PyJWT is not installed.
        ValueError: no algorithm, `none`, or shared-secret and public-key algorithms together, which lets the
            public key sign.

    """
    try:
        import jwt
    except ImportError as error:
        raise ImportError(
            "from_jwt_claim verifies tokens with PyJWT, which is not installed: pip install 'pyjwt[crypto]'"
        ) from error
    allowed = _allowed_algorithms(algorithms)
    wanted = header.lower()

    def client_of_token(request: IncomingRequest) -> Resolved:
        scheme, _, token = request.headers.get(wanted, "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        try:
            verified = jwt.decode(
                token.strip(),
                key(token.strip()) if callable(key) else key,
                algorithms=allowed,
                audience=audience,
                issuer=issuer,
                leeway=leeway_seconds,
            )
        except Exception as error:
            # The kind alone: messages and tracebacks of some libraries hold parts of the token.
            health.count(
                "token_refused",
                log=f"a token is not valid ({type(error).__name__}); its request is unattributed",
            )
            return UNATTRIBUTED
        client_id = verified.get(claim)
        if not isinstance(client_id, str):
            health.count(
                "token_without_client",
                log=f"a valid token has no text in its claim {claim!r}; its request is unattributed",
            )
            return UNATTRIBUTED
        return client_id

    return client_of_token


def _allowed_algorithms(algorithms: Sequence[str]) -> list[str]:
    allowed = [algorithms] if isinstance(algorithms, str) else list(algorithms)
    if not allowed or any(not isinstance(one, str) or one.lower() == "none" for one in allowed):
        raise ValueError(
            'from_jwt_claim needs the algorithms that your issuer signs with, such as ["RS256"]; "none" is no'
            " signature and is not allowed"
        )
    if len({one.upper().startswith("HS") for one in allowed}) > 1:
        raise ValueError(
            f"from_jwt_claim was given {', '.join(allowed)}: shared-secret (HS…) and public-key algorithms"
            " together let anyone sign with the public key. Give one kind"
        )
    return allowed
