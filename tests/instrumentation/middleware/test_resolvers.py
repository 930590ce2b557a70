"""A resolver believes only what is proven, and none of its failures reaches the app."""

import logging
import sys
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from spanledger import health
from spanledger.attribution import UNATTRIBUTED, Attribution
from spanledger.middleware import IncomingRequest, from_header, from_jwt_claim
from spanledger.middleware.resolvers import attribution_of
from support.counting import Counting

SECRET = "s" * 64
OTHER_SECRET = "t" * 64


def request(**headers: str) -> IncomingRequest:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return IncomingRequest("GET", "/", names, {})


def bearer(claims: dict[str, Any], *, key: Any = SECRET, algorithm: str = "HS256") -> IncomingRequest:
    return request(authorization=f"Bearer {jwt.encode(claims, key, algorithm=algorithm)}")


def test_a_header_resolver_must_be_told_that_a_gateway_sets_the_header():
    with pytest.raises(ValueError, match="whoever can send the header choose"):
        from_header("x-client-id", set_by_our_gateway=False)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        from_header("x-client-id")  # type: ignore[call-arg]


def test_a_header_names_the_client_whatever_the_case_of_its_name():
    assert from_header("X-Client-Id", set_by_our_gateway=True)(request(x_client_id="acme")) == "acme"


def test_a_request_without_the_header_names_no_client():
    resolve = from_header("x-client-id", set_by_our_gateway=True)
    assert resolve(request()) is None
    assert resolve(request(x_client_id="  ")) is None


def test_a_header_that_came_twice_is_unattributed_and_counted():
    with Counting() as counted:
        resolved = from_header("x-client-id", set_by_our_gateway=True)(request(x_client_id="victim,acme"))
    assert resolved == UNATTRIBUTED
    assert counted.kinds == {"header_ambiguous": 1}


def test_a_verified_claim_names_the_client():
    resolve = from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])
    assert resolve(bearer({"client_id": "acme"})) == "acme"


def test_a_claim_signed_with_a_private_key_is_verified_with_the_public_one():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    resolve = from_jwt_claim(
        "https://agency.example/client",
        key=public,
        algorithms=["RS256"],
        audience="api",
        issuer="https://login.example",
    )
    claims = {"https://agency.example/client": "acme", "aud": "api", "iss": "https://login.example"}
    assert resolve(bearer(claims, key=private, algorithm="RS256")) == "acme"
    with Counting() as counted:
        for wrong in ({"aud": "other"}, {"iss": "https://evil.example"}):
            assert resolve(bearer({**claims, **wrong}, key=private, algorithm="RS256")) == UNATTRIBUTED
        assert resolve(bearer(claims, key=SECRET)) == UNATTRIBUTED
    assert counted.kinds == {"token_refused": 3}


def test_a_key_can_be_found_for_each_token():
    seen = []

    def find(token: str) -> str:
        seen.append(token)
        return SECRET

    resolve = from_jwt_claim("client_id", key=find, algorithms=["HS256"])
    assert resolve(bearer({"client_id": "acme"})) == "acme"
    assert jwt.get_unverified_header(seen[0])["alg"] == "HS256"


UNSIGNED = jwt.encode({"client_id": "victim"}, None, algorithm="none")
EXPIRED = jwt.encode({"client_id": "acme", "exp": int(time.time()) - 60}, SECRET)


@pytest.mark.parametrize(
    "token",
    [
        "no.token",
        "x",
        UNSIGNED,
        EXPIRED,
        jwt.encode({"client_id": "acme"}, OTHER_SECRET),
        jwt.encode({"client_id": "acme", "aud": "elsewhere"}, SECRET),
        jwt.encode({"client_id": "acme"}, SECRET, algorithm="HS512"),
    ],
    ids=["garbage", "one letter", "unsigned", "expired", "other key", "other audience", "other algorithm"],
)
def test_a_token_that_is_not_valid_is_unattributed_and_counted(token: str):
    resolve = from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])
    with Counting() as counted:
        assert resolve(request(authorization=f"Bearer {token}")) == UNATTRIBUTED
    assert counted.kinds == {"token_refused": 1}


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer  "])
def test_a_request_without_a_bearer_token_names_no_client(authorization: str):
    resolve = from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])
    with Counting() as counted:
        assert resolve(request(authorization=authorization)) is None
        assert resolve(request()) is None
    assert counted.kinds == {}


@pytest.mark.parametrize("claims", [{}, {"client_id": 7}, {"client_id": ["acme", "globex"]}])
def test_a_valid_token_without_a_client_is_unattributed_and_counted(claims: dict[str, Any]):
    with Counting() as counted:
        assert from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])(bearer(claims)) == UNATTRIBUTED
    assert counted.kinds == {"token_without_client": 1}


def test_a_key_function_that_fails_makes_the_request_unattributed():
    def unreachable(_: str) -> str:
        raise ConnectionError

    with Counting() as counted:
        resolved = from_jwt_claim("client_id", key=unreachable, algorithms=["HS256"])(
            bearer({"client_id": "a"})
        )
    assert resolved == UNATTRIBUTED
    assert counted.kinds == {"token_refused": 1}


@pytest.mark.parametrize("algorithms", [[], ["none"], ["RS256", "None"], [None]])
def test_without_a_signature_algorithm_there_is_no_jwt_resolver(algorithms: Any):
    with pytest.raises(ValueError, match="needs the algorithms that your issuer signs with"):
        from_jwt_claim("client_id", key=SECRET, algorithms=algorithms)


def test_shared_secret_and_public_key_algorithms_cannot_be_mixed():
    with pytest.raises(ValueError, match="let anyone sign with the public key"):
        from_jwt_claim("client_id", key=SECRET, algorithms=["RS256", "HS256"])


def test_without_pyjwt_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ImportError, match=r"pip install 'pyjwt\[crypto\]'"):
        from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])


def test_nothing_of_a_refused_token_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(health, "_counts", health._Counts())
    token = jwt.encode({"client_id": "acme"}, OTHER_SECRET)
    with caplog.at_level(logging.DEBUG):
        from_jwt_claim("client_id", key=SECRET, algorithms=["HS256"])(
            request(authorization=f"Bearer {token}")
        )
    assert len(caplog.messages) == 1
    assert not any(part in caplog.text for part in [*token.split("."), SECRET, "acme"])


def test_what_a_resolver_returns_is_held_to_what_is_allowed():
    assert attribution_of(None) is None
    assert attribution_of("acme") == Attribution("acme")
    assert attribution_of(UNATTRIBUTED) == UNATTRIBUTED
    with Counting() as counted:
        assert attribution_of(7) == UNATTRIBUTED
        assert attribution_of(Attribution("x" * 500, project="p")) == Attribution(None, "p")
    assert counted.kinds == {"client_id_refused": 2}
